-- description: The claims of an article: what it says, what was measured, and the verdict that follows.
-- grain: claim_id
-- known_at: the run's clock
-- Any part can contradict a claim. To support it, all parts that can be tested must. Reasons name the parts that cannot.
with clock as (
    select as_of from reference.clock
),

claims as (
    select
        claim_id,
        claim,
        test,
        sql_ref,
        scored_on,
    from reference.claims
),

parts as (
    select
        claim_id,
        part,
        moment,
        position,
        measured,
        expected,
        n,
        p_value,
        verdict,
        reason,
        count(*) over (partition by claim_id, moment) as parts,
    from marts.claim_parts
),

specifications as (
    select
        claim_id,
        sum(specifications_agreeing) / nullif(sum(specifications), 0) as specification_share,
    from intermediate.claim_evidence
    where moment = 'clock'
    group by claim_id
),

named as (
    select
        *,
        if(parts > 1, replace(part, '_', ' ') || ': ', '') as label,
    from parts
),

scored as (
    select
        claim_id,
        moment,
        string_agg(label || measured, ' | ' order by position) as measured,
        string_agg(label || expected, ' | ' order by position) as expected,
        min(n) as n,
        max(p_value) as p_value,
        case
            when bool_or(verdict = 'contradicted') then 'contradicted'
            when bool_or(verdict = 'insufficient_evidence') then 'insufficient_evidence'
            when bool_or(verdict = 'supported') then 'supported'
            else 'not_testable'
        end as verdict,
        string_agg(label || reason, ' | ' order by position) as reason,
        bool_and(measured is not null or verdict = 'not_testable') as is_measured,
    from named
    group by claim_id, moment
),

final as (
    select
        claims.claim_id, -- Number of the claim.
        claims.claim, -- What the article says.
        claims.test, -- What is computed, in words.
        current.measured, -- What was measured, in words, with a | between the parts; null if nothing was.
        current.expected, -- What the claim says it should be; null if nothing was measured.
        current.n, -- Smallest sample among the claim's parts; null if they are single numbers.
        current.p_value, -- Largest two-sided p against chance among the claim's parts; null if there is no test.
        specifications.specification_share, -- Robustness: share of the specifications in marts.specification_grid of the claim's targets and horizons whose excess points where the claim does [fraction]; null if the claim is not about breakouts.
        current.verdict, -- supported, contradicted, insufficient_evidence (too few cases, no more than chance, or no data) or not_testable.
        current.reason, -- Why, part by part.
        if(earlier.is_measured, earlier.measured, null) as measured_then, -- What was measured at the article's last close; null before that close, and for evidence that only a run as of that day has.
        if(earlier.is_measured, earlier.verdict, null) as verdict_then, -- The verdict at that close; null in the same cases.
        claims.scored_on, -- The day of that close.
        claims.sql_ref, -- Tables to query, and the SQL file of the claim.
        clock.as_of, -- The day as of which it is true.
    from claims
    cross join clock
    inner join scored as current
        on current.claim_id = claims.claim_id
        and current.moment = 'clock'
    left join specifications on specifications.claim_id = claims.claim_id
    left join scored as earlier
        on earlier.claim_id = claims.claim_id
        and earlier.moment = 'article'
)

select * from final
order by claim_id
