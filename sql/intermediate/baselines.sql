-- description: What each target did from any session on: the usual that events are compared with.
-- grain: target_id, horizon_days, has_reconstructed
-- known_at: the run's clock
with windows as (
    select
        target_id,
        entry_date,
        horizon_days,
        forward_return,
        log_return,
        is_index,
        is_reconstructed,
    from intermediate.forward_windows
),

counted as (
    select
        windows.*,
        histories.has_reconstructed,
    from windows
    cross join (values (true), (false)) as histories (has_reconstructed)
    where histories.has_reconstructed or not windows.is_reconstructed
),

final as (
    select
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        has_reconstructed, -- Whether reconstructed history counts.
        any_value(is_index) as is_index, -- Whether the responses are differences of two levels rather than returns.
        -- The order settles the last digit of a sum, so that the same input always gives the same number.
        avg(forward_return order by entry_date) as baseline_mean, -- Mean return from every session on [fraction].
        median(forward_return) as baseline_median, -- Median return from every session on [fraction].
        avg(log_return order by entry_date) as baseline_log, -- Mean log return from every session on: F, the mean over all circular shifts of any pattern.
    from counted
    group by target_id, horizon_days, has_reconstructed
)

select * from final
order by target_id, horizon_days, has_reconstructed
