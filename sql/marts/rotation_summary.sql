-- description: What each target did on the whole after each kind of event, against what it did at any other time.
--   Costs are not included.
-- grain: signal_id, target_id, horizon_days
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

triggers as (
    select
        signal_id,
        event_id,
        trigger,
    from intermediate.triggers
),

signals as (
    select signal_id from reference.signals
),

instruments as (
    select
        instrument_id,
        reconstructed_before,
    from core.instruments
),

windows as (
    select
        target_id,
        entry_date,
        horizon_days,
        forward_return,
        log_return,
    from intermediate.forward_windows
),

responses as (
    select
        event_id,
        trigger,
        target_id,
        horizon_days,
        entry_date,
        forward_return,
    from marts.rotation_responses
    where is_complete
),

horizons as (
    select horizon_days from reference.horizons
),

targets as (
    select distinct target_id from windows
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

-- Reconstructed history is no evidence: neither for what came after an event nor for what is usual.
baselines as (
    select
        windows.target_id,
        windows.horizon_days,
        -- The order settles the last digit of a sum, so that the same input always gives the same number.
        avg(windows.forward_return order by windows.entry_date) as baseline_mean,
        median(windows.forward_return) as baseline_median,
        avg(windows.log_return order by windows.entry_date) as baseline_log,
    from windows
    inner join instruments on instruments.instrument_id = windows.target_id
    where windows.entry_date >= coalesce(instruments.reconstructed_before, '0001-01-01'::date)
    group by windows.target_id, windows.horizon_days
),

samples as (
    select
        triggers.signal_id,
        responses.target_id,
        responses.horizon_days,
        responses.event_id,
        responses.entry_date,
        responses.forward_return,
        coalesce(
            responses.entry_date - lag(responses.entry_date) over in_order > $episode_gap_days,
            true
        ) as is_new_episode,
    from triggers
    inner join responses
        on responses.event_id = triggers.event_id
        and responses.trigger = triggers.trigger
    inner join instruments on instruments.instrument_id = responses.target_id
    where responses.entry_date >= coalesce(instruments.reconstructed_before, '0001-01-01'::date)
    window in_order as (
        partition by triggers.signal_id, responses.target_id, responses.horizon_days
        order by responses.entry_date, responses.event_id
        rows between unbounded preceding and current row
    )
),

moments as (
    select
        signal_id,
        target_id,
        horizon_days,
        count(*) as n_events,
        count_if(is_new_episode) as n_episodes,
        avg(forward_return order by entry_date, event_id) as mean_return,
        median(forward_return) as median_return,
        avg((forward_return > 0)::integer) as hit_rate,
        avg(ln(1 + forward_return) order by entry_date, event_id) as mean_log,
    from samples
    group by signal_id, target_id, horizon_days
),

final as (
    select
        asked.signal_id, -- subject:kind:trigger.
        asked.target_id, -- What was bought, a row of core.instruments.
        asked.horizon_days, -- Calendar days held.
        coalesce(moments.n_events, 0) as n_events, -- Events with a complete window, on the target's own (not reconstructed) history.
        coalesce(moments.n_episodes, 0)::bigint as n_episodes, -- Events counted once per three weeks: the number that evidence rests on.
        moments.mean_return, -- Mean return after the events [fraction].
        moments.median_return, -- Median return after the events [fraction].
        moments.hit_rate, -- Share of the events after which the return was above zero.
        baselines.baseline_mean, -- Mean return from every session on, over the same horizon [fraction].
        baselines.baseline_median, -- Median return from every session on [fraction].
        exp(moments.mean_log - baselines.baseline_log) - 1 as excess_mean, -- Mean log return above the baseline's, as a simple return [fraction].
        if(coalesce(moments.n_episodes, 0) < $minimum_episodes, 'insufficient', 'exploratory') as evidence, -- insufficient: fewer than eight episodes, no conclusion whatever the numbers say; exploratory: described, not tested.
        clock.as_of, -- The day as of which the row is true.
    from asked
    cross join clock
    left join moments
        on moments.signal_id = asked.signal_id
        and moments.target_id = asked.target_id
        and moments.horizon_days = asked.horizon_days
    left join baselines
        on baselines.target_id = asked.target_id
        and baselines.horizon_days = asked.horizon_days
)

select * from final
order by signal_id, target_id, horizon_days
