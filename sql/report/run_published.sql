-- The run that published the file: the one with the id $run_id, or the newest if $run_id is null.
with runs as (
    select
        run_id,
        source,
        as_of,
        rows_new,
        rows_restated,
        started_at,
        finished_at,
        code_version,
    from meta.runs
    where status like 'published%'
)

select
    run_id,
    source,
    as_of,
    rows_new,
    rows_restated,
    epoch(finished_at - started_at) as seconds,
    finished_at,
    code_version,
from runs
where run_id = coalesce($run_id, run_id)
order by started_at desc
limit 1
