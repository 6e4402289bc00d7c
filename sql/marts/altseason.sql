-- description: The share of altcoins that beat Bitcoin over $altseason_days days. Coins that died in that time count as
--   losers.
-- grain: session_date
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
        valid_to,
        is_proxy,
    from core.groups
    where group_id = 'altcoins'
),

returns as (
    select
        instrument_id,
        session_date,
        growth,
        known_at,
    from intermediate.altseason_returns
),

days as (
    select
        sessions.session_date,
        sessions.closes_at,
    from sessions
    cross join clock
    where sessions.closes_at <= clock.as_of_at
),

-- is_winner is null if a price is missing at either end, of the coin or of Bitcoin.
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
        index_pct, -- Share of the known members whose return over $altseason_days days beats Bitcoin's [%]; null if fewer than $altseason_least_known members are known or coverage is under $altseason_coverage.
        members, -- Altcoins that traded $altseason_days days before; without BTC, ETH, stablecoins and wrapped coins.
        known, -- Members with a known result: a price at both ends, each at most $altseason_tolerance_days days old, or dead since, which counts as a loss.
        coverage, -- known / members [fraction].
        case
            when index_pct >= $altseason_high then 'altseason'
            when index_pct <= $altseason_low then 'bitcoin_season'
            when index_pct is not null then 'neutral'
        end as regime, -- altseason if index_pct is $altseason_high or more, bitcoin_season if it is $altseason_low or less, else neutral; null if index_pct is null.
        is_proxy, -- Whether the members are today's survivors instead of the largest coins of that time.
        known_at, -- When the row could first be known, UTC.
    from measured
)

select * from final
order by session_date
