-- description: The level of the altcoin basket: equal parts of the altcoins, bought anew at the start of each month and
--   held in between.
-- grain: instrument_id, session_date
-- known_at: known_at, the end of the day, or when a price that the level is made of was corrected later
with baskets as (
    select instrument_id from reference.instruments
    where role = 'altcoin_basket'
),

coins as (
    select
        instrument_id,
        valid_to,
    from intermediate.instrument_bases
    where role = 'altcoin'
),

bars as (
    select
        bars.instrument_id,
        bars.session_date,
        bars.return_price as price,
        date_trunc('month', bars.session_date)::date as month,
        date_trunc('month', bars.session_date + $basket_lookback_days)::date as next_purchase,
        bars.known_at,
        bars.version,
    from core.bars
    inner join coins on coins.instrument_id = bars.instrument_id
    where bars.is_final and bars.return_price > 0
),

-- What is bought when the month begins: the altcoins that traded in the days before, at their last price. A price that
-- was corrected since was there in an earlier version; one that was filled in since was not.
purchases as (
    select
        next_purchase as month,
        instrument_id,
        arg_max(price, session_date) as price,
        arg_max(known_at, session_date) as known_at,
    from bars
    where next_purchase > session_date
        and (known_at <= next_purchase::timestamptz or version > 1)
    group by next_purchase, instrument_id
    qualify count(*) over (partition by next_purchase) >= $basket_least_members
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

-- A coin without a bar keeps its last price, so that one that died counts with what was left of it. Whether its price is
-- known is another question: of a coin that is not known to be dead it is for three days only.
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

growth as (
    select
        month,
        session_date,
        -- The order settles the last digit of a sum, so that the same input always gives the same number.
        avg(growth order by instrument_id) as growth,
        count(*) as members,
        count_if(is_known) / nullif(count(*), 0) as coverage,
        max(known_at) as known_at,
    from members
    group by month, session_date
),

months as (
    select
        month,
        arg_max(growth, session_date) as growth,
        arg_max(known_at, session_date) as known_at,
    from growth
    group by month
),

chained as (
    select
        month,
        coalesce(product(growth) over earlier, 1) as growth,
        max(known_at) over earlier as known_at,
    from months
    window earlier as (
        order by month
        rows between unbounded preceding and 1 preceding
    )
),

final as (
    select
        baskets.instrument_id, -- The basket, a row of core.instruments.
        growth.session_date, -- UTC day on which at least one member has a final bar.
        row_number() over (partition by baskets.instrument_id order by growth.session_date) as bar_number, -- Position among the basket's levels, from 1.
        growth.month as bought_on, -- First UTC day of the month, at whose beginning the members were bought in equal parts.
        growth.members, -- Altcoins held, those that died since among them.
        $basket_start * chained.growth * growth.growth as level, -- Value of the basket; 100 when it was bought first.
        (growth.session_date + 1)::timestamptz as closes_at, -- End of the UTC day.
        greatest(growth.known_at, chained.known_at, (growth.session_date + 1)::timestamptz) as known_at, -- When the level could first be known, UTC.
    from baskets
    cross join growth
    inner join chained on chained.month = growth.month
    -- Frozen prices of coins that nobody knows to be dead are no level.
    where growth.coverage >= $basket_coverage
)

select * from final
order by instrument_id, session_date
