-- description: The mean and median response of each target over all sessions: the baseline that events are compared with.
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

reconstructed as (
    select distinct
        target_id,
        horizon_days,
    from windows
    where is_reconstructed
),

counted as (
    select
        windows.*,
        false as has_reconstructed,
    from windows
    where not windows.is_reconstructed
    union all
    select
        windows.*,
        true as has_reconstructed,
    from windows
    inner join reconstructed
        on reconstructed.target_id = windows.target_id
        and reconstructed.horizon_days = windows.horizon_days
),

measured as (
    select
        target_id,
        horizon_days,
        has_reconstructed,
        any_value(is_index) as is_index,
        -- The order fixes the last digit of a sum, so that the same input always gives the same number.
        avg(forward_return order by entry_date) as baseline_mean,
        median(forward_return) as baseline_median,
        avg(log_return order by entry_date) as baseline_log,
    from counted
    group by target_id, horizon_days, has_reconstructed
),

final as (
    select
        measured.target_id, -- The target.
        measured.horizon_days, -- Calendar days held.
        -- If no window of the target is reconstructed, both rows are the same.
        unnest(
            case
                when measured.has_reconstructed then [true]
                when reconstructed.target_id is null then [true, false]
                else [false]
            end
        ) as has_reconstructed, -- Whether windows on reconstructed prices count.
        measured.is_index, -- Whether the responses are differences of two levels instead of returns.
        measured.baseline_mean, -- Mean return from every session [fraction].
        measured.baseline_median, -- Median return from every session [fraction].
        measured.baseline_log, -- Mean log return from every session: F of the shift test, the mean over all circular shifts of any pattern.
    from measured
    left join reconstructed
        on reconstructed.target_id = measured.target_id
        and reconstructed.horizon_days = measured.horizon_days
)

select * from final
order by target_id, horizon_days, has_reconstructed
