-- description: The sums of each pattern's responses up to the end of every episode, and the mean response without that
--   episode.
-- grain: pattern_id, target_id, horizon_days, is_kept, episode
-- known_at: the run's clock
-- form: view
with windows as (
    select
        pattern_id,
        event_id,
        target_id,
        horizon_days,
        is_kept,
        entry_date,
        forward_return,
        log_return,
        episode,
    from intermediate.pattern_windows
),

-- The order fixes the last digit of each sum, so that the same input always gives the same number.
running as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        episode,
        sum(forward_return) over so_far as return_so_far,
        sum(log_return) over so_far as log_so_far,
        count(*) over so_far as events_so_far,
    from windows
    window so_far as (
        partition by pattern_id, target_id, horizon_days, is_kept
        order by entry_date, event_id
        rows between unbounded preceding and current row
    )
),

episodes as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        episode,
        arg_max(return_so_far, events_so_far) as return_so_far,
        arg_max(log_so_far, events_so_far) as log_so_far,
        max(events_so_far) as events_so_far,
    from running
    group by pattern_id, target_id, horizon_days, is_kept, episode
),

final as (
    select
        pattern_id, -- The pattern.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        is_kept, -- Whether these are the events that the filter keeps; true if the pattern is not a filter.
        episode, -- Number of the episode, from 1.
        events_so_far, -- Events up to the end of the episode.
        return_so_far, -- Sum of their returns [fraction]; for ALTSEASON of the differences.
        log_so_far, -- Sum of their log returns; for ALTSEASON of the differences.
        (last_value(log_so_far) over sample - log_so_far + coalesce(lag(log_so_far) over sample, 0))
        / nullif(
            last_value(events_so_far) over sample - events_so_far + coalesce(lag(events_so_far) over sample, 0), 0
        ) as mean_log_without, -- Mean log return of the events of all other episodes; null if there is no other.
    from episodes
    window sample as (
        partition by pattern_id, target_id, horizon_days, is_kept
        order by episode
        rows between unbounded preceding and unbounded following
    )
)

select * from final
