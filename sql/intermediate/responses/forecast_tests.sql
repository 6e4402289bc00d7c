-- description: The shift tests of the primary family at each instant at which a forecast needs them, on the windows that
--   were complete by then.
-- grain: trigger_at, signal_id, target_id, horizon_days
-- known_at: trigger_at
-- statistic: forecasts.past_tests(intermediate.forecast_bases, intermediate.forward_windows, intermediate.pattern_windows, reference.primary_family)
with final as (
    select
        trigger_at, -- Instant at which a signal was known, UTC.
        signal_id, -- The signal.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        p_value, -- p-value of the shift test, uncorrected.
        q_value, -- p_value corrected for the size of the family as it was then (Benjamini and Yekutieli 2001).
        excess_log, -- Mean log return of the events minus that of all windows that were complete by then.
        lowest_log, -- The lowest excess_log with one episode left out; null if there is only one.
        highest_log, -- The highest excess_log with one episode left out; null if there is only one.
    from computed
    where p_value is not null
)

select * from final
order by trigger_at, signal_id, target_id, horizon_days
