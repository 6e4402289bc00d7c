-- description: What a ratio did in quarters in which something else rose, or fell, against the other quarters, with a p over
--   all circular shifts of the one against the other.
-- grain: condition_id, direction, subject_id, moment
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

-- A claim that needs another contrast adds its row here.
contrasts as (
    select contrasts.*
    from (
        values
        ('net_liquidity', 1, 'RUT/SPX'),
        ('XLY/XLP', -1, 'RUT/SPX'),
        ('RUT/SPX', 1, 'HYG/IEF'),
        ('RUT/SPX', 1, 'GLD/SPY')
    ) as contrasts (condition_id, direction, subject_id)
),

quarters as (
    select
        contrasts.*,
        moments.moment,
        conditions.change * contrasts.direction > 0 as is_in,
        subjects.change,
        row_number() over (
            partition by contrasts.condition_id, contrasts.direction, contrasts.subject_id, moments.moment
            order by conditions.period_start
        ) - 1 as number,
        count(*) over (
            partition by contrasts.condition_id, contrasts.direction, contrasts.subject_id, moments.moment
        ) as quarters,
    from contrasts
    inner join changes as conditions on conditions.subject_id = contrasts.condition_id
    inner join changes as subjects
        on subjects.subject_id = contrasts.subject_id
        and subjects.period_start = conditions.period_start
    inner join moments
        on moments.moment_at >= conditions.known_at
        and moments.moment_at >= subjects.known_at
),

-- Shift 0 is what happened. Every other shift pairs the same quarters with others, in the same order.
shifts as (
    select
        conditions.condition_id,
        conditions.direction,
        conditions.subject_id,
        conditions.moment,
        (subjects.number - conditions.number + conditions.quarters) % conditions.quarters as shift,
        conditions.is_in,
        subjects.change,
        subjects.number,
    from quarters as conditions
    inner join quarters as subjects
        on subjects.condition_id = conditions.condition_id
        and subjects.direction = conditions.direction
        and subjects.subject_id = conditions.subject_id
        and subjects.moment = conditions.moment
),

means as (
    select
        condition_id,
        direction,
        subject_id,
        moment,
        shift,
        count(*) as n,
        count_if(is_in) as n_in,
        avg(change order by number) filter (where is_in) as mean_in,
        avg(change order by number) filter (where not is_in) as mean_out,
        mean_in - mean_out as contrast,
    from shifts
    group by condition_id, direction, subject_id, moment, shift
),

-- The contrasts of all shifts add up to zero, so that their size is their distance from what chance gives.
final as (
    select
        observed.condition_id, -- What rose or fell in the quarters: a pair, or net_liquidity.
        observed.direction, -- 1: it rose in them; -1: it fell.
        observed.subject_id, -- The ratio that is measured, a pair.
        observed.moment, -- article or clock.
        any_value(least(observed.n_in, observed.n - observed.n_in)) as n, -- Quarters of the rarer kind.
        exp(any_value(observed.mean_in)) - 1 as mean_in, -- Mean change in them [fraction].
        exp(any_value(observed.mean_out)) - 1 as mean_out, -- Mean change in the other quarters [fraction].
        any_value(observed.contrast) as contrast, -- Difference of the mean log changes.
        count_if(
            abs(shifted.contrast) >= abs(observed.contrast) - 1e-12
        ) / nullif(count(*), 0) as p_value, -- Two-sided: share of all shifts, shift 0 included, whose difference is as large.
    from means as observed
    inner join means as shifted
        on shifted.condition_id = observed.condition_id
        and shifted.direction = observed.direction
        and shifted.subject_id = observed.subject_id
        and shifted.moment = observed.moment
    where observed.shift = 0 and observed.contrast is not null
    group by observed.condition_id, observed.direction, observed.subject_id, observed.moment
)

select * from final
order by condition_id, direction, subject_id, moment
