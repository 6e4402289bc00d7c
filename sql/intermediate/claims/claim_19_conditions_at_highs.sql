-- description: Claim 19: whether liquidity eased and risk appetite returned at each all-time-high breakout of the Russell 2000,
--   against any session.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

breakouts as (
    select
        session_date,
        liquidity_change_91d,
        decided_at,
    from marts.breakouts
    where subject_id = 'RUT' and kind = 'all_time_high' and not is_left_censored
),

spreads as (
    select
        session_date,
        value = 1 as is_below_mean,
        known_at,
    from marts.cascade_ingredients
    where ingredient = 'BAMLH0A0HYM2:below_mean' and value is not null
),

liquidity as (
    select
        change_91d_musd,
        known_at,
    from marts.liquidity
    where change_91d_musd is not null
),

cases as (
    select
        'liquidity' as part,
        false as is_baseline,
        liquidity_change_91d > 0 as holds,
        decided_at as known_at,
    from breakouts
    where liquidity_change_91d is not null
    union all
    select
        'liquidity' as part,
        true as is_baseline,
        change_91d_musd > 0 as holds,
        known_at,
    from liquidity
    union all
    select
        'risk_appetite' as part,
        false as is_baseline,
        spreads.is_below_mean as holds,
        breakouts.decided_at as known_at,
    from breakouts
    inner join spreads on spreads.session_date = breakouts.session_date
    union all
    select
        'risk_appetite' as part,
        true as is_baseline,
        is_below_mean as holds,
        known_at,
    from spreads
),

final as (
    select
        19 as claim_id, -- Number of the claim.
        cases.part, -- Part of the claim: liquidity or risk_appetite.
        moments.moment, -- article or clock.
        count(*) filter (where not cases.is_baseline) as n, -- Breakouts.
        count(*) filter (where cases.holds and not cases.is_baseline) as agreeing, -- liquidity: those with net liquidity up over $liquidity_quarter_days days; risk_appetite: with the high-yield spread below its mean.
        avg(cases.holds::integer) filter (where cases.is_baseline) as baseline, -- Share of all sessions of which that is true [fraction].
    from cases
    inner join moments on moments.moment_at >= cases.known_at
    group by cases.part, moments.moment
    having n > 0
)

select * from final
order by claim_id, part, moment
