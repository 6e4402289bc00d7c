-- description: Claim 10: how often each stage of the cascade was followed by the next one in order.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with order_tests as (
    select
        from_stage,
        moment,
        n,
        share,
        chance,
        p_value,
    from intermediate.stage_order_tests
),

parts as (
    select parts.*
    from (
        values
        (1, 'equities_after_funding'),
        (2, 'small_caps_after_equities'),
        (3, 'majors_after_small_caps'),
        (4, 'altcoins_after_majors')
    ) as parts (from_stage, part)
),

final as (
    select
        10 as claim_id, -- Number of the claim.
        parts.part, -- Part of the claim: which stage follows which.
        order_tests.moment, -- article or clock.
        printf('%.0f %% of %d', 100 * order_tests.share, order_tests.n) as measured, -- What was measured, in words.
        printf('more than %.0f %%', 100 * order_tests.chance) as expected, -- What the claim says it should be.
        order_tests.n, -- Turn-ons of the earlier stage.
        order_tests.p_value, -- Two-sided p over shifts of the turn-ons.
        order_tests.share > order_tests.chance as agrees, -- Whether the next stage followed more often than by chance.
    from order_tests
    inner join parts on parts.from_stage = order_tests.from_stage
)

select * from final
order by claim_id, part, moment
