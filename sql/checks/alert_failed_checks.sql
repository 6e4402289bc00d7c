-- The checks that began to fail, or failed for more rows than in the run before. A check that fails run after run
-- appears once, until it fails for more rows or passes in between.
with checks as (
    select
        run_id,
        table_name,
        check_name,
        severity,
        detail,
        passed,
        rows_failed,
    from meta.checks
),

runs as (
    select
        run_id,
        started_at,
    from meta.runs
    where status like 'published%'
),

verdicts as (
    select
        checks.*,
        runs.started_at,
        lag(checks.passed) over history as passed_before,
        lag(checks.rows_failed) over history as rows_failed_before,
    from checks
    inner join runs on runs.run_id = checks.run_id
    window history as (
        partition by checks.table_name, checks.check_name
        order by runs.started_at, checks.run_id
    )
)

select
    run_id,
    table_name,
    check_name,
    severity,
    coalesce(detail, '') as detail,
    started_at::date as started_on,
from verdicts
where not passed and (coalesce(passed_before, true) or rows_failed > rows_failed_before)
