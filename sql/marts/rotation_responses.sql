-- description: What each target did after each event: bought at its first close after the event was known, and held for
--   the horizon. Costs are not included.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: known_at, the end of the day on which the horizon was reached; null while the window is open
-- Several signals can share an event. Its response is the same for all of them.
with triggers as (
    select distinct
        event_id,
        trigger,
        trigger_at,
    from intermediate.triggers
),

entries as (
    select
        trigger_at,
        target_id,
        entry_date,
        entry_at,
    from intermediate.response_entries
),

window_extremes as (
    select
        target_id,
        entry_date,
        horizon_days,
        max_run_up,
        max_drawdown,
    from intermediate.window_extremes
),

horizons as (
    select horizon_days from reference.horizons
),

windows as (
    select
        target_id,
        entry_date,
        horizon_days,
        exit_date,
        forward_return,
        known_at,
    from intermediate.forward_windows
),

event_entries as (
    select
        triggers.event_id,
        triggers.trigger,
        entries.* exclude (trigger_at),
    from triggers
    inner join entries on entries.trigger_at = triggers.trigger_at
),

outcomes as (
    select
        event_entries.*,
        horizons.horizon_days,
        windows.exit_date,
        windows.forward_return,
        windows.known_at,
    from event_entries
    cross join horizons
    left join windows
        on windows.target_id = event_entries.target_id
        and windows.entry_date = event_entries.entry_date
        and windows.horizon_days = horizons.horizon_days
),

final as (
    select
        outcomes.event_id, -- The breakout, a row of marts.breakouts; or the stage that turned on, stage:turn_on:session.
        outcomes.trigger, -- The fact that triggered the signal: decided or confirmed.
        outcomes.target_id, -- The target: a row of core.instruments, or ALTSEASON for the altseason index, which cannot be bought.
        outcomes.horizon_days, -- Calendar days held.
        outcomes.entry_date, -- Session of the target's first close after the trigger, at most $entry_window_days days later.
        outcomes.entry_at, -- Instant of that close, UTC.
        outcomes.exit_date, -- Last session at or before entry_date + horizon_days; null while the window is open.
        outcomes.forward_return, -- Return from entry to exit, a total return if dividends are known, before costs [fraction]; for ALTSEASON the difference of its levels [0.1 is ten points]; null while the window is open.
        window_extremes.max_run_up, -- Highest close of the window against the entry [fraction, or difference]; null while the window is open.
        window_extremes.max_drawdown, -- Largest fall from the highest close so far, the entry included [fraction or difference, negative]; null while the window is open.
        outcomes.known_at is not null as is_complete, -- Whether the horizon was reached while the target still traded.
        outcomes.known_at, -- End of the UTC day on which the horizon was reached; null while the window is open.
    from outcomes
    left join window_extremes
        on window_extremes.target_id = outcomes.target_id
        and window_extremes.entry_date = outcomes.entry_date
        and window_extremes.horizon_days = outcomes.horizon_days
)

select * from final
order by event_id, trigger, target_id, horizon_days
