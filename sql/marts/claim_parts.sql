-- description: What each claim rests on, part by part: what was measured at the article's close and at the run's clock,
--   and what follows from it. The rule that makes a verdict of a number stands here, for all of them.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

moments as (
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

facts as (
    select * from intermediate.claim_index_facts
    union all
    select * from intermediate.claim_money_facts
    union all
    select * from intermediate.claim_crypto_facts
),

counts as (
    select
        claim_id,
        part,
        moment,
        n,
        agreeing,
        chance,
        is_measured,
        p_value,
        kind,
    from intermediate.claim_counts
),

contrasts as (
    select
        claim_id,
        part,
        moment,
        subject_id,
        wording,
        direction,
        n,
        mean_in,
        mean_out,
        contrast,
        p_value,
    from intermediate.claim_contrasts
),

orders as (
    select
        from_stage,
        moment,
        n,
        share,
        chance,
        p_value,
    from intermediate.claim_orders
),

-- Which stage, followed by the next, is which part of a claim.
order_parts as (
    select order_parts.*
    from (
        values
        (10, 'equities_after_funding', 1),
        (10, 'small_caps_after_equities', 2),
        (10, 'majors_after_small_caps', 3),
        (10, 'altcoins_after_majors', 4),
        (15, 'altcoins_last', 4)
    ) as order_parts (claim_id, part, from_stage)
),

answers as (
    select
        claim_id,
        part,
        moment,
        measured,
        expected,
        n,
        p_value,
        p_limit,
        agrees,
    from intermediate.claim_answers
),

measured as (
    select
        claim_id,
        part,
        moment,
        measured,
        expected,
        n,
        null::double as p_value,
        $claim_p_value as p_limit,
        agrees,
        null::bigint as counterexamples,
    from facts
    union all
    select
        claim_id,
        part,
        moment,
        printf('%d of %d', agreeing, n)
        || if(is_measured, printf(', usual %.0f %%', 100 * chance), '') as measured,
        case
            when kind = 'universal' then 'each time'
            when is_measured then 'more than usual'
            else printf('more than %.0f %%', 100 * chance)
        end as expected,
        n,
        p_value,
        $claim_p_value as p_limit,
        agreeing > chance * n as agrees,
        n - agreeing as counterexamples,
    from counts
    union all
    select
        claim_id,
        part,
        moment,
        printf('%s %+.1f %% when %s, else %+.1f %%', subject_id, 100 * mean_in, wording, 100 * mean_out) as measured,
        if(direction > 0, 'more when ', 'less when ') || wording as expected,
        n,
        p_value,
        $claim_p_value as p_limit,
        direction * contrast > 0 as agrees,
        null::bigint as counterexamples,
    from contrasts
    union all
    select
        order_parts.claim_id,
        order_parts.part,
        orders.moment,
        printf('%.0f %% of %d', 100 * share, n) as measured,
        printf('more than %.0f %%', 100 * chance) as expected,
        n,
        p_value,
        $claim_p_value as p_limit,
        share > chance as agrees,
        null::bigint as counterexamples,
    from orders
    inner join order_parts on order_parts.from_stage = orders.from_stage
    union all
    select
        *,
        null::bigint as counterexamples,
    from answers
),

-- Facts of a day are the same whenever one looks.
asked as (
    select
        parts.*,
        moments.moment,
    from parts
    cross join moments
),

answered as (
    select
        asked.claim_id,
        asked.part,
        asked.moment,
        asked.position,
        asked.kind,
        asked.reason as untestable_reason,
        measured.* exclude (claim_id, part, moment),
    from asked
    left join measured
        on measured.claim_id = asked.claim_id
        and measured.part = asked.part
        and (measured.moment = asked.moment or (asked.kind = 'fact' and measured.moment = 'article'))
    qualify row_number() over (
        partition by asked.claim_id, asked.part, asked.moment
        order by measured.moment is not distinct from asked.moment desc
    ) = 1
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
    from answered
),

final as (
    select
        judged.claim_id, -- The claim, a row of marts.claims.
        judged.part, -- What of it is looked at.
        judged.moment, -- article: at the last close before the article; clock: at the run's clock.
        judged.position, -- Place among the claim's parts, from 1.
        judged.kind, -- Evidence that it needs: fact (was so or was not), universal (counterexamples contradict it), tendency (enough cases and a small p), untestable.
        judged.measured, -- What was measured, in words; null where it is not known.
        judged.expected, -- What the claim says it should be.
        judged.n, -- Cases that it rests on; null where it is one number.
        judged.p_value, -- Two-sided p against chance, or q where it was one of a family of questions; null where there is no test.
        judged.agrees, -- Whether what was measured points where the claim does; null where it is not known or points both ways.
        judged.verdict, -- supported, contradicted, insufficient_evidence or not_testable.
        case
            when judged.kind = 'untestable' then judged.untestable_reason
            when judged.measured is null then if(judged.kind = 'fact', 'no data of the article''s day', 'no data')
            when judged.agrees is null then 'the measures disagree'
            when judged.kind = 'fact' then if(judged.agrees, 'it was so', 'it was not so')
            when judged.verdict = 'contradicted' and judged.kind = 'universal'
                then printf('%d counterexamples', judged.counterexamples)
            when coalesce(judged.n, 0) < $minimum_episodes
                then printf('%d of the %d cases that are needed', coalesce(judged.n, 0), $minimum_episodes)
            when judged.kind = 'universal'
                then if(judged.counterexamples = 0, 'no counterexample', 'one counterexample')
            when judged.p_value is null then 'no p-value'
            when judged.p_value > judged.p_limit then 'not to be told from chance'
            when judged.agrees then 'more than chance gives'
            else 'against what the claim says'
        end as reason, -- Why that is the verdict.
        clock.as_of, -- The day as of which it is true.
    from judged
    cross join clock
)

select * from final
order by claim_id, position, moment
