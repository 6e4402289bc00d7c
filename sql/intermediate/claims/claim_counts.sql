-- description: How often what a claim says was so, against how often it is usually or would be by chance.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

parts as (
    select
        claim_id,
        part,
        kind,
    from reference.claim_parts
),

pullbacks as (
    select
        peak_date,
        absorbed_at,
        coalesce(absorbed_at, deep_at) as decided_at,
    from marts.pullbacks
    where instrument_id = 'RUT'
),

observations as (
    select * from intermediate.claim_altseasons
    union all
    select * from intermediate.claim_sector_months
    union all
    select * from intermediate.claim_altcoin_quarters
    union all
    select * from intermediate.claim_highs
    union all
    select * from intermediate.claim_ranks
    union all
    select
        16 as claim_id,
        'absorbed' as part,
        moments.moment,
        pullbacks.peak_date as observed_on,
        false as is_usual,
        pullbacks.absorbed_at is not null as holds,
    from pullbacks
    inner join moments on moments.moment_at >= pullbacks.decided_at
),

-- Where nothing says what is usual, a half; of three in one order, one of six.
chances as (
    select chances.*
    from (values (23, 'below_bitcoin', $chance_of_order)) as chances (claim_id, part, chance)
),

counted as (
    select
        observations.claim_id,
        observations.part,
        observations.moment,
        count(*) filter (where not observations.is_usual) as n,
        count(*) filter (where observations.holds and not observations.is_usual) as agreeing,
        count(*) filter (where observations.is_usual) as usual_n,
        count(*) filter (where observations.holds and observations.is_usual) as usual_agreeing,
        coalesce(any_value(chances.chance), $half_of_members) as chance,
        any_value(parts.kind) as kind,
    from observations
    inner join parts
        on parts.claim_id = observations.claim_id
        and parts.part = observations.part
    left join chances
        on chances.claim_id = observations.claim_id
        and chances.part = observations.part
    group by observations.claim_id, observations.part, observations.moment
),

compared as (
    select
        * exclude (chance),
        if(usual_n > 0, usual_agreeing / nullif(usual_n, 0), chance) as chance,
    from counted
    where n > 0
),

-- Every number of cases that could have agreed, with its probability under what is usual.
numbers as (
    select
        *,
        unnest(range(n + 1)) as k,
    from compared
    where chance > 0 and chance < 1
),

outcomes as (
    select
        claim_id,
        part,
        moment,
        agreeing,
        k,
        exp(
            lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * ln(chance) + (n - k) * ln(1 - chance)
        ) as probability,
    from numbers
),

-- Two-sided and exact: all outcomes that are as improbable as this one or more.
tested as (
    select
        outcomes.claim_id,
        outcomes.part,
        outcomes.moment,
        least(sum(outcomes.probability order by outcomes.k), 1) as p_value,
    from outcomes
    inner join outcomes as observed
        on observed.claim_id = outcomes.claim_id
        and observed.part = outcomes.part
        and observed.moment = outcomes.moment
        and observed.k = observed.agreeing
    where outcomes.probability <= observed.probability * (1 + 1e-9)
    group by outcomes.claim_id, outcomes.part, outcomes.moment
),

final as (
    select
        compared.claim_id, -- The claim.
        compared.part, -- The part of it.
        compared.moment, -- article or clock.
        compared.n, -- Cases that do not overlap.
        compared.agreeing, -- Cases in which it was so.
        compared.chance, -- Share of cases in which it usually is, or would be by chance [fraction].
        compared.usual_n > 0 as is_measured, -- Whether that share was measured rather than a matter of chance.
        compared.kind, -- Evidence that the part needs, from the claims file.
        tested.p_value, -- Two-sided exact binomial p against the chance; null where the chance is 0 or 1.
    from compared
    left join tested
        on tested.claim_id = compared.claim_id
        and tested.part = compared.part
        and tested.moment = compared.moment
)

select * from final
order by claim_id, part, moment
