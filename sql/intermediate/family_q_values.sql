-- description: The primary family with its p-values made to pay for how many they are (Benjamini and Yekutieli 2001, which
--   holds however the tests depend on each other).
-- grain: signal_id, target_id, horizon_days
-- known_at: the run's clock
with family as (
    select
        signal_id,
        target_id,
        horizon_days,
    from reference.primary_family
),

tests as (
    select
        pattern_id,
        target_id,
        horizon_days,
        p_value,
    from intermediate.shift_tests
),

ranked as (
    select
        family.signal_id,
        family.target_id,
        family.horizon_days,
        tests.p_value,
        row_number() over by_p as place,
        count(*) over all_of_them as family_size,
    from family
    inner join tests
        on tests.pattern_id = family.signal_id
        and tests.target_id = family.target_id
        and tests.horizon_days = family.horizon_days
    where tests.p_value is not null
    window
        by_p as (
            order by tests.p_value, family.signal_id, family.target_id, family.horizon_days
            rows between unbounded preceding and current row
        ),
        all_of_them as (
            order by tests.p_value, family.signal_id, family.target_id, family.horizon_days
            rows between unbounded preceding and unbounded following
        )
),

-- m * (1 + 1/2 + ... + 1/m) * p / place.
paid as (
    select
        *,
        family_size * sum(1 / nullif(place, 0)) over all_of_them * p_value / nullif(place, 0) as price,
    from ranked
    window all_of_them as (
        order by place
        rows between unbounded preceding and unbounded following
    )
),

final as (
    select
        signal_id, -- The signal.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        p_value, -- The p-value alone.
        family_size, -- Rows of the family whose p-value is defined.
        least(1, min(price) over not_better) as q_value, -- The share of false discoveries among all that are at most as large.
    from paid
    window not_better as (
        order by place
        rows between current row and unbounded following
    )
)

select * from final
order by signal_id, target_id, horizon_days
