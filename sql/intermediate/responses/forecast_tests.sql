-- description: The primary family as it stood at each instant at which a forecast needed it: shift tests on what was known
--   by then, and their price (Benjamini and Yekutieli 2001).
-- grain: trigger_at, signal_id, target_id, horizon_days
-- known_at: trigger_at
-- statistic: forecasts.past_tests(intermediate.forecast_bases, intermediate.forward_windows, intermediate.pattern_windows, reference.primary_family)
with final as (
    select
        trigger_at, -- The instant.
        signal_id, -- The signal.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        p_value, -- The p-value alone, of the windows that were complete by then.
        q_value, -- p_value after paying for the size of the family as it was then.
        excess_log, -- Mean log return of the events above that of all windows that were complete by then.
        lowest_log, -- The lowest of it with one episode left out; null where there is no other.
        highest_log, -- The highest of it with one episode left out; null where there is no other.
    from computed
    where p_value is not null
)

select * from final
order by trigger_at, signal_id, target_id, horizon_days
