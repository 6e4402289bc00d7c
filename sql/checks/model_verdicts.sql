-- The verdicts of each model's last build: the checks that must hold, in the run that built its table.
with builds as (
    select
        table_name,
        run_id,
    from reference.builds
),

checks as (
    select
        run_id,
        check_name,
        table_name,
        passed,
        severity,
        rows_checked,
        rows_failed,
        detail,
    from meta.checks
    where severity = 'ERROR'
),

final as (
    select
        checks.check_name,
        checks.table_name,
        checks.passed,
        checks.severity,
        checks.rows_checked,
        checks.rows_failed,
        checks.detail,
    from builds
    inner join checks on checks.run_id = builds.run_id and checks.table_name = builds.table_name
)

select * from final
order by table_name, check_name
