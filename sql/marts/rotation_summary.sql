-- description: What each target did on the whole after each kind of event, against what it did at any other time, and
--   whether that is evidence. Costs are not included.
-- grain: signal_id, target_id, horizon_days
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

signals as (
    select signal_id from reference.signals
),

horizons as (
    select horizon_days from reference.horizons
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

moments as (
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
    from intermediate.pattern_moments
),

tests as (
    select
        pattern_id,
        target_id,
        horizon_days,
        p_value,
        min_p,
    from intermediate.shift_tests
),

family as (
    select
        signal_id,
        target_id,
        horizon_days,
    from reference.primary_family
),

q_values as (
    select
        signal_id,
        target_id,
        horizon_days,
        q_value,
    from intermediate.family_q_values
),

targets as (
    select distinct target_id from intermediate.forward_windows
),

asked as (
    select
        signals.signal_id,
        targets.target_id,
        horizons.horizon_days,
    from signals
    cross join targets
    cross join horizons
),

final as (
    select
        asked.signal_id, -- subject:kind:trigger.
        asked.target_id, -- What was bought, a row of core.instruments; or ALTSEASON, the altseason index, whose returns are differences of its levels [0.1 is ten points].
        asked.horizon_days, -- Calendar days held.
        coalesce(moments.n_events, 0) as n_events, -- Events with a complete window, on the target's own (not reconstructed) history.
        coalesce(moments.n_episodes, 0) as n_episodes, -- Events counted once per three weeks: the number that evidence rests on.
        moments.mean_return, -- Mean return after the events [fraction].
        moments.median_return, -- Median return after the events [fraction].
        moments.hit_rate, -- Share of the events after which the return was above zero.
        baselines.baseline_mean, -- Mean return from every session on, over the same horizon [fraction].
        baselines.baseline_median, -- Median return from every session on [fraction].
        moments.excess_mean, -- Mean log return above the baseline's, as a simple return [fraction]; of the altseason index the difference of the means.
        tests.p_value, -- How often the same pattern of events, shifted in time by at least the horizon, is as far from usual; two-sided, exhaustive. Null without events.
        tests.min_p, -- The smallest p_value that this row could have had: one by the number of shifts.
        q_values.q_value, -- p_value after paying for the size of the primary family (Benjamini-Yekutieli); null outside it.
        moments.leave_one_out_min, -- The lowest excess_mean with one episode left out; null where there is no other.
        moments.leave_one_out_max, -- The highest excess_mean with one episode left out; null where there is no other.
        case
            when coalesce(moments.n_episodes, 0) < $minimum_episodes then 'insufficient'
            when family.signal_id is null then 'exploratory'
            when q_values.q_value <= $supporting_q and moments.excess_mean > 0 and moments.leave_one_out_min > 0 then 'supports'
            when q_values.q_value <= $supporting_q and moments.excess_mean < 0 and moments.leave_one_out_max < 0 then 'contradicts'
            else 'none'
        end as evidence, -- insufficient: fewer than eight episodes, no conclusion whatever the numbers say; exploratory: outside the family that was fixed in advance; supports, contradicts: q_value at most 0.10, and the excess is above (below) zero whichever episode is left out; none: tested, not shown.
        clock.as_of, -- The day as of which the row is true.
    from asked
    cross join clock
    left join moments
        on moments.pattern_id = asked.signal_id
        and moments.target_id = asked.target_id
        and moments.horizon_days = asked.horizon_days
    left join tests
        on tests.pattern_id = asked.signal_id
        and tests.target_id = asked.target_id
        and tests.horizon_days = asked.horizon_days
    left join family
        on family.signal_id = asked.signal_id
        and family.target_id = asked.target_id
        and family.horizon_days = asked.horizon_days
    left join q_values
        on q_values.signal_id = asked.signal_id
        and q_values.target_id = asked.target_id
        and q_values.horizon_days = asked.horizon_days
    left join baselines
        on baselines.target_id = asked.target_id
        and baselines.horizon_days = asked.horizon_days
)

select * from final
order by signal_id, target_id, horizon_days
