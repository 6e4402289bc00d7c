-- description: The maximum run-up and drawdown of each target between an entry and each horizon.
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
        measured.max_run_up, -- Highest close of the window against the entry [fraction]; for ALTSEASON the difference.
        measured.max_drawdown, -- Largest fall from the highest close so far, the entry included [fraction, negative]; for ALTSEASON the difference.
        windows.known_at, -- When the window was complete, UTC.
    from measured
    inner join windows
        on windows.target_id = measured.target_id
        and windows.entry_date = measured.entry_date
        and windows.horizon_days = measured.horizon_days
)

select * from final
order by target_id, entry_date, horizon_days
