-- description: Claim 21: how many days passed from each all-time-high breakout of the Russell 2000 to its next deep fall.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

pullbacks as (
    select deep_at
    from marts.pullbacks
    where instrument_id = 'RUT'
),

breakouts as (
    select
        session_date,
        decided_at,
    from marts.breakouts
    where subject_id = 'RUT' and kind = 'all_time_high' and not is_left_censored
),

rises as (
    select
        moments.moment,
        min(pullbacks.deep_at)::date - breakouts.session_date as days,
    from breakouts
    inner join pullbacks on pullbacks.deep_at > breakouts.decided_at
    inner join moments on moments.moment_at >= pullbacks.deep_at
    group by moments.moment, breakouts.session_date
),

final as (
    select
        21 as claim_id, -- Number of the claim.
        'duration' as part, -- Part of the claim.
        moment, -- article or clock.
        printf('median %.0f days to the next fall, %d to %d', median(days), min(days), max(days)) as measured, -- What was measured, in words.
        count(*) as n, -- Breakouts that a deep fall followed.
    from rises
    group by moment
)

select * from final
order by claim_id, part, moment
