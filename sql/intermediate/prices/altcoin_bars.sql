-- description: Daily prices of the altcoins, from which the basket is built.
-- grain: instrument_id, session_date
-- known_at: known_at
-- form: view
with coins as (
    select instrument_id
    from intermediate.instrument_bases
    where role = 'altcoin'
),

bars as (
    select
        instrument_id,
        session_date,
        return_price,
        known_at,
        version,
    from core.bars
    where is_final and return_price > 0
),

final as (
    select
        bars.instrument_id, -- The altcoin.
        bars.session_date, -- UTC day.
        bars.return_price as price, -- Last price of the day.
        bars.known_at, -- When the price could first be known, UTC.
        bars.version, -- Version number of the bar; above 1 if it was corrected.
    from bars
    inner join coins on coins.instrument_id = bars.instrument_id
)

select * from final
