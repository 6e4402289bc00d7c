-- description: The level of each series of the lead-lag tables at each of its sessions: the logarithm of prices and ratios,
--   the value itself of everything else.
-- grain: series_id, session_date
-- known_at: known_at
-- form: view
with series as (
    select distinct series_id from reference.lagged_series
),

instruments as (
    select
        instrument_id,
        coalesce(reconstructed_before, '0001-01-01'::date) as first_date,
    from core.instruments
),

prices as (
    select
        instrument_id as series_id,
        session_date,
        ln(return_price) as level,
        known_at,
    from intermediate.prices
    where return_price > 0
),

ratios as (
    select
        pair_id as series_id,
        session_date,
        ln(ratio) as level,
        known_at,
    from marts.relative_strength
    where ratio > 0
),

macro as (
    select
        series_id,
        session_date,
        value as level,
        closes_at as known_at,
    from intermediate.macro_at_close
    where not is_stale and not is_hindsight
),

liquidity as (
    select
        'net_liquidity' as series_id,
        session_date,
        net_liquidity_musd as level,
        known_at,
    from marts.liquidity
),

altseason as (
    select
        'ALTSEASON' as series_id,
        session_date,
        index_pct as level,
        known_at,
    from marts.altseason
),

-- Reconstructed history is no evidence.
observed_prices as (
    select prices.*
    from prices
    inner join instruments on instruments.instrument_id = prices.series_id
    where prices.session_date >= instruments.first_date
),

levels as (
    select * from observed_prices
    union all
    select * from ratios
    union all
    select * from macro
    union all
    select * from liquidity
    union all
    select * from altseason
),

final as (
    select
        levels.series_id, -- Instrument, pair, macro series, net_liquidity or ALTSEASON.
        levels.session_date, -- The session.
        levels.level, -- Logarithm of a price or ratio; otherwise the value in the series' own unit.
        levels.known_at, -- When the row could first be known, UTC.
    from series
    inner join levels on levels.series_id = series.series_id
    where levels.level is not null
)

select * from final
