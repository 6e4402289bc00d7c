-- The forecasts for crypto that were frozen at the latest breakout of small caps; no row if there was none.
with latest as (
    select event_id
    from marts.forecasts
    where trigger = 'decided' and split_part(signal_id, ':', 1) in ('RUT', 'IWM', 'RUT/SPX')
    order by trigger_at desc, event_id desc
    limit 1
),

forecasts as (
    select
        event_id,
        trigger_at,
        frozen_at,
        is_backtest,
        code_version,
        target_id,
        horizon_days,
        n_events,
        n_episodes,
        median,
        low,
        high,
        evidence,
        realised,
        percentile,
        inside,
    from marts.forecasts
    where trigger = 'decided' and target_id in ('BTC', 'ETH', 'ALTS') and horizon_days in (30, 60, 90)
)

select forecasts.*
from forecasts
semi join latest on latest.event_id = forecasts.event_id
order by list_position(['BTC', 'ETH', 'ALTS'], forecasts.target_id), forecasts.horizon_days
