-- description: What the tables said when a signal triggered, frozen for good, and what followed. A forecast is how the
--   target responded to the signal's earlier events. Costs are not included.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: trigger_at
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
        responses,
    from intermediate.all_forecasts
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

-- The frozen trigger_at decides the entry, also if a correction has moved or removed the event since.
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
        event_id, -- The breakout, or the stage that turned on, stage:turn_on:session. The row stays if a correction of prices removes the event.
        trigger, -- The fact that made the forecast due: decided or confirmed.
        target_id, -- The target: a row of core.instruments, or ALTSEASON for the altseason index, which cannot be bought.
        horizon_days, -- Calendar days held.
        signal_id, -- subject:kind:trigger; the forecast rests on the earlier events of this signal.
        trigger_at, -- Instant at which the signal was known, UTC; the forecast uses nothing later.
        frozen_at, -- Clock of the run that froze the forecast, UTC.
        code_version, -- Version of Cascade that froze it, with the commit if it is known.
        is_backtest, -- Whether it was frozen too late to act on, more than $entry_window_days days after the trigger; it still uses only what was known at the trigger.
        n_events, -- Earlier events of the signal whose windows were complete at the trigger: what the forecast rests on.
        n_episodes, -- Episodes of these events: events at most $episode_gap_days days apart count as one.
        median, -- Median response to these events [fraction]; for ALTSEASON of the differences of its levels; null if there are no events.
        low, -- Low end of the range [fraction]: a share of $forecast_tail of such responses should be lower; null if there are too few responses.
        high, -- High end of the range [fraction]: a share of $forecast_tail of such responses should be higher; null if there are too few responses.
        evidence, -- Evidence by the rules of marts.rotation_summary, as of the trigger: insufficient, exploratory, none, supports, contradicts.
        entry_date, -- Session of the target's first close after the trigger, at most $entry_window_days days later; null until then.
        entry_at, -- Instant of that close, UTC.
        realised, -- What followed: return from the entry over the horizon, before costs [fraction], or the difference for ALTSEASON; null while the window is open.
        realised_at, -- When that was known, UTC: the end of the day on which the horizon was reached, or the correction of a price.
        if(realised is null, null, (n_below + 0.5 * n_equal) / nullif(n_events, 0)) as percentile, -- Share of the responses behind the forecast that are below what followed; ties count half. 0.5 on average if the past repeats itself.
        realised between low and high as inside, -- Whether what followed lies in the range, ends included; if the past repeats itself, a share of $forecast_tail lies beyond each end.
    from ranked
)

select * from final
order by event_id, trigger, target_id, horizon_days
