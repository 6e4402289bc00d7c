-- description: Claim 16: how many decided pullbacks of the Russell 2000 were absorbed.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

pullbacks as (
    select
        absorbed_at is not null as is_absorbed,
        coalesce(absorbed_at, deep_at) as decided_at,
    from marts.pullbacks
    where instrument_id = 'RUT'
),

final as (
    select
        16 as claim_id, -- Number of the claim.
        'absorbed' as part, -- Part of the claim.
        moments.moment, -- article or clock.
        count(*) as n, -- Decided pullbacks.
        count_if(pullbacks.is_absorbed) as agreeing, -- Those that were absorbed.
        $half_of_members as chance, -- Share of them by chance [fraction].
    from pullbacks
    inner join moments on moments.moment_at >= pullbacks.decided_at
    group by moments.moment
)

select * from final
order by claim_id, part, moment
