-- description: The result for each part of each claim at both moments, in words and with its p, before any verdict.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select moment from intermediate.claim_moments
),

parts as (
    select
        claim_id,
        part,
        position,
        kind,
        reason,
    from reference.claim_parts
),

evidence as (
    select
        claim_id,
        part,
        moment,
        measured,
        expected,
        n,
        agreeing,
        baseline,
        p_value,
        p_limit,
        agrees,
    from intermediate.claim_evidence
),

binomial_tests as (
    select
        claim_id,
        part,
        moment,
        chance,
        p_value,
    from intermediate.claim_binomial_tests
),

final as (
    select
        parts.claim_id, -- Number of the claim.
        parts.part, -- Part of the claim.
        moments.moment, -- article or clock.
        parts.position, -- Place among the claim's parts, from 1.
        parts.kind, -- Evidence that the part needs: fact, universal, tendency, or untestable.
        parts.reason as untestable_reason, -- Why free data cannot test it; null if they can.
        coalesce(
            evidence.measured,
            printf('%d of %d', evidence.agreeing, evidence.n)
            || if(evidence.baseline is null, '', printf(', baseline %.0f %%', 100 * binomial_tests.chance))
        ) as measured, -- What was measured, in words; null if it is not known.
        case
            when binomial_tests.chance is null then evidence.expected
            when parts.kind = 'universal' then 'each time'
            when evidence.baseline is not null then 'more than the baseline'
            else printf('more than %.0f %%', 100 * binomial_tests.chance)
        end as expected, -- What the claim says it should be, in words.
        evidence.n, -- Cases that it rests on; null if it is one number.
        coalesce(evidence.p_value, binomial_tests.p_value) as p_value, -- Two-sided p, or q; null if there is no test.
        coalesce(evidence.p_limit, $claim_p_value) as p_limit, -- Largest p or q that counts as more than chance.
        coalesce(evidence.agrees, evidence.agreeing > binomial_tests.chance * evidence.n) as agrees, -- Whether it points where the claim does; null if it is not known or points both ways.
        evidence.n - evidence.agreeing as counterexamples, -- Cases that do not agree; null unless cases are counted.
    from parts
    cross join moments
    -- A fact is about the day of the article, at whichever moment one looks.
    left join evidence
        on evidence.claim_id = parts.claim_id
        and evidence.part = parts.part
        and evidence.moment = if(parts.kind = 'fact', 'article', moments.moment)
    left join binomial_tests
        on binomial_tests.claim_id = evidence.claim_id
        and binomial_tests.part = evidence.part
        and binomial_tests.moment = evidence.moment
)

select * from final
order by claim_id, part, moment
