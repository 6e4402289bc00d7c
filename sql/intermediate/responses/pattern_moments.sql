-- description: What each target did on the whole after the events of each pattern, and how much of that hangs on a single
--   episode.
-- grain: pattern_id, target_id, horizon_days, is_kept
-- known_at: the run's clock
with windows as (
    select
        pattern_id,
        event_id,
        target_id,
        horizon_days,
        is_kept,
        has_reconstructed,
        entry_date,
        forward_return,
        log_return,
        episode,
    from intermediate.pattern_windows
),

baselines as (
    select
        target_id,
        horizon_days,
        has_reconstructed,
        is_index,
        baseline_log,
    from intermediate.baselines
),

running as (
    select
        *,
        -- The order settles the last digit of a sum, so that the same input always gives the same number.
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

-- The sums as they stand when an episode is over.
episodes as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        episode,
        arg_max(log_so_far, events_so_far) as log_so_far,
        max(events_so_far) as events_so_far,
    from running
    group by pattern_id, target_id, horizon_days, is_kept, episode
),

-- The mean without one episode: what comes before it and what comes after it, by as many events.
without_one as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        (last_value(log_so_far) over sample - log_so_far + coalesce(lag(log_so_far) over sample, 0))
        / nullif(
            last_value(events_so_far) over sample - events_so_far + coalesce(lag(events_so_far) over sample, 0), 0
        ) as mean_log,
    from episodes
    window sample as (
        partition by pattern_id, target_id, horizon_days, is_kept
        order by episode
        rows between unbounded preceding and unbounded following
    )
),

left_out as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        min(mean_log) as lowest_log,
        max(mean_log) as highest_log,
    from without_one
    group by pattern_id, target_id, horizon_days, is_kept
),

moments as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        has_reconstructed,
        count(*) as n_events,
        max(episode)::bigint as n_episodes,
        arg_max(return_so_far, events_so_far) / nullif(count(*), 0) as mean_return,
        median(forward_return) as median_return,
        avg((forward_return > 0)::integer) as hit_rate,
        arg_max(log_so_far, events_so_far) / nullif(count(*), 0) as mean_log,
    from running
    group by pattern_id, target_id, horizon_days, is_kept, has_reconstructed
),

-- Above or below the usual, on the scale of sums.
excesses as (
    select
        moments.*,
        baselines.is_index,
        moments.mean_log - baselines.baseline_log as excess_log,
        left_out.lowest_log - baselines.baseline_log as lowest_log,
        left_out.highest_log - baselines.baseline_log as highest_log,
    from moments
    inner join left_out
        on left_out.pattern_id = moments.pattern_id
        and left_out.target_id = moments.target_id
        and left_out.horizon_days = moments.horizon_days
        and left_out.is_kept = moments.is_kept
    inner join baselines
        on baselines.target_id = moments.target_id
        and baselines.horizon_days = moments.horizon_days
        and baselines.has_reconstructed = moments.has_reconstructed
),

final as (
    select
        pattern_id, -- The pattern.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        is_kept, -- Whether these are the events that the filter keeps; true where there is no filter.
        n_events, -- Events with a complete window.
        n_episodes, -- Episodes of them.
        mean_return, -- Mean return [fraction].
        median_return, -- Median return [fraction].
        hit_rate, -- Share of the returns above zero.
        if(is_index, excess_log, exp(excess_log) - 1) as excess_mean, -- Mean log return above the baseline's, as a simple return [fraction]; of the altseason index the difference of the means.
        if(is_index, lowest_log, exp(lowest_log) - 1) as leave_one_out_min, -- The lowest excess_mean with one episode left out; null where there is no other.
        if(is_index, highest_log, exp(highest_log) - 1) as leave_one_out_max, -- The highest excess_mean with one episode left out; null where there is no other.
    from excesses
)

select * from final
order by pattern_id, target_id, horizon_days, is_kept
