-- description: What every target did from every session on, over every horizon: the yardstick for what it did after events.
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
        known_at,
    from intermediate.target_prices
),

horizons as (
    select horizon_days from reference.horizons
),

entries as (
    select
        prices.target_id,
        prices.session_number,
        prices.session_date as entry_date,
        prices.price as entry_price,
        horizons.horizon_days,
        prices.session_date + horizons.horizon_days as horizon_date,
        prices.known_at as entry_known_at,
        (prices.session_date + horizons.horizon_days + 1)::timestamptz as horizon_at,
    from prices
    cross join horizons
    cross join clock
    where (prices.session_date + horizons.horizon_days + 1)::timestamptz <= clock.as_of_at
),

exits as (
    select
        entries.*,
        prices.session_date as exit_date,
        prices.session_number as exit_number,
        prices.price as exit_price,
        prices.known_at as exit_known_at,
    from entries
    asof join prices
        on prices.target_id = entries.target_id
        and prices.session_date <= entries.horizon_date
),

final as (
    select
        target_id, -- The target.
        session_number, -- Position of the entry among the target's sessions.
        entry_date, -- Session whose close is the entry.
        horizon_days, -- Calendar days from the entry.
        exit_date, -- Last session at or before entry_date + horizon_days.
        exit_number, -- Position of the exit among the target's sessions.
        exit_price / nullif(entry_price, 0) - 1 as forward_return, -- Return from entry to exit [fraction], before costs.
        ln(exit_price / nullif(entry_price, 0)) as log_return, -- Its logarithm.
        greatest(horizon_at, entry_known_at, exit_known_at) as known_at, -- End of the UTC day on which the horizon is reached, or when a price of it was corrected later.
    from exits
    -- A target that stopped trading before the horizon has no complete window.
    where exit_date >= horizon_date - $exit_tolerance_days
)

select * from final
order by target_id, horizon_days, entry_date
