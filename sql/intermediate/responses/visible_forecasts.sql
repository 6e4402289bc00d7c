-- description: The frozen forecasts that the run's clock may look at. A historical view shows none that were frozen later.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: frozen_at
-- form: view
with clock as (
    select as_of_at from reference.clock
),

frozen as (
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
    from reference.frozen_forecasts
),

final as (
    select
        frozen.event_id, -- The breakout, or stage:turn_on:session.
        frozen.trigger, -- decided or confirmed.
        frozen.target_id, -- The target.
        frozen.horizon_days, -- Calendar days held.
        frozen.signal_id, -- subject:kind:trigger.
        frozen.trigger_at, -- Instant at which the signal was known, UTC.
        frozen.frozen_at, -- Clock of the run that froze the forecast, UTC.
        frozen.code_version, -- Version of Cascade that froze it.
        frozen.is_backtest, -- Whether it was frozen too late to act on.
        frozen.n_events, -- Earlier events of the signal whose windows were complete by then.
        frozen.n_episodes, -- Episodes of these events.
        frozen.median, -- Median of the responses [fraction].
        frozen.low, -- Low end of the range [fraction].
        frozen.high, -- High end of the range [fraction].
        frozen.evidence, -- insufficient, exploratory, none, supports or contradicts.
        frozen.responses, -- The responses, in ascending order [fraction].
    from frozen
    inner join clock on frozen.frozen_at <= clock.as_of_at
)

select * from final
