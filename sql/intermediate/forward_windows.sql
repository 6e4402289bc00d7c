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

entries as (
    select
        prices.target_id,
        prices.session_number,
        prices.session_date as entry_date,
        prices.price as entry_price,
        prices.is_index,
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
        exits.target_id, -- The target.
        exits.session_number, -- Position of the entry among the target's sessions.
        exits.entry_date, -- Session whose close is the entry.
        exits.horizon_days, -- Calendar days from the entry.
        exits.exit_date, -- Last session at or before entry_date + horizon_days.
        exits.exit_number, -- Position of the exit among the target's sessions.
        case
            when exits.is_index then exits.exit_price - exits.entry_price
            else exits.exit_price / nullif(exits.entry_price, 0) - 1
        end as forward_return, -- Return from entry to exit [fraction], before costs; of the altseason index the difference of its levels.
        case
            when exits.is_index then exits.exit_price - exits.entry_price
            else ln(exits.exit_price / nullif(exits.entry_price, 0))
        end as log_return, -- What adds up: the logarithm of exit over entry; of the altseason index the same difference.
        exits.is_index, -- Whether the response is the difference of two levels rather than a return.
        coalesce(exits.entry_date < instruments.reconstructed_before, false) as is_reconstructed, -- Whether the entry's price is a reconstruction, which is no evidence.
        greatest(exits.horizon_at, exits.entry_known_at, exits.exit_known_at) as known_at, -- End of the UTC day on which the horizon is reached, or when a price of it was corrected later.
    from exits
    left join instruments on instruments.instrument_id = exits.target_id
    -- A target that stopped trading before the horizon has no complete window.
    where exits.exit_date >= exits.horizon_date - $exit_tolerance_days
)

select * from final
order by target_id, horizon_days, entry_date
