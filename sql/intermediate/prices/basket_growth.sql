-- description: How much the altcoin basket has grown since it was bought at the start of the month, day by day.
-- grain: session_date
-- known_at: known_at
with coins as (
    select
        instrument_id,
        valid_to,
    from intermediate.instrument_bases
    where role = 'altcoin'
),

bars as (
    select
        instrument_id,
        session_date,
        date_trunc('month', session_date)::date as month,
        price,
        known_at,
    from intermediate.altcoin_bars
),

purchases as (
    select
        month,
        instrument_id,
        price,
        known_at,
    from intermediate.basket_purchases
),

held as (
    select
        purchases.month,
        purchases.instrument_id,
        bars.session_date,
        bars.price / nullif(purchases.price, 0) as growth,
        greatest(bars.known_at, purchases.known_at) as known_at,
    from purchases
    inner join bars
        on bars.instrument_id = purchases.instrument_id
        and bars.month = purchases.month
    union all
    select
        month,
        instrument_id,
        month - 1 as session_date,
        1 as growth,
        known_at,
    from purchases
),

days as (
    select distinct
        month,
        session_date,
    from held
    where session_date >= month
),

-- A coin without a bar keeps its last price, so a dead coin counts with what was left of it. The price counts as known
-- for $basket_lookback_days days, and without limit once the coin is known to be dead.
members as (
    select
        days.month,
        days.session_date,
        purchases.instrument_id,
        held.growth,
        held.known_at,
        held.session_date > days.session_date - $basket_lookback_days
        or coalesce(coins.valid_to < days.session_date, false) as is_known,
    from days
    inner join purchases on purchases.month = days.month
    inner join coins on coins.instrument_id = purchases.instrument_id
    asof join held
        on held.month = days.month
        and held.instrument_id = purchases.instrument_id
        and held.session_date <= days.session_date
),

final as (
    select
        session_date, -- UTC day on which at least one member has a final bar.
        month, -- First UTC day of the month.
        -- A fixed order of summation: the same input always gives the same last digit.
        avg(growth order by instrument_id) as growth, -- Value of the basket over its value at the start of the month [factor].
        count(*) as members, -- Altcoins held, including those that died during the month.
        count_if(is_known) / nullif(count(*), 0) as coverage, -- Share of members whose price is known [fraction].
        max(known_at) as known_at, -- When the last of the prices could first be known, UTC.
    from members
    group by month, session_date
)

select * from final
order by session_date
