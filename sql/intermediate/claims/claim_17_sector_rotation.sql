-- description: Claim 17: in how many months in which a sector fell the average sector rose: the last year, against the time before.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        day,
        moment_at,
    from intermediate.claim_moments
),

sectors as (
    select instrument_id
    from core.instruments
    where role = 'sector'
),

changes as (
    select
        subject_id,
        period_start,
        exp(change) - 1 as change,
        known_at,
    from intermediate.period_changes
    where period = 'month' and subject_id in (select instrument_id from sectors)
),

months as (
    select
        moments.moment,
        changes.period_start < moments.day - $crypto_year as is_baseline,
        avg(changes.change order by changes.subject_id) > 0 as holds,
    from moments
    inner join changes on changes.known_at <= moments.moment_at
    group by moments.moment, moments.day, changes.period_start
    having count(*) >= $claim_sectors and min(changes.change) < 0
),

final as (
    select
        17 as claim_id, -- Number of the claim.
        'stayed' as part, -- Part of the claim.
        moment, -- article or clock.
        count(*) filter (where not is_baseline) as n, -- Months of the last year in which a sector fell.
        count(*) filter (where holds and not is_baseline) as agreeing, -- Those in which the average sector rose.
        avg(holds::integer) filter (where is_baseline) as baseline, -- Share of such months before the last year [fraction].
    from months
    group by moment
    having n > 0
)

select * from final
order by claim_id, part, moment
