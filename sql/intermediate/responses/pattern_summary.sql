-- description: What each target did on the whole after the events of each pattern, and how far a single episode moves that.
-- grain: pattern_id, target_id, horizon_days, is_kept
-- known_at: the run's clock
with windows as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        has_reconstructed,
        forward_return,
    from intermediate.pattern_windows
),

episodes as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        episode,
        events_so_far,
        return_so_far,
        log_so_far,
        mean_log_without,
    from intermediate.pattern_episodes
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

distributions as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        has_reconstructed,
        median(forward_return) as median_return,
        avg((forward_return > 0)::integer) as hit_rate,
    from windows
    group by pattern_id, target_id, horizon_days, is_kept, has_reconstructed
),

-- The sums up to the last episode are those of all events.
means as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
        max(events_so_far) as n_events,
        count(*) as n_episodes,
        arg_max(return_so_far, episode) / nullif(max(events_so_far), 0) as mean_return,
        arg_max(log_so_far, episode) / nullif(max(events_so_far), 0) as mean_log,
        min(mean_log_without) as lowest_log,
        max(mean_log_without) as highest_log,
    from episodes
    group by pattern_id, target_id, horizon_days, is_kept
),

-- Log returns add up, so they are compared with the baseline before they become simple returns.
excesses as (
    select
        distributions.*,
        means.n_events,
        means.n_episodes,
        means.mean_return,
        baselines.is_index,
        means.mean_log - baselines.baseline_log as excess_log,
        means.lowest_log - baselines.baseline_log as lowest_log,
        means.highest_log - baselines.baseline_log as highest_log,
    from distributions
    inner join means
        on means.pattern_id = distributions.pattern_id
        and means.target_id = distributions.target_id
        and means.horizon_days = distributions.horizon_days
        and means.is_kept = distributions.is_kept
    inner join baselines
        on baselines.target_id = distributions.target_id
        and baselines.horizon_days = distributions.horizon_days
        and baselines.has_reconstructed = distributions.has_reconstructed
),

final as (
    select
        pattern_id, -- The pattern.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        is_kept, -- Whether these are the events that the filter keeps; true if the pattern is not a filter.
        n_events, -- Events with a complete window.
        n_episodes, -- Episodes of these events.
        mean_return, -- Mean return [fraction].
        median_return, -- Median return [fraction].
        hit_rate, -- Share of the returns above zero.
        if(is_index, excess_log, exp(excess_log) - 1) as excess_mean, -- Mean log return minus the baseline's, as a simple return [fraction]; for ALTSEASON the difference of the means.
        if(is_index, lowest_log, exp(lowest_log) - 1) as leave_one_out_min, -- The lowest excess_mean with one episode left out; null if there is only one.
        if(is_index, highest_log, exp(highest_log) - 1) as leave_one_out_max, -- The highest excess_mean with one episode left out; null if there is only one.
    from excesses
)

select * from final
order by pattern_id, target_id, horizon_days, is_kept
