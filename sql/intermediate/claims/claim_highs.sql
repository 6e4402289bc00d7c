-- description: Whether liquidity eased and risk was wanted at each all-time-high breakout of the Russell 2000, and on any day.
-- grain: claim_id, part, moment, observed_on, is_usual
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
        value,
        known_at,
    from marts.cascade_ingredients
    where ingredient = 'BAMLH0A0HYM2:below_mean' and value is not null
),

liquidity as (
    select
        session_date,
        change_91d_musd,
        known_at,
    from marts.liquidity
    where change_91d_musd is not null
),

observations as (
    select
        'liquidity' as part,
        session_date as observed_on,
        false as is_usual,
        liquidity_change_91d > 0 as holds,
        decided_at as known_at,
    from breakouts
    where liquidity_change_91d is not null
    union all
    select
        'risk_appetite' as part,
        breakouts.session_date as observed_on,
        false as is_usual,
        spreads.value = 1 as holds,
        breakouts.decided_at as known_at,
    from breakouts
    inner join spreads on spreads.session_date = breakouts.session_date
    union all
    select
        'liquidity' as part,
        session_date as observed_on,
        true as is_usual,
        change_91d_musd > 0 as holds,
        known_at,
    from liquidity
    union all
    select
        'risk_appetite' as part,
        session_date as observed_on,
        true as is_usual,
        value = 1 as holds,
        known_at,
    from spreads
),

final as (
    select
        19 as claim_id, -- The claim.
        observations.part, -- liquidity: net liquidity had risen over 13 weeks; risk_appetite: the high-yield spread was below its mean of half a year.
        moments.moment, -- article or clock.
        observations.observed_on, -- Day of the breakout, or any session.
        observations.is_usual, -- Whether it is any session rather than a breakout.
        observations.holds, -- Whether it was so.
    from observations
    inner join moments on moments.moment_at >= observations.known_at
)

select * from final
order by part, moment, is_usual, observed_on
