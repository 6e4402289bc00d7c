-- description: How probable the counted cases of a claim are if the claim says nothing: an exact binomial test.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with counts as (
    select
        claim_id,
        part,
        moment,
        n::bigint as n,
        agreeing,
        coalesce(baseline, chance, $half_of_members) as chance,
    from intermediate.claim_evidence
    where n > 0 and agreeing is not null
),

-- Every number of cases that could have agreed, with its probability.
numbers as (
    select
        *,
        unnest(range(n + 1)) as k,
    from counts
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

-- Two-sided: all outcomes that are at most as probable as the observed one.
tests as (
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
        counts.claim_id, -- Number of the claim.
        counts.part, -- Part of the claim.
        counts.moment, -- article or clock.
        counts.chance, -- Share of cases that agree if the claim says nothing: the baseline, or chance [fraction].
        tests.p_value, -- Two-sided exact p; null if the chance is 0 or 1.
    from counts
    left join tests
        on tests.claim_id = counts.claim_id
        and tests.part = counts.part
        and tests.moment = counts.moment
)

select * from final
order by claim_id, part, moment
