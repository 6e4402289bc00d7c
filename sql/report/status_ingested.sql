-- What was ingested per asset class: symbols, failures, rejected rows, first and last day, stale symbols.
with deliveries as (
    select
        asset_class,
        count(*) as symbols,
        count(failure) as failed,
        sum(rows_quarantined)::bigint as rejected,
    from meta.deliveries
    group by asset_class
),

prices as (
    select
        asset_class,
        min(history_start) as first_day,
        max(last_session) as last_day,
    from core.instruments
    group by asset_class
),

macro as (
    select
        'macro' as asset_class,
        min(observation_date) as first_day,
        max(observation_date) as last_day,
    from core.macro
),

spans as (
    select * from prices
    union all by name
    select * from macro
),

stale as (
    select
        asset_class,
        count(*) as stale,
    from meta.freshness
    where status = 'stale'
    group by asset_class
)

select
    deliveries.asset_class,
    deliveries.symbols,
    deliveries.failed,
    deliveries.rejected,
    spans.first_day,
    spans.last_day,
    coalesce(stale.stale, 0) as stale,
from deliveries
left join spans on spans.asset_class = deliveries.asset_class
left join stale on stale.asset_class = deliveries.asset_class
order by deliveries.asset_class
