-- description: How many ways of defining a breakout agree with a claim, so that no single one can be picked for its answer.
-- grain: claim_id
-- known_at: the run's clock
with specifications as (
    select
        target_id,
        horizon_days,
        excess_mean,
    from marts.specification_grid
    where excess_mean is not null
),

-- What each claim says rises after a breakout, and when.
questions as (
    select questions.*
    from (
        values
        (6, 'ALTSEASON', 90, 180),
        (13, 'ETH', 30, 90),
        (13, 'ALTS', 30, 90),
        (20, 'SPX', 90, 90),
        (20, 'QQQ', 90, 90),
        (20, 'HYG', 90, 90),
        (20, 'BTC', 90, 90),
        (20, 'ETH', 90, 90),
        (20, 'ALTS', 90, 90)
    ) as questions (claim_id, target_id, first_days, last_days)
),

final as (
    select
        questions.claim_id, -- The claim.
        count(*) as specifications, -- Specifications with an answer: each way of defining a breakout on each target and horizon.
        avg((specifications.excess_mean > 0)::integer) as specification_share, -- Share of them in which the target did better than usual [fraction].
    from questions
    inner join specifications
        on specifications.target_id = questions.target_id
        and specifications.horizon_days between questions.first_days and questions.last_days
    group by questions.claim_id
)

select * from final
order by claim_id
