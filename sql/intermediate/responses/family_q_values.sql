-- description: The primary family with its p-values made to pay for how many they are.
-- grain: signal_id, target_id, horizon_days
-- known_at: the run's clock
-- statistic: false_discovery.family_q_values(intermediate.shift_tests, reference.primary_family)
with final as (
    select
        signal_id, -- The signal.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        p_value, -- The p-value alone.
        q_value, -- The share of false discoveries among all that are at most as large (Benjamini and Yekutieli 2001).
    from computed
)

select * from final
order by signal_id, target_id, horizon_days
