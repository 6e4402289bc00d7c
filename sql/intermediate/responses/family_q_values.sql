-- description: The p-values of the primary family, corrected for how many there are.
-- grain: signal_id, target_id, horizon_days
-- known_at: the run's clock
-- statistic: false_discovery.family_q_values(intermediate.shift_tests, reference.primary_family)
with final as (
    select
        signal_id, -- The signal.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        p_value, -- p-value of the shift test, uncorrected.
        q_value, -- p_value corrected for the size of the family: the false discovery rate of Benjamini and Yekutieli (2001).
    from computed
)

select * from final
order by signal_id, target_id, horizon_days
