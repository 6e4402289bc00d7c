-- description: How far each target rose and fell on the way from an entry to each horizon.
-- grain: target_id, entry_date, horizon_days
-- known_at: known_at, when the window was complete
-- statistic: window_extremes.window_extremes(intermediate.response_entries, intermediate.forward_windows, intermediate.target_prices)
with windows as (
    select
        target_id,
        entry_date,
        horizon_days,
        known_at,
    from intermediate.forward_windows
),

measured as (
    select
        target_id,
        entry_date,
        horizon_days,
        max_run_up,
        max_drawdown,
    from computed
),

final as (
    select
        measured.target_id, -- The target.
        measured.entry_date, -- Session of the entry.
        measured.horizon_days, -- Calendar days held.
        measured.max_run_up, -- Highest close of the window against the entry [fraction]; of the altseason index the difference.
        measured.max_drawdown, -- Largest fall of the closes from their highest so far, the entry included [fraction, negative]; of the altseason index the difference.
        windows.known_at, -- When the window was complete, UTC.
    from measured
    inner join windows
        on windows.target_id = measured.target_id
        and windows.entry_date = measured.entry_date
        and windows.horizon_days = measured.horizon_days
)

select * from final
order by target_id, entry_date, horizon_days
