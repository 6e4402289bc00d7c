-- description: What the tables said when a signal came, frozen for good, and what became of it. It is what each target had
--   done after the signal's earlier events; costs are not included.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: trigger_at
with clock as (
    select as_of_at from reference.clock
),

-- The run that builds this; on a bench there may be none.
code as (
    select max_by(code_version, started_at) as code_version from meta.runs
),

bases as (
    select
        signal_id,
        event_id,
        trigger,
        trigger_at,
        target_id,
        horizon_days,
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
        signal_id,
        event_id,
        trigger,
        trigger_at,
        target_id,
        horizon_days,
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
    inner join clock on frozen_forecasts.frozen_at <= clock.as_of_at
),

response_entries as (
    select
        trigger_at,
        target_id,
        entry_date,
        entry_at,
    from intermediate.response_entries
),

windows as (
    select
        target_id,
        entry_date,
        horizon_days,
        forward_return,
        known_at,
    from intermediate.forward_windows
),

forecasts as (
    select * from frozen
    union all by name
    select
        bases.* exclude (is_primary),
        clock.as_of_at as frozen_at,
        code.code_version,
        clock.as_of_at > bases.trigger_at + to_days($entry_window_days) as is_backtest,
        -- As in marts.rotation_summary, with what was known by then.
        case
            when bases.n_episodes < $minimum_episodes then 'insufficient'
            when not bases.is_primary then 'exploratory'
            when tests.q_value <= $supporting_q and tests.excess_log > 0 and tests.lowest_log > 0 then 'supports'
            when tests.q_value <= $supporting_q and tests.excess_log < 0 and tests.highest_log < 0 then 'contradicts'
            else 'none'
        end as evidence,
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
    -- The bases may have been built before the last forecasts were frozen.
    where frozen.event_id is null
),

-- By the instant that was frozen: whatever a later correction makes of the event, the forecast is held to its word.
scored as (
    select
        forecasts.*,
        response_entries.entry_date,
        response_entries.entry_at,
        windows.forward_return as realised,
        windows.known_at as realised_at,
    from forecasts
    left join response_entries
        on response_entries.trigger_at = forecasts.trigger_at
        and response_entries.target_id = forecasts.target_id
    left join windows
        on windows.target_id = response_entries.target_id
        and windows.entry_date = response_entries.entry_date
        and windows.horizon_days = forecasts.horizon_days
),

ranked as (
    select
        *,
        len(list_filter(responses, lambda response: response < realised)) as n_below,
        len(list_filter(responses, lambda response: response = realised)) as n_equal,
    from scored
),

final as (
    select
        event_id, -- The breakout, or a stage that turned on, stage:turn_on:session. It stays here if a correction of prices unmakes it.
        trigger, -- The fact that made the forecast due: decided or confirmed.
        target_id, -- What it is about, a row of core.instruments; or ALTSEASON, the altseason index, which nobody can buy.
        horizon_days, -- Calendar days held.
        signal_id, -- subject:kind:trigger; the earlier events are its.
        trigger_at, -- Instant at which the signal was known, UTC; nothing later is in the forecast.
        frozen_at, -- As of when the run worked that froze the forecast, UTC.
        code_version, -- Version of Cascade that froze it, with the commit where it is known.
        is_backtest, -- Whether it was frozen too late to act on, more than five days after the trigger; it rests on what was known at the trigger all the same.
        n_events, -- Earlier events of the signal whose windows were complete at the trigger: what the forecast rests on.
        n_episodes, -- The same, counted once per three weeks.
        median, -- Median of the responses to them [fraction]; of the altseason index of the differences of its levels; null without any.
        low, -- A tenth of such responses should be lower [fraction]; null under nine responses, of which no range can say that.
        high, -- A tenth of such responses should be higher [fraction]; null under nine responses.
        evidence, -- As marts.rotation_summary would have said at the trigger: insufficient, exploratory, none, supports, contradicts.
        entry_date, -- Session of the target's first close that came after the trigger, within five days; null until then.
        entry_at, -- Instant of that close, UTC.
        realised, -- What followed: return from the entry over the horizon, before costs [fraction], or difference; null while the window is open.
        realised_at, -- When that was known: end of the UTC day on which the horizon was reached, or when a price of it was corrected.
        if(realised is null, null, (n_below + 0.5 * n_equal) / nullif(n_events, 0)) as percentile, -- Share of the responses that the forecast rests on that what followed exceeds, ties by half; 0.5 on average where the past repeats itself.
        realised between low and high as inside, -- Whether what followed lies in the range, its ends included; four times in five where the past repeats itself.
    from ranked
)

select * from final
order by event_id, trigger, target_id, horizon_days
