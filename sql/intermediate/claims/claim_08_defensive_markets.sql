-- description: Claim 8: what RUT/SPX did in quarters in which staples beat discretionary shares, against the other quarters.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with contrasts as (
    select
        moment,
        n,
        mean_in,
        mean_out,
        contrast,
        p_value,
    from intermediate.quarter_contrasts
    where condition_id = 'XLY/XLP' and direction = -1 and subject_id = 'RUT/SPX'
),

final as (
    select
        8 as claim_id, -- Number of the claim.
        'leadership' as part, -- Part of the claim.
        moment, -- article or clock.
        printf(
            'RUT/SPX %+.1f %% when staples led, else %+.1f %%', 100 * mean_in, 100 * mean_out
        ) as measured, -- What was measured, in words.
        'less when staples led' as expected, -- What the claim says it should be.
        n, -- Quarters of the rarer kind.
        p_value, -- Two-sided p over all shifts.
        contrast < 0 as agrees, -- Whether small caps did worse in them.
    from contrasts
)

select * from final
order by claim_id, part, moment
