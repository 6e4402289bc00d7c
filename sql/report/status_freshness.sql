-- How fresh each asset class is: symbols by status, and the newest session stored and expected.
with freshness as (
    select
        asset_class,
        status,
        last_session,
        expected_session,
    from meta.freshness
)

select
    asset_class,
    count(*) as symbols,
    count(*) filter (where status = 'fresh') as fresh,
    count(*) filter (where status = 'stale') as stale,
    count(*) filter (where status = 'ended') as ended,
    max(last_session) as last_session,
    max(expected_session) as expected_session,
from freshness
group by asset_class
order by asset_class
