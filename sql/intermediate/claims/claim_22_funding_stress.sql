-- description: Claim 22: SOFR above the federal funds rate, and the high-yield spread, in the $claim_funding_days days up to
--   the article's last close, against as many days before.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        day,
    from intermediate.claim_moments
    where moment = 'article'
),

macro as (
    select
        series_id,
        session_date,
        value,
    from intermediate.macro_at_close
    where series_id in ('SOFR', 'DFF', 'BAMLH0A0HYM2') and not is_stale
),

-- In percentage points.
spreads as (
    select
        'funding_rate' as part,
        rates.session_date,
        rates.value - policy.value as spread,
    from macro as rates
    inner join macro as policy
        on policy.session_date = rates.session_date
        and policy.series_id = 'DFF'
    where rates.series_id = 'SOFR'
    union all
    select
        'credit_spread' as part,
        session_date,
        value as spread,
    from macro
    where series_id = 'BAMLH0A0HYM2'
),

medians as (
    select
        moments.moment,
        spreads.part,
        round(median(spreads.spread) filter (
            where spreads.session_date > moments.day - $claim_funding_days
        ), 9) as spread,
        round(median(spreads.spread) filter (
            where spreads.session_date <= moments.day - $claim_funding_days
        ), 9) as spread_before,
    from moments
    inner join spreads
        on spreads.session_date <= moments.day
        and spreads.session_date > moments.day - 2 * $claim_funding_days
    group by moments.moment, spreads.part
),

final as (
    select
        22 as claim_id, -- Number of the claim.
        part, -- Part of the claim: funding_rate or credit_spread.
        moment, -- article.
        printf('%+.2f points after %+.2f', spread, spread_before) as measured, -- What was measured, in words; null if a spread is not known.
        'lower' as expected, -- What the claim says it should be.
        spread < spread_before as agrees, -- Whether the spread was lower; null if one is not known.
    from medians
)

select * from final
order by claim_id, part, moment
