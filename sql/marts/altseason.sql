-- description: The share of altcoins that beat Bitcoin over 90 days, counting those that died since as losers.
-- grain: session_date
-- known_at: known_at, the end of the UTC day, or when a bar of either end was corrected later
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
        valid_to,
        is_proxy,
    from core.groups
    where group_id = 'altcoins'
),

bars as (
    select
        instrument_id,
        session_date,
        return_price,
        known_at,
    from core.bars
    where is_final and return_price is not null
),

days as (
    select
        sessions.session_date,
        sessions.closes_at,
    from sessions
    cross join clock
    where sessions.closes_at <= clock.as_of_at
        and sessions.session_date >= (select min(valid_from) from altcoins)
),

coins as (
    select distinct instrument_id from altcoins
    union all
    select 'BTC' as instrument_id
),

-- The last price of each day, or of up to three days before where the day's own is missing.
prices as (
    select
        coins.instrument_id,
        days.session_date,
        bars.return_price,
        bars.known_at,
    from days
    cross join coins
    asof join bars
        on bars.instrument_id = coins.instrument_id
        and bars.session_date <= days.session_date
    where bars.session_date >= days.session_date - $altseason_tolerance_days
),

returns as (
    select
        prices.instrument_id,
        prices.session_date,
        prices.return_price / nullif(earlier.return_price, 0) as growth,
        greatest(prices.known_at, earlier.known_at) as known_at,
    from prices
    inner join prices as earlier
        on earlier.instrument_id = prices.instrument_id
        and earlier.session_date = prices.session_date - $altseason_days
),

-- Null where it is unknown whether the coin won: a price of one end is missing, its own or Bitcoin's.
contests as (
    select
        days.session_date,
        if(altcoins.valid_to < days.session_date, false, returns.growth > bitcoin.growth) as is_winner,
        altcoins.is_proxy,
        greatest(days.closes_at, returns.known_at, bitcoin.known_at) as known_at,
    from days
    inner join altcoins
        on altcoins.valid_from <= days.session_date - $altseason_days
        and coalesce(altcoins.valid_to, days.session_date) >= days.session_date - $altseason_days
    left join returns
        on returns.instrument_id = altcoins.instrument_id
        and returns.session_date = days.session_date
    left join returns as bitcoin
        on bitcoin.instrument_id = 'BTC'
        and bitcoin.session_date = days.session_date
),

counted as (
    select
        session_date,
        count(*) as members,
        count(is_winner) as known,
        count_if(is_winner) as winners,
        bool_or(is_proxy) as is_proxy,
        max(known_at) as known_at,
    from contests
    group by session_date
),

measured as (
    select
        *,
        known / nullif(members, 0) as coverage,
        if(
            known >= $altseason_least_known and coverage >= $altseason_coverage,
            100 * winners / nullif(known, 0),
            null
        ) as index_pct,
    from counted
),

final as (
    select
        session_date, -- UTC day.
        index_pct, -- Share of the known members whose 90-day return beats Bitcoin's [%]; null under ten known or under 80 % coverage.
        members, -- Altcoins that there were 90 days before; neither BTC nor ETH, stablecoins nor wrapped coins.
        known, -- Members of which it is known: with a price of both ends, each at most three days old, or dead since, which is a loss.
        coverage, -- known / members [fraction].
        case
            when index_pct >= $altseason_high then 'altseason'
            when index_pct <= $altseason_low then 'bitcoin_season'
            when index_pct is not null then 'neutral'
        end as regime, -- altseason from 75 % on, bitcoin_season to 25 %, neutral in between; null where the index is.
        is_proxy, -- Whether the members are today's survivors rather than those that were the largest then.
        known_at, -- When the row could first be known, UTC.
    from measured
)

select * from final
order by session_date
