-- Rejected rows by table, instrument or series, and reason.
select
    table_name,
    id,
    reason,
    count(*) as rejected,
    min(session_date) as first_day,
    max(session_date) as last_day,
from meta.quarantine
group by table_name, id, reason
order by rejected desc, table_name asc, id asc, reason asc
