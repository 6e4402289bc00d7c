-- The run that published the file: the newest one with a published status.
select
    run_id,
    source,
    as_of,
    finished_at,
    status,
    code_version,
from meta.runs
where status like 'published%'
order by started_at desc
limit 1
