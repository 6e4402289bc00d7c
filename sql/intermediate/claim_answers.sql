-- description: What the tables of evidence answer to the claims that ask them.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with pullbacks as (
    select deep_at
    from marts.pullbacks
    where instrument_id = 'RUT'
),

moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
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
        breakouts.session_date,
        min(pullbacks.deep_at)::date - breakouts.session_date as days,
    from breakouts
    inner join pullbacks on pullbacks.deep_at > breakouts.decided_at
    inner join moments on moments.moment_at >= pullbacks.deep_at
    group by moments.moment, breakouts.session_date
),

answers as (
    select
        21 as claim_id,
        'duration' as part,
        moment,
        printf(
            'median %.0f days to the next fall, %d to %d',
            median(days), min(days), max(days)
        ) as measured,
        null::varchar as expected,
        count(*) as n,
        null::double as p_value,
        null::double as specification_share,
        null::boolean as agrees,
    from rises
    group by moment
),

final as (
    select
        claim_id, -- The claim.
        part, -- The part of it.
        moment, -- article or clock.
        measured, -- What was measured, in words.
        expected, -- What should have been.
        n, -- Cases.
        p_value, -- Two-sided p; null where there is none.
        specification_share, -- Share of the specifications that agree [fraction]; null where there are none.
        agrees, -- Whether the one points where the other does; null where it is not known.
    from answers
)

select * from final
order by claim_id, part, moment
