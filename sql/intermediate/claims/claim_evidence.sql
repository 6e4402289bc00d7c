-- description: The evidence for each part of each claim, from all files claim_NN_*.sql in this folder.
-- grain: claim_id, part, moment
-- known_at: the run's clock
-- union: intermediate.claim_[0-9][0-9]_*
with final as (
    select
        claim_id, -- Number of the claim.
        part, -- Part of the claim.
        moment, -- article or clock.
        measured, -- What was measured, in words; null for counts, or if it is not known.
        expected, -- What the claim says it should be, in words; null for counts.
        n, -- Cases that it rests on; null if it is one number.
        agreeing, -- Cases that agree with the claim; null unless cases are counted.
        baseline::double as baseline, -- Share of the baseline cases that agree [fraction]; null if there is no baseline.
        chance::double as chance, -- Share that agrees by chance [fraction]; null if there is a baseline, or nothing is counted.
        p_value, -- Two-sided p against chance, or the q of a family of tests; null for counts, or if there is no test.
        p_limit::double as p_limit, -- Largest p or q that counts as more than chance; null for $claim_p_value.
        agrees, -- Whether the evidence points where the claim does; null for counts, or if it is not known.
        specifications, -- Specifications of a breakout that answer this part; null if it is not about breakouts.
        specifications_agreeing, -- Those whose answer points where the claim does.
    from united
)

select * from final
order by claim_id, part, moment
