-- description: What each target did on the whole after each kind of event, compared with all other times, and whether
--   that is evidence. Costs are not included.
-- grain: signal_id, target_id, horizon_days
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

questions as (
    select
        signal_id,
        target_id,
        horizon_days,
        is_primary,
        p_value,
        min_p,
        q_value,
    from intermediate.rotation_questions
),

summary as (
    select
        pattern_id,
        target_id,
        horizon_days,
        n_events,
        n_episodes,
        mean_return,
        median_return,
        hit_rate,
        excess_mean,
        leave_one_out_min,
        leave_one_out_max,
    from intermediate.pattern_summary
),

baselines as (
    select
        target_id,
        horizon_days,
        baseline_mean,
        baseline_median,
    from intermediate.baselines
    where not has_reconstructed
),

final as (
    select
        questions.signal_id, -- subject:kind:trigger.
        questions.target_id, -- The target: a row of core.instruments, or ALTSEASON for the altseason index, whose returns are differences of its levels [0.1 is ten points].
        questions.horizon_days, -- Calendar days held.
        coalesce(summary.n_events, 0) as n_events, -- Events with a complete window on the target's own (not reconstructed) history.
        coalesce(summary.n_episodes, 0) as n_episodes, -- Episodes of these events: events at most $episode_gap_days days apart count as one. Evidence rests on this number.
        summary.mean_return, -- Mean return after the events [fraction].
        summary.median_return, -- Median return after the events [fraction].
        summary.hit_rate, -- Share of the events after which the return was above zero.
        baselines.baseline_mean, -- Mean return from every session, over the same horizon [fraction].
        baselines.baseline_median, -- Median return from every session, over the same horizon [fraction].
        summary.excess_mean, -- Mean log return after the events minus the baseline's, as a simple return [fraction]; for ALTSEASON the difference of the means.
        questions.p_value, -- Share of all shifts in time of the events, by at least the horizon, whose mean return is as far from the baseline; two-sided. Null without events.
        questions.min_p, -- The smallest possible p_value of this row: 1 / (1 + number of shifts).
        questions.q_value, -- p_value corrected for the size of the primary family (Benjamini and Yekutieli 2001); null outside it.
        summary.leave_one_out_min, -- The lowest excess_mean with one episode left out; null if there is only one.
        summary.leave_one_out_max, -- The highest excess_mean with one episode left out; null if there is only one.
        case
            when coalesce(summary.n_episodes, 0) < $minimum_episodes then 'insufficient'
            when not questions.is_primary then 'exploratory'
            when questions.q_value <= $supporting_q and summary.excess_mean > 0 and summary.leave_one_out_min > 0 then 'supports'
            when questions.q_value <= $supporting_q and summary.excess_mean < 0 and summary.leave_one_out_max < 0 then 'contradicts'
            else 'none'
        end as evidence, -- insufficient: fewer than $minimum_episodes episodes, too few for any conclusion; exploratory: not in the primary family, which was fixed in advance; supports (contradicts): q_value at most $supporting_q, and the excess is above (below) zero whichever episode is left out; none: tested, not shown.
        clock.as_of, -- The day as of which the row is true.
    from questions
    cross join clock
    left join summary
        on summary.pattern_id = questions.signal_id
        and summary.target_id = questions.target_id
        and summary.horizon_days = questions.horizon_days
    left join baselines
        on baselines.target_id = questions.target_id
        and baselines.horizon_days = questions.horizon_days
)

select * from final
order by signal_id, target_id, horizon_days
