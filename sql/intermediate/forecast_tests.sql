-- description: The primary family as it stood at each instant at which a forecast needed it: shift tests on what was known
--   by then, and their price (Benjamini and Yekutieli 2001).
-- grain: trigger_at, signal_id, target_id, horizon_days
-- known_at: trigger_at
-- statistic: forecasts.past_tests(intermediate.forecast_bases, intermediate.forward_windows, intermediate.pattern_windows, reference.primary_family)
with tests as (
    select
        trigger_at,
        signal_id,
        target_id,
        horizon_days,
        p_value,
        excess_log,
        lowest_log,
        highest_log,
    from computed
),

ranked as (
    select
        *,
        row_number() over by_p as place,
        count(*) over all_of_them as family_size,
    from tests
    where p_value is not null
    window
        by_p as (
            partition by trigger_at
            order by p_value, signal_id, target_id, horizon_days
            rows between unbounded preceding and current row
        ),
        all_of_them as (
            partition by trigger_at
            order by p_value, signal_id, target_id, horizon_days
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
        partition by trigger_at
        order by place
        rows between unbounded preceding and unbounded following
    )
),

final as (
    select
        trigger_at, -- The instant.
        signal_id, -- The signal.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        p_value, -- The p-value alone, of the windows that were complete by then.
        least(1, min(price) over not_better) as q_value, -- p_value after paying for the size of the family.
        excess_log, -- Mean log return of the events above that of all windows that were complete by then.
        lowest_log, -- The lowest of it with one episode left out; null where there is no other.
        highest_log, -- The highest of it with one episode left out; null where there is no other.
    from paid
    window not_better as (
        partition by trigger_at
        order by place
        rows between current row and unbounded following
    )
)

select * from final
order by trigger_at, signal_id, target_id, horizon_days
