-- description: Claim 18: in how many quarters most altcoins went the same way, and in how many rising quarters one fell.
-- grain: claim_id, part, moment
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
        period_start,
        change,
        known_at,
    from intermediate.period_changes
    where period = 'quarter' and subject_id in (select instrument_id from altcoins)
),

quarters as (
    select
        moments.moment,
        count(*) as coins,
        count_if(changes.change > 0) as rising,
    from moments
    inner join changes on changes.known_at <= moments.moment_at
    group by moments.moment, changes.period_start
    having count(*) >= $altseason_least_known
),

cases as (
    select
        'trend' as part,
        moment,
        greatest(rising, coins - rising) >= $claim_shared_way * coins as holds,
    from quarters
    union all
    select
        'exceptions' as part,
        moment,
        rising < coins as holds,
    from quarters
    where rising > $half_of_members * coins
),

final as (
    select
        18 as claim_id, -- Number of the claim.
        part, -- Part of the claim: trend or exceptions.
        moment, -- article or clock.
        count(*) as n, -- Quarters; exceptions: those in which most altcoins rose.
        count_if(holds) as agreeing, -- trend: quarters in which at least $claim_shared_way of the altcoins went the same way; exceptions: in which one did not rise.
        $half_of_members as chance, -- Share of them by chance [fraction].
    from cases
    group by part, moment
)

select * from final
order by claim_id, part, moment
