-- description: What each target did after small-cap breakouts under every alternative definition of a breakout. It shows
--   whether a result depends on one choice. Reconstructed history counts here. Costs are not included.
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

altcoins as (
    select instrument_id from core.instruments
    where role = 'altcoin'
),

baselines as (
    select
        target_id,
        horizon_days,
    from intermediate.baselines
    where has_reconstructed and target_id not in (select instrument_id from altcoins)
),

summary as (
    select
        pattern_id,
        target_id,
        horizon_days,
        n_events,
        n_episodes,
        excess_mean,
    from intermediate.pattern_summary
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
        specifications.quiet_sessions, -- Length of the quiet period: sessions without a new high before the breakout. If it lasts the whole year, the level of a year high is the one session a year before, and such breakouts are rare.
        specifications.margin, -- How far above the level the close must be [fraction].
        baselines.target_id, -- The target: a row of core.instruments, or ALTSEASON for the altseason index; without single altcoins.
        baselines.horizon_days, -- Calendar days held.
        coalesce(summary.n_events, 0) as n_events, -- Events with a complete window, including those on reconstructed prices.
        coalesce(summary.n_episodes, 0) as n_episodes, -- Episodes of these events: events at most $episode_gap_days days apart count as one.
        summary.excess_mean, -- Mean log return after the events minus the baseline's, as a simple return [fraction]; for ALTSEASON the difference of the means.
        tests.p_value, -- Share of all shifts in time of the events, by at least the horizon, whose mean return is as far from the baseline; two-sided. Null without events.
        tests.min_p, -- The smallest possible p_value of this row.
        clock.as_of, -- The day as of which the row is true.
    from specifications
    cross join baselines
    cross join clock
    left join summary
        on summary.pattern_id = specifications.specification_id
        and summary.target_id = baselines.target_id
        and summary.horizon_days = baselines.horizon_days
    left join tests
        on tests.pattern_id = specifications.specification_id
        and tests.target_id = baselines.target_id
        and tests.horizon_days = baselines.horizon_days
)

select * from final
order by price_id, kind, quiet_sessions, margin, target_id, horizon_days
