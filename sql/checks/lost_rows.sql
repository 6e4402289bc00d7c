-- The ids whose delivery ends before the stored rows do, or lacks more than lost_share of them.
-- Value: lost_share. is_final is true for rows that count: the unfinished bar of a day may disappear.
with delivered as (
    select distinct
        $id_column as id,
        $date_column as day
    from $staged_rows
),

covered as (
    select
        stored.$id_column as id,
        stored.$date_column as day,
        delivered.id is null as is_lost
    from $stored_rows as stored
    left join delivered on delivered.id = stored.$id_column and delivered.day = stored.$date_column
    where stored.is_covered and $is_final
),

ends as (
    select
        $id_column as id,
        max($date_column) as last_day
    from $staged_rows
    group by $id_column
)

select
    covered.id,
    max(covered.day) as last_stored,
    any_value(ends.last_day) as last_delivered,
    count(*) filter (covered.is_lost) as lost,
    count(*) as stored
from covered
inner join ends on ends.id = covered.id
group by covered.id
having max(covered.day) > any_value(ends.last_day) or count(*) filter (covered.is_lost) > $lost_share * count(*)
order by covered.id
