-- description: The change in price over $altseason_days days of Bitcoin and every altcoin, day by day.
-- grain: instrument_id, session_date
-- known_at: known_at, the end of the UTC day; later if a bar at either end was corrected later
with clock as (
    select as_of_at from reference.clock
),

sessions as (
    select
        session_date,
        closes_at,
    from core.sessions
    where calendar = 'CRYPTO'
),

altcoins as (
    select
        instrument_id,
        valid_from,
    from core.groups
    where group_id = 'altcoins'
),

coins as (
    select distinct instrument_id from altcoins
    union all
    select 'BTC' as instrument_id
),

bars as (
    select
        instrument_id,
        session_date,
        return_price,
        known_at,
    from core.bars
    where is_final
        and return_price is not null
        and instrument_id in (select coins.instrument_id from coins)
),

days as (
    select
        sessions.session_date,
        sessions.closes_at,
    from sessions
    cross join clock
    where sessions.closes_at <= clock.as_of_at
        and sessions.session_date >= (select min(altcoins.valid_from) from altcoins)
),

-- The last price of each day. If the day has no bar, the last price of up to $altseason_tolerance_days days before.
prices as (
    select
        coins.instrument_id,
        days.session_date,
        days.closes_at,
        bars.return_price,
        bars.known_at,
    from days
    cross join coins
    asof join bars
        on bars.instrument_id = coins.instrument_id
        and bars.session_date <= days.session_date
    where bars.session_date >= days.session_date - $altseason_tolerance_days
),

final as (
    select
        prices.instrument_id, -- Bitcoin or an altcoin.
        prices.session_date, -- UTC day.
        prices.return_price / nullif(earlier.return_price, 0) as growth, -- Price of the day over the price $altseason_days days before [factor].
        greatest(prices.closes_at, prices.known_at, earlier.known_at) as known_at, -- When both prices could first be known, UTC.
    from prices
    inner join prices as earlier
        on earlier.instrument_id = prices.instrument_id
        and earlier.session_date = prices.session_date - $altseason_days
)

select * from final
order by instrument_id, session_date
