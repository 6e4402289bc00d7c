-- description: What a ratio did in the quarters that a claim speaks of, against the other quarters, with a p over all
--   circular shifts of the one against the other.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

changes as (
    select
        subject_id,
        period_start,
        change,
        known_at,
    from intermediate.period_changes
    where period = 'quarter'
),

-- What a claim says: in quarters in which one thing rose (1) or fell (-1), another did better (1) or worse (-1).
questions as (
    select questions.*
    from (
        values
        (7, 'leadership', 'net_liquidity', 1, 'RUT/SPX', 1, 'liquidity rose'),
        (8, 'leadership', 'XLY/XLP', -1, 'RUT/SPX', -1, 'staples led'),
        (11, 'credit_over_treasuries', 'RUT/SPX', 1, 'HYG/IEF', 1, 'small caps led'),
        (11, 'gold_over_equities', 'RUT/SPX', 1, 'GLD/SPY', -1, 'small caps led')
    ) as questions (claim_id, part, condition_id, sign, subject_id, direction, wording)
),

quarters as (
    select
        questions.*,
        moments.moment,
        conditions.change * questions.sign > 0 as is_in,
        subjects.change,
        row_number() over (
            partition by questions.claim_id, questions.part, moments.moment
            order by conditions.period_start
        ) - 1 as number,
        count(*) over (
            partition by questions.claim_id, questions.part, moments.moment
        ) as quarters,
    from questions
    inner join changes as conditions on conditions.subject_id = questions.condition_id
    inner join changes as subjects
        on subjects.subject_id = questions.subject_id
        and subjects.period_start = conditions.period_start
    inner join moments
        on moments.moment_at >= conditions.known_at
        and moments.moment_at >= subjects.known_at
),

-- Shift 0 is what happened; every other one holds the same quarters against others, in the same order.
shifts as (
    select
        conditions.claim_id,
        conditions.part,
        conditions.moment,
        (subjects.number - conditions.number + conditions.quarters) % conditions.quarters as shift,
        conditions.is_in,
        subjects.change,
        subjects.number,
    from quarters as conditions
    inner join quarters as subjects
        on subjects.claim_id = conditions.claim_id
        and subjects.part = conditions.part
        and subjects.moment = conditions.moment
),

means as (
    select
        claim_id,
        part,
        moment,
        shift,
        count(*) as n,
        count_if(is_in) as n_in,
        avg(change order by number) filter (where is_in) as mean_in,
        avg(change order by number) filter (where not is_in) as mean_out,
        mean_in - mean_out as contrast,
    from shifts
    group by claim_id, part, moment, shift
),

-- Over all shifts the contrasts add up to nothing, so that their size is their distance from what chance gives.
tested as (
    select
        observed.claim_id,
        observed.part,
        observed.moment,
        any_value(observed.n) as n,
        any_value(observed.n_in) as n_in,
        any_value(observed.mean_in) as mean_in,
        any_value(observed.mean_out) as mean_out,
        any_value(observed.contrast) as contrast,
        count_if(abs(shifted.contrast) >= abs(observed.contrast) - 1e-12) / nullif(count(*), 0) as p_value,
    from means as observed
    inner join means as shifted
        on shifted.claim_id = observed.claim_id
        and shifted.part = observed.part
        and shifted.moment = observed.moment
    where observed.shift = 0 and observed.contrast is not null
    group by observed.claim_id, observed.part, observed.moment
),

final as (
    select
        tested.claim_id, -- The claim.
        tested.part, -- The part of it.
        tested.moment, -- article or clock.
        questions.subject_id, -- The ratio that is looked at.
        questions.wording, -- What the quarters have in common, in words.
        questions.direction, -- 1 where the ratio should have done better in them, -1 worse.
        least(tested.n_in, tested.n - tested.n_in) as n, -- Quarters of the rarer kind.
        exp(tested.mean_in) - 1 as mean_in, -- Mean change in them [fraction].
        exp(tested.mean_out) - 1 as mean_out, -- Mean change in the other quarters [fraction].
        tested.contrast, -- Difference of the mean log changes.
        tested.p_value, -- Two-sided: share of all shifts, the one that happened among them, with a difference as large.
    from tested
    inner join questions
        on questions.claim_id = tested.claim_id
        and questions.part = tested.part
)

select * from final
order by claim_id, part, moment
