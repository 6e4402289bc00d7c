-- The last $weeks weeks of the pairs $pairs on the relative rotation graph, without pairs whose last week ended more
-- than $stale_days days before the newest week.
select
    pair_id,
    week_end,
    rs_ratio,
    rs_momentum,
    quadrant,
    row_number() over (partition by pair_id order by week_end desc) as weeks_back,
from marts.relative_rotation
where list_contains($pairs, pair_id)
qualify weeks_back <= $weeks
    and max(week_end) over (partition by pair_id) >= max(week_end) over () - $stale_days::integer
order by pair_id, week_end
