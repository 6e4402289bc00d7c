-- description: Every forecast as it was stated: the frozen ones, and those of this run.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: trigger_at
-- form: view
with frozen as (
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
        responses,
    from intermediate.visible_forecasts
),

new_forecasts as (
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
        responses,
    from intermediate.new_forecasts
),

forecasts as (
    select * from frozen
    union all
    select * from new_forecasts
),

final as (
    select
        event_id, -- The breakout, or stage:turn_on:session.
        trigger, -- decided or confirmed.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        signal_id, -- subject:kind:trigger.
        trigger_at, -- Instant at which the signal was known, UTC.
        frozen_at, -- Clock of the run that froze the forecast, UTC.
        code_version, -- Version of Cascade that froze it.
        is_backtest, -- Whether it was frozen too late to act on.
        n_events, -- Earlier events of the signal whose windows were complete at the trigger.
        n_episodes, -- Episodes of these events.
        median, -- Median of the responses [fraction].
        low, -- Low end of the range [fraction].
        high, -- High end of the range [fraction].
        evidence, -- insufficient, exploratory, none, supports or contradicts.
        responses, -- The responses, in ascending order [fraction].
    from forecasts
)

select * from final
