-- description: Claim 11: what HYG/IEF and GLD/SPY did in quarters in which RUT/SPX rose, against the other quarters.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with contrasts as (
    select
        subject_id,
        moment,
        n,
        mean_in,
        mean_out,
        contrast,
        p_value,
    from intermediate.quarter_contrasts
    where condition_id = 'RUT/SPX' and direction = 1
),

parts as (
    select parts.*
    from (
        values
        ('HYG/IEF', 'credit_over_treasuries', 'more when small caps led', 1),
        ('GLD/SPY', 'gold_over_equities', 'less when small caps led', -1)
    ) as parts (subject_id, part, expected, sign)
),

final as (
    select
        11 as claim_id, -- Number of the claim.
        parts.part, -- Part of the claim.
        contrasts.moment, -- article or clock.
        printf(
            '%s %+.1f %% when small caps led, else %+.1f %%',
            contrasts.subject_id,
            100 * contrasts.mean_in,
            100 * contrasts.mean_out
        ) as measured, -- What was measured, in words.
        parts.expected, -- What the claim says it should be.
        contrasts.n, -- Quarters of the rarer kind.
        contrasts.p_value, -- Two-sided p over all shifts.
        parts.sign * contrasts.contrast > 0 as agrees, -- Whether the ratio did what the claim says.
    from contrasts
    inner join parts on parts.subject_id = contrasts.subject_id
)

select * from final
order by claim_id, part, moment
