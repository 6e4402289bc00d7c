-- description: How often the events of each pattern would have done as well at other times: the shift test.
-- grain: pattern_id, target_id, horizon_days
-- known_at: the run's clock
-- statistic: shift_test.p_values(intermediate.forward_windows, intermediate.pattern_windows)
with final as (
    select
        pattern_id, -- The pattern.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        shifts, -- Circular shifts that are far enough away to count.
        p_value, -- Share of them, the events' own time included, that are as far from their mean; of a filter, the difference between what it keeps and what it drops. Null where no shift counts.
        min_p, -- The smallest p_value that there could be.
    from computed
)

select * from final
order by pattern_id, target_id, horizon_days
