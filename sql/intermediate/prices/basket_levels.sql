-- description: The level of the altcoin basket: equal parts of the altcoins, bought at the start of each month and held
--   until its end.
-- grain: instrument_id, session_date
-- known_at: known_at, the end of the day; later if a price in the level was corrected later
with baskets as (
    select instrument_id from reference.instruments
    where role = 'altcoin_basket'
),

growth as (
    select
        session_date,
        month,
        growth,
        members,
        coverage,
        known_at,
    from intermediate.basket_growth
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
        growth.month as bought_on, -- First UTC day of the month, when the members were bought in equal parts.
        growth.members, -- Altcoins held, including those that died during the month.
        $basket_start * chained.growth * growth.growth as level, -- Value of the basket; it starts at $basket_start.
        (growth.session_date + 1)::timestamptz as closes_at, -- End of the UTC day.
        greatest(growth.known_at, chained.known_at, (growth.session_date + 1)::timestamptz) as known_at, -- When the level could first be known, UTC.
    from baskets
    cross join growth
    inner join chained on chained.month = growth.month
    -- Coins that stopped trading without a known reason have frozen prices. With too many of them there is no level.
    where growth.coverage >= $basket_coverage
)

select * from final
order by instrument_id, session_date
