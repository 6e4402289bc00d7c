-- The forecasts of marts.forecasts that are not frozen yet, as rows of reference.frozen_forecasts.
--
-- The responses behind a forecast are too many to publish, so they come from intermediate.forecast_bases. If that table
-- was rebuilt without marts.forecasts, a forecast that it no longer fits waits for a run that builds both.
with forecasts as (
    select
        event_id,
        trigger,
        target_id,
        horizon_days,
        signal_id,
        trigger_at,
        frozen_at,
        code_version,
        is_backtest,
        n_events,
        n_episodes,
        median,
        low,
        high,
        evidence,
    from marts.forecasts
),

bases as (
    select
        event_id,
        trigger,
        target_id,
        horizon_days,
        trigger_at,
        n_events,
        median,
        low,
        high,
        responses,
    from intermediate.forecast_bases
),

frozen as (
    select
        event_id,
        trigger,
        target_id,
        horizon_days,
    from reference.frozen_forecasts
),

final as (
    select
        forecasts.*,
        bases.responses,
    from forecasts
    inner join bases
        on
            bases.event_id = forecasts.event_id
            and bases.trigger = forecasts.trigger
            and bases.target_id = forecasts.target_id
            and bases.horizon_days = forecasts.horizon_days
            and bases.trigger_at = forecasts.trigger_at
            and bases.n_events = forecasts.n_events
            and bases.median is not distinct from forecasts.median
            and bases.low is not distinct from forecasts.low
            and bases.high is not distinct from forecasts.high
    anti join frozen
        on
            frozen.event_id = forecasts.event_id
            and frozen.trigger = forecasts.trigger
            and frozen.target_id = forecasts.target_id
            and frozen.horizon_days = forecasts.horizon_days
)

select * from final
order by all
