-- description: Quarters of the altcoins: whether most went the same way, and whether one fell where most rose.
-- grain: claim_id, part, moment, observed_on, is_usual
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

altcoins as (
    select instrument_id
    from core.instruments
    where role = 'altcoin'
),

changes as (
    select
        subject_id,
        period_start,
        change,
        known_at,
    from intermediate.period_changes
    where period = 'quarter' and subject_id in (select instrument_id from altcoins)
),

quarters as (
    select
        moments.moment,
        changes.period_start,
        count(*) as coins,
        count_if(changes.change > 0) as risen,
    from moments
    inner join changes on changes.known_at <= moments.moment_at
    group by moments.moment, changes.period_start
    having count(*) >= $altseason_least_known
),

observations as (
    select
        'trend' as part,
        moment,
        period_start as observed_on,
        greatest(risen, coins - risen) >= $claim_shared_way * coins as holds,
    from quarters
    union all
    select
        'exceptions' as part,
        moment,
        period_start as observed_on,
        risen < coins as holds,
    from quarters
    where risen > $half_of_members * coins
),

final as (
    select
        18 as claim_id, -- The claim.
        part, -- trend: three in four went the way of most; exceptions: in a quarter in which most rose, one did not.
        moment, -- article or clock.
        observed_on, -- First day of the quarter.
        false as is_usual, -- Not: each counts as a case.
        holds, -- Whether it was so.
    from observations
)

select * from final
order by part, moment, observed_on
