-- description: Claim 23: years in which the Russell 2000 was more volatile than the S&P 500, and Bitcoin more volatile than both.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

instruments as (
    select
        instrument_id,
        reconstructed_before,
    from core.instruments
    where instrument_id in ('SPX', 'RUT', 'BTC')
),

prices as (
    select
        prices.instrument_id,
        prices.session_date,
        prices.close,
        prices.known_at,
    from intermediate.prices as prices
    inner join instruments on instruments.instrument_id = prices.instrument_id
    where prices.session_date >= coalesce(instruments.reconstructed_before, '0001-01-01'::date)
),

-- All on sessions of the exchange, so that a weekend is one interval for each.
returns as (
    select
        prices.instrument_id,
        prices.session_date,
        ln(prices.close / nullif(lag(prices.close) over (
            partition by prices.instrument_id
            order by prices.session_date
            rows between unbounded preceding and current row
        ), 0)) as log_return,
        prices.known_at,
    from prices
    inner join prices as sessions
        on sessions.session_date = prices.session_date
        and sessions.instrument_id = 'SPX'
),

-- A year counts once it is over. A coin's first year is left out if it is short.
risks as (
    select
        instrument_id,
        date_trunc('year', session_date)::date as year_start,
        stddev_samp(log_return) as volatility,
        greatest(max(known_at), (year_start + to_years(1))::date::timestamptz) as decided_at,
    from returns
    group by instrument_id, date_trunc('year', session_date)
    having count(log_return) >= $equity_year * (1 - $lost_share)
),

years as (
    select
        small.volatility > large.volatility as is_above_large_caps,
        bitcoin.volatility > small.volatility as is_below_bitcoin,
        greatest(small.decided_at, large.decided_at) as decided_at,
        bitcoin.decided_at as bitcoin_decided_at,
    from risks as large
    inner join risks as small
        on small.year_start = large.year_start
        and small.instrument_id = 'RUT'
    left join risks as bitcoin
        on bitcoin.year_start = large.year_start
        and bitcoin.instrument_id = 'BTC'
    where large.instrument_id = 'SPX'
),

cases as (
    select
        'above_large_caps' as part,
        is_above_large_caps as holds,
        $half_of_members as chance,
        decided_at,
    from years
    union all
    select
        'below_bitcoin' as part,
        is_above_large_caps and is_below_bitcoin as holds,
        $chance_of_order as chance,
        greatest(decided_at, bitcoin_decided_at) as decided_at,
    from years
    where bitcoin_decided_at is not null
),

final as (
    select
        23 as claim_id, -- Number of the claim.
        cases.part, -- Part of the claim: above_large_caps or below_bitcoin.
        moments.moment, -- article or clock.
        count(*) as n, -- Years.
        count_if(cases.holds) as agreeing, -- above_large_caps: years in which the Russell 2000 was more volatile than the S&P 500; below_bitcoin: and Bitcoin more volatile still.
        any_value(cases.chance) as chance, -- Share of them by chance [fraction].
    from cases
    inner join moments on moments.moment_at >= cases.decided_at
    group by cases.part, moments.moment
)

select * from final
order by claim_id, part, moment
