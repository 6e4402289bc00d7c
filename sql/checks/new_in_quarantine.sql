-- Adds rejected rows to meta.quarantine, except those that are in it with the same reason.
-- Value: captured_at.
insert into meta.quarantine by name
with rejected as (
    select
        table_name,
        id,
        session_date::date as session_date,
        reason,
        payload
    from $rejected_rows
)

select
    rejected.table_name,
    rejected.id,
    rejected.session_date,
    rejected.reason,
    rejected.payload,
    $captured_at::timestamptz as captured_at
from rejected
where not exists (
    select 1
    from meta.quarantine as known
    where
        known.table_name = rejected.table_name
        and known.id = rejected.id
        and known.session_date is not distinct from rejected.session_date
        and known.reason = rejected.reason
        and known.payload = rejected.payload
)
