-- The run that published the file: the newest one that says so in full. If no row does, the newest row, with what is
-- missing filled in: a bad row must not stop the alerts.
with runs as (
    select
        run_id,
        source,
        status,
        started_at,
        as_of,
    from meta.runs
)

select
    coalesce(run_id, 'unknown') as run_id,
    coalesce(source, '') as source,
    greatest(least(coalesce(as_of, started_at::date, current_date), current_date), date '1900-01-01') as as_of,
from runs
order by
    coalesce(status like 'published%' and source is not null and as_of <= current_date, false) desc,
    started_at desc nulls last
limit 1
