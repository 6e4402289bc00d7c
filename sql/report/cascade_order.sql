-- How often each stage was followed by the next one, and how often chance would do that.
select
    from_stage_name,
    to_stage_name,
    turn_ons,
    share_in_order,
    share_by_chance,
    as_of,
from marts.cascade_order
where to_stage = from_stage + 1 and share_in_order is not null and share_by_chance is not null
order by from_stage
