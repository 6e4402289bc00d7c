-- description: The response of every target from every session, over every horizon. Responses to events are compared with
--   these.
-- grain: target_id, entry_date, horizon_days
-- known_at: known_at, the end of the day on which the horizon is reached
with clock as (
    select as_of_at from reference.clock
),

prices as (
    select
        target_id,
        session_number,
        session_date,
        price,
        is_index,
        known_at,
    from intermediate.target_prices
),

instruments as (
    select
        instrument_id,
        reconstructed_before,
    from core.instruments
    where reconstructed_before is not null
),

horizons as (
    select horizon_days from reference.horizons
),

-- The last price for every calendar day, as long as a window may still end on that session.
held as (
    select
        target_id,
        unnest(generate_series(
            session_date,
            least(
                session_date + $exit_tolerance_days,
                coalesce(lead(session_date) over in_order, session_date + $exit_tolerance_days + 1) - 1
            )::timestamp,
            interval 1 day
        ))::date as day,
        session_date,
        session_number,
        price,
        known_at,
    from prices
    window in_order as (
        partition by target_id
        order by session_number
        rows between current row and 1 following
    )
),

days as (
    select
        held.target_id,
        held.day,
        held.session_date,
        held.session_number,
        held.price,
        greatest((held.day + 1)::timestamptz, held.known_at) as known_at,
    from held
    cross join clock
    where (held.day + 1)::timestamptz <= clock.as_of_at
),

entries as (
    select
        prices.*,
        horizons.horizon_days,
        prices.session_date + horizons.horizon_days as horizon_date,
    from prices
    cross join horizons
),

windows as (
    select
        entries.target_id,
        entries.session_number,
        entries.session_date as entry_date,
        entries.horizon_days,
        days.session_date as exit_date,
        days.session_number as exit_number,
        entries.is_index,
        if(entries.is_index, days.price - entries.price, days.price / nullif(entries.price, 0) - 1) as forward_return,
        if(entries.is_index, days.price - entries.price, ln(days.price / nullif(entries.price, 0))) as log_return,
        greatest(entries.known_at, days.known_at) as known_at,
    from entries
    -- A target that stopped trading before the horizon has no complete window.
    inner join days
        on days.target_id = entries.target_id
        and days.day = entries.horizon_date
),

final as (
    select
        windows.target_id, -- The target.
        windows.session_number, -- Position of the entry among the target's sessions.
        windows.entry_date, -- Session whose close is the entry.
        windows.horizon_days, -- Calendar days from the entry.
        windows.exit_date, -- Last session at or before entry_date + horizon_days.
        windows.exit_number, -- Position of the exit among the target's sessions.
        windows.forward_return, -- Return from entry to exit, before costs [fraction]; for ALTSEASON the difference of its levels.
        windows.log_return, -- Log return from entry to exit, which adds up over events; for ALTSEASON the difference of its levels.
        windows.is_index, -- Whether the response is a difference of two levels instead of a return.
        coalesce(windows.entry_date < instruments.reconstructed_before, false) as is_reconstructed, -- Whether the price at the entry is reconstructed, which is no evidence.
        windows.known_at, -- End of the UTC day on which the horizon is reached, or the later correction of one of its prices.
    from windows
    left join instruments on instruments.instrument_id = windows.target_id
)

select * from final
order by target_id, horizon_days, entry_date
