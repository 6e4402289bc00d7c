-- The last value of every instrument and series, the stale and oldest ones first.
select
    id,
    asset_class,
    last_session,
    expected_session,
    age_sessions,
    status,
from meta.freshness
order by status desc, age_sessions desc nulls first, id asc
