-- description: Months in which a sector fell, and whether the average sector rose all the same.
-- grain: claim_id, part, moment, observed_on, is_usual
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
        moments.day,
        changes.period_start,
        min(changes.change) as worst,
        avg(changes.change order by changes.subject_id) as average,
    from moments
    inner join changes on changes.known_at <= moments.moment_at
    group by moments.moment, moments.day, changes.period_start
    having count(*) >= $claim_sectors
),

final as (
    select
        17 as claim_id, -- The claim.
        'stayed' as part, -- The part of it.
        moment, -- article or clock.
        period_start as observed_on, -- First day of the month.
        period_start < day - $crypto_year as is_usual, -- Whether the month is one of those before the last year.
        average > 0 as holds, -- Whether the average sector rose.
    from months
    where worst < 0
)

select * from final
order by moment, observed_on
