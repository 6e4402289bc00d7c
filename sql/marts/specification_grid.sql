-- description: What each target did after small-cap breakouts under every way of defining them, so that no single choice
--   can be picked for its answer. Reconstructed history counts here. Costs are not included.
-- grain: price_id, kind, quiet_sessions, margin, target_id, horizon_days
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

specifications as (
    select
        specification_id,
        price_id,
        kind,
        quiet_sessions,
        margin,
    from intermediate.specifications
),

coins as (
    select instrument_id from core.instruments
    where role = 'altcoin'
),

baselines as (
    select
        target_id,
        horizon_days,
    from intermediate.baselines
    where has_reconstructed and target_id not in (select instrument_id from coins)
),

moments as (
    select
        pattern_id,
        target_id,
        horizon_days,
        n_events,
        n_episodes,
        excess_mean,
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

final as (
    select
        specifications.price_id, -- The index or fund that breaks out.
        specifications.kind, -- all_time_high or year_high.
        specifications.quiet_sessions, -- Sessions without a new high before the breakout. A year high after a quiet year has only the session a year before for a level, and is rare.
        specifications.margin, -- How far above the level it must close [fraction].
        baselines.target_id, -- What was bought, or ALTSEASON; no single altcoins.
        baselines.horizon_days, -- Calendar days held.
        coalesce(moments.n_events, 0) as n_events, -- Events with a complete window, those on reconstructed prices among them.
        coalesce(moments.n_episodes, 0) as n_episodes, -- Events counted once per three weeks.
        moments.excess_mean, -- Mean log return above the baseline's, as a simple return [fraction]; of the altseason index the difference of the means.
        tests.p_value, -- How often the same pattern of events, shifted in time by at least the horizon, is as far from usual; null without events.
        tests.min_p, -- The smallest p_value that this row could have had.
        clock.as_of, -- The day as of which the row is true.
    from specifications
    cross join baselines
    cross join clock
    left join moments
        on moments.pattern_id = specifications.specification_id
        and moments.target_id = baselines.target_id
        and moments.horizon_days = baselines.horizon_days
    left join tests
        on tests.pattern_id = specifications.specification_id
        and tests.target_id = baselines.target_id
        and tests.horizon_days = baselines.horizon_days
)

select * from final
order by price_id, kind, quiet_sessions, margin, target_id, horizon_days
