-- description: Claim 15: how often altcoins followed crypto majors in order, and what they returned after crypto majors turned on.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with order_tests as (
    select
        moment,
        n,
        share,
        chance,
        p_value,
    from intermediate.stage_order_tests
    where from_stage = 4
),

rotation as (
    select
        n_episodes,
        excess_mean,
        p_value,
    from marts.rotation_summary
    where signal_id = 'crypto_majors:turn_on:decided'
        and target_id = 'ALTS'
        and horizon_days = 90
        and n_episodes > 0
),

answers as (
    select
        'altcoins_last' as part,
        moment,
        printf('%.0f %% of %d', 100 * share, n) as measured,
        printf('more than %.0f %%', 100 * chance) as expected,
        n,
        p_value,
        share > chance as agrees,
    from order_tests
    union all
    select
        'too_late' as part,
        'clock' as moment,
        printf('ALTS %+.1f %% against baseline in 90 days after crypto majors turned on', 100 * excess_mean) as measured,
        'below 0 %' as expected,
        n_episodes as n,
        p_value,
        excess_mean < 0 as agrees,
    from rotation
),

final as (
    select
        15 as claim_id, -- Number of the claim.
        part, -- Part of the claim: altcoins_last or too_late.
        moment, -- article or clock; too_late: clock, as its evidence is as of the run's clock.
        measured, -- What was measured, in words.
        expected, -- What the claim says it should be.
        n, -- Turn-ons of crypto majors; too_late: episodes.
        p_value, -- Two-sided p.
        agrees, -- Whether altcoins followed more often than by chance; too_late: whether they did worse than their baseline.
    from answers
)

select * from final
order by claim_id, part, moment
