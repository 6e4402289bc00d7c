-- description: Claim 14: how far coins had fallen from their highs, and how little they were traded, at the article's last close.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        day,
        moment_at,
    from intermediate.claim_moments
    where moment = 'article'
),

prices as (
    select
        subject_id,
        session_date,
        price,
        known_at,
    from intermediate.price_paths
    where subject_id in ('BTC', 'ETH', 'ALTS')
),

bars as (
    select
        instrument_id,
        session_date,
        nullif(volume, 0) as volume,
        known_at,
    from core.bars
    where is_final and instrument_id in ('BTC', 'ETH')
),

drawdowns as (
    select
        moments.moment,
        prices.subject_id,
        arg_max(prices.price, prices.session_date) / nullif(max(prices.price), 0) - 1 as drawdown,
    from moments
    inner join prices on prices.known_at <= moments.moment_at
    group by moments.moment, moments.day, prices.subject_id
    having max(prices.session_date) >= moments.day - $signal_age_days
),

total_volumes as (
    select
        moments.moment,
        moments.day,
        bars.session_date,
        sum(bars.volume order by bars.instrument_id) as volume,
    from moments
    inner join bars
        on bars.known_at <= moments.moment_at
        and bars.session_date > moments.day - $crypto_year
    group by moments.moment, moments.day, bars.session_date
    having count(bars.volume) = 2
),

relative_volumes as (
    select
        moment,
        median(volume) filter (where session_date > day - $claim_funding_days) / nullif(median(volume), 0) as share,
    from total_volumes
    group by moment, day
    having max(session_date) >= day - $signal_age_days
),

facts as (
    select
        'drawdown' as part,
        moment,
        string_agg(printf('%s %+.0f %%', subject_id, 100 * drawdown), ', ' order by drawdown desc) as measured,
        printf('each %+.0f %% or lower', -100 * $crypto_deep_pullback) as expected,
        case
            when bool_and(drawdown <= -1 * $crypto_deep_pullback) then true
            when bool_and(drawdown > -1 * $crypto_deep_pullback) then false
        end as agrees,
    from drawdowns
    group by moment
    having count(*) = 3
    union all
    select
        'volume' as part,
        moment,
        printf('%.2f times the median of the year', share) as measured,
        'below 1' as expected,
        share < 1 as agrees,
    from relative_volumes
),

final as (
    select
        14 as claim_id, -- Number of the claim.
        part, -- Part of the claim: drawdown or volume.
        moment, -- article.
        measured, -- What was measured, in words; null if it is not known.
        expected, -- What the claim says it should be.
        agrees, -- Whether it was so; null if it is not known, or the coins differ.
    from facts
)

select * from final
order by claim_id, part, moment
