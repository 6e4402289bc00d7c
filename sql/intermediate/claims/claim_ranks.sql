-- description: Years in which what should be riskier was riskier: the Russell 2000 than the S&P 500, Bitcoin than both;
--   and half-years in which coins had the higher beta.
-- grain: claim_id, part, moment, observed_on, is_usual
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
    where instrument_id in ('SPX', 'RUT', 'BTC', 'ALTS')
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

betas as (
    select
        betas.instrument_id,
        betas.session_date,
        betas.beta_126,
        betas.known_at,
    from marts.beta as betas
    inner join instruments on instruments.instrument_id = betas.instrument_id
    -- The first one that looks at no reconstructed price.
    where betas.session_date >= coalesce(instruments.reconstructed_before, '0001-01-01'::date) + $crypto_year
),

-- All on the sessions of the exchange, so that a weekend is one interval for each.
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

risks as (
    select
        instrument_id,
        date_trunc('year', session_date)::date as year_start,
        stddev_samp(log_return) as volatility,
        max(known_at) as known_at,
    from returns
    group by instrument_id, date_trunc('year', session_date)
    -- A coin's first year may be short; a year with a few sessions lost is whole.
    having count(log_return) >= $equity_year * (1 - $lost_share)
),

-- A beta looks back half a year: read at each half's end, no two look at the same sessions.
halves as (
    select
        instrument_id,
        (date_trunc('year', session_date) + to_months(if(month(session_date) > 6, 6, 0)))::date as half_start,
        max(session_date) as session_date,
        arg_max(beta_126, session_date) as beta,
        arg_max(known_at, session_date) as known_at,
    from betas
    where beta_126 is not null
    group by all
),

cases as (
    select
        'above_large_caps' as part,
        large.year_start as period_start,
        (large.year_start + to_years(1))::date as next_start,
        small.volatility > large.volatility as holds,
        greatest(small.known_at, large.known_at) as known_at,
    from risks as large
    inner join risks as small on small.year_start = large.year_start
    where large.instrument_id = 'SPX' and small.instrument_id = 'RUT'
    union all
    select
        'below_bitcoin' as part,
        large.year_start as period_start,
        (large.year_start + to_years(1))::date as next_start,
        small.volatility > large.volatility and bitcoin.volatility > small.volatility as holds,
        greatest(small.known_at, large.known_at, bitcoin.known_at) as known_at,
    from risks as large
    inner join risks as small on small.year_start = large.year_start
    inner join risks as bitcoin on bitcoin.year_start = large.year_start
    where large.instrument_id = 'SPX' and small.instrument_id = 'RUT' and bitcoin.instrument_id = 'BTC'
    union all
    select
        if(coins.instrument_id = 'BTC', 'beta_of_bitcoin', 'beta_of_altcoins') as part,
        small.half_start as period_start,
        (small.half_start + to_months(6))::date as next_start,
        coins.beta > small.beta as holds,
        greatest(small.known_at, coins.known_at) as known_at,
    from halves as small
    inner join halves as coins on coins.half_start = small.half_start
    where small.instrument_id = 'RUT'
        and coins.instrument_id in ('BTC', 'ALTS')
        and coins.session_date >= (small.half_start + to_months(6))::date - $exit_tolerance_days
),

-- A year or half-year counts once it is over.
decided as (
    select
        *,
        greatest(known_at, next_start::timestamptz) as decided_at,
    from cases
),

final as (
    select
        if(decided.part in ('beta_of_bitcoin', 'beta_of_altcoins'), 12, 23) as claim_id, -- The claim.
        decided.part, -- above_large_caps: the Russell 2000 was more volatile than the S&P 500; below_bitcoin: and Bitcoin yet more; beta_of_bitcoin, beta_of_altcoins: it was above the Russell 2000's.
        moments.moment, -- article or clock.
        decided.period_start as observed_on, -- First day of the year or half-year.
        false as is_usual, -- Not: each counts as a case.
        decided.holds, -- Whether it was so.
    from decided
    inner join moments on moments.moment_at >= decided.decided_at
)

select * from final
order by claim_id, part, moment, observed_on
