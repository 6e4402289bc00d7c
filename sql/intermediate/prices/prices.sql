-- description: Daily prices: the final bars of instruments and the levels of baskets.
-- grain: instrument_id, session_date
-- known_at: known_at
-- form: view
with bars as (
    select
        instrument_id,
        session_date,
        bar_number,
        close,
        adj_close,
        signal_price,
        signal_low,
        return_price,
        closes_at,
        known_at,
    from core.bars
    where is_final
),

-- A basket has only its level, which is a total return.
levels as (
    select
        instrument_id,
        session_date,
        bar_number,
        level as close,
        level as adj_close,
        level as signal_price,
        null::double as signal_low,
        level as return_price,
        closes_at,
        known_at,
    from intermediate.basket_levels
),

prices as (
    select * from bars
    union all
    select * from levels
),

final as (
    select
        instrument_id, -- The instrument, a row of core.instruments.
        session_date, -- The session.
        bar_number, -- Position among the instrument's bars.
        close, -- Last price, split-adjusted, not adjusted for dividends.
        adj_close, -- Total-return close.
        signal_price, -- Price that signals use, on the instrument's price_basis.
        signal_low, -- Low of the session on the same basis; null if there are closes only.
        return_price, -- Price that returns use.
        closes_at, -- Instant at which the session ended, UTC.
        known_at, -- When the row could first be known, UTC.
    from prices
)

select * from final
