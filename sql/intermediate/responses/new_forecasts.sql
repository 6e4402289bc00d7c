-- description: The forecasts that are due and not frozen yet, with the evidence for each. The run that builds them freezes
--   them.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: trigger_at
-- form: view
with clock as (
    select as_of_at from reference.clock
),

-- The latest run is the one that builds this. Without any run there is no version.
code as (
    select max_by(code_version, started_at) as code_version from meta.runs
),

bases as (
    select
        event_id,
        trigger,
        target_id,
        horizon_days,
        signal_id,
        trigger_at,
        is_primary,
        n_events,
        n_episodes,
        median,
        low,
        high,
        responses,
    from intermediate.forecast_bases
),

tests as (
    select
        trigger_at,
        signal_id,
        target_id,
        horizon_days,
        q_value,
        excess_log,
        lowest_log,
        highest_log,
    from intermediate.forecast_tests
),

frozen as (
    select
        event_id,
        trigger,
        target_id,
        horizon_days,
    from intermediate.visible_forecasts
),

final as (
    select
        bases.event_id, -- The breakout, or stage:turn_on:session.
        bases.trigger, -- decided or confirmed.
        bases.target_id, -- The target.
        bases.horizon_days, -- Calendar days held.
        bases.signal_id, -- subject:kind:trigger.
        bases.trigger_at, -- Instant at which the signal was known, UTC.
        clock.as_of_at as frozen_at, -- Clock of this run, UTC.
        code.code_version, -- Version of Cascade of this run.
        clock.as_of_at > bases.trigger_at + to_days($entry_window_days) as is_backtest, -- Whether it is too late to act on it, more than $entry_window_days days after the trigger.
        bases.n_events, -- Earlier events of the signal whose windows were complete by then.
        bases.n_episodes, -- Episodes of these events.
        bases.median, -- Median of the responses [fraction].
        bases.low, -- Low end of the range [fraction].
        bases.high, -- High end of the range [fraction].
        case
            when bases.n_episodes < $minimum_episodes then 'insufficient'
            when not bases.is_primary then 'exploratory'
            when tests.q_value <= $supporting_q and tests.excess_log > 0 and tests.lowest_log > 0 then 'supports'
            when tests.q_value <= $supporting_q and tests.excess_log < 0 and tests.highest_log < 0 then 'contradicts'
            else 'none'
        end as evidence, -- Evidence by the rules of marts.rotation_summary, from what was known at the trigger.
        bases.responses, -- The responses, in ascending order [fraction].
    from bases
    cross join clock
    cross join code
    left join tests
        on tests.trigger_at = bases.trigger_at
        and tests.signal_id = bases.signal_id
        and tests.target_id = bases.target_id
        and tests.horizon_days = bases.horizon_days
    left join frozen
        on frozen.event_id = bases.event_id
        and frozen.trigger = bases.trigger
        and frozen.target_id = bases.target_id
        and frozen.horizon_days = bases.horizon_days
    -- The bases may be older than the last forecasts that were frozen.
    where frozen.event_id is null
)

select * from final
