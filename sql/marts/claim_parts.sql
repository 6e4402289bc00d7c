-- description: What each claim rests on, part by part: what was measured at the article's last close and at the run's clock, and
--   the verdict that follows. The rule that turns numbers into verdicts is in this model, for all claims.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

results as (
    select
        claim_id,
        part,
        moment,
        position,
        kind,
        untestable_reason,
        measured,
        expected,
        n,
        p_value,
        p_limit,
        agrees,
        counterexamples,
    from intermediate.claim_results
),

judged as (
    select
        *,
        case
            when kind = 'untestable' then 'not_testable'
            when agrees is null then 'insufficient_evidence'
            when kind = 'fact' then if(agrees, 'supported', 'contradicted')
            when kind = 'universal' and counterexamples >= $claim_counterexamples then 'contradicted'
            when coalesce(n, 0) < $minimum_episodes then 'insufficient_evidence'
            when kind = 'universal' then if(counterexamples = 0, 'supported', 'insufficient_evidence')
            when p_value is null or p_value > p_limit then 'insufficient_evidence'
            else if(agrees, 'supported', 'contradicted')
        end as verdict,
    from results
),

final as (
    select
        judged.claim_id, -- The claim, a row of marts.claims.
        judged.part, -- Part of the claim.
        judged.moment, -- article: at the last close before the article; clock: at the run's clock.
        judged.position, -- Place among the claim's parts, from 1.
        judged.kind, -- Evidence that the part needs: fact (it was so or it was not), universal (counterexamples contradict it), tendency (enough cases and a small p), untestable.
        judged.measured, -- What was measured, in words; null if it is not known.
        judged.expected, -- What the claim says it should be.
        judged.n, -- Cases that it rests on; null if it is one number.
        judged.p_value, -- Two-sided p against chance, or q if it was one of a family of tests; null if there is no test.
        judged.agrees, -- Whether what was measured points where the claim does; null if it is not known or points both ways.
        judged.verdict, -- supported, contradicted, insufficient_evidence or not_testable.
        case
            when judged.kind = 'untestable' then judged.untestable_reason
            when judged.measured is null then if(judged.kind = 'fact', 'no data for the article''s day', 'no data')
            when judged.agrees is null then 'the measures disagree'
            when judged.kind = 'fact' then if(judged.agrees, 'it was so', 'it was not so')
            when judged.verdict = 'contradicted' and judged.kind = 'universal'
                then printf('%d counterexamples', judged.counterexamples)
            when coalesce(judged.n, 0) < $minimum_episodes
                then printf('%d of the %d cases needed', coalesce(judged.n, 0), $minimum_episodes)
            when judged.kind = 'universal'
                then if(judged.counterexamples = 0, 'no counterexample', 'one counterexample')
            when judged.p_value is null then 'no p-value'
            when judged.p_value > judged.p_limit then 'could be chance'
            when judged.agrees then 'more than chance gives'
            else 'the opposite of the claim'
        end as reason, -- Why this is the verdict.
        clock.as_of, -- The day as of which it is true.
    from judged
    cross join clock
)

select * from final
order by claim_id, position, moment
