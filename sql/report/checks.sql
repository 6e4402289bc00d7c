-- The checks of the run $run_id, failed ones first.
select
    check_name,
    table_name,
    passed,
    severity,
    rows_checked,
    rows_failed,
    detail,
from meta.checks
where run_id = $run_id
order by passed, table_name, check_name
