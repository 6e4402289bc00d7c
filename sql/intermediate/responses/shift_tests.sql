-- description: The shift test of each pattern: how often the same events, shifted in time, have a mean response as far from
--   the baseline.
-- grain: pattern_id, target_id, horizon_days
-- known_at: the run's clock
-- statistic: shift_test.p_values(intermediate.forward_windows, intermediate.pattern_windows)
with final as (
    select
        pattern_id, -- The pattern.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        shifts, -- Number of circular shifts that are far enough away to count.
        p_value, -- Share of these shifts, the original included, whose mean response is as far from the mean of all shifts; for a filter the difference between kept and dropped events. Null if no shift counts.
        min_p, -- The smallest possible p_value: 1 / (1 + shifts).
    from computed
)

select * from final
order by pattern_id, target_id, horizon_days
