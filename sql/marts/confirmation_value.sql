-- description: Whether a filter separates good small-cap breakouts from bad ones: what each target did after the breakouts
--   of the Russell 2000 that the filter keeps, and after those that it drops. Costs are not included.
-- grain: filter, target_id, horizon_days
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

filters as (
    select unnest(['volume', 'breadth', 'easing_liquidity', 'confirmed', 'no_early_failure']) as filter
),

baselines as (
    select
        target_id,
        horizon_days,
    from intermediate.baselines
    where not has_reconstructed
),

summary as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
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
    from intermediate.shift_tests
),

final as (
    select
        filters.filter, -- volume: relative_volume at least $heavy_volume; breadth: a share of at least $half_of_members of the group above their $long_mean-session mean; easing_liquidity: net liquidity rose over $liquidity_quarter_days days; confirmed: $confirmation_closes closes above the level within $confirmation_window sessions; no_early_failure: no close below the level by more than a fraction of $failure_margin within $life_cycle sessions.
        baselines.target_id, -- The target: a row of core.instruments, or ALTSEASON for the altseason index.
        baselines.horizon_days, -- Calendar days held, from when the filter's answer was known.
        coalesce(kept.n_events, 0) as n_kept, -- Breakouts that the filter keeps: all-time and year highs of RUT, one per session, with a complete window.
        coalesce(dropped.n_events, 0) as n_dropped, -- Breakouts that the filter drops. Breakouts for which it has no answer are in neither number.
        coalesce(kept.n_episodes, 0) as n_episodes_kept, -- Episodes of the kept breakouts: breakouts at most $episode_gap_days days apart count as one.
        coalesce(dropped.n_episodes, 0) as n_episodes_dropped, -- Episodes of the dropped breakouts.
        kept.excess_mean as excess_kept, -- Mean log return after the kept breakouts minus the baseline's, as a simple return [fraction]; for ALTSEASON the difference of the means.
        dropped.excess_mean as excess_dropped, -- The same after the dropped breakouts, entered when it was known that they are dropped.
        if(kept.n_events > 0 and dropped.n_events > 0, tests.p_value, null) as p_value, -- Share of all shifts in time, of kept and dropped breakouts together, in which their difference is as far from zero; null if one side has no breakouts.
        if(
            least(coalesce(kept.n_episodes, 0), coalesce(dropped.n_episodes, 0)) < $minimum_episodes,
            'insufficient',
            'exploratory'
        ) as evidence, -- insufficient: fewer than $minimum_episodes episodes on either side; exploratory: tested, but not in the primary family, which was fixed in advance.
        clock.as_of, -- The day as of which the row is true.
    from filters
    cross join baselines
    cross join clock
    left join summary as kept
        on kept.pattern_id = 'filter:' || filters.filter
        and kept.target_id = baselines.target_id
        and kept.horizon_days = baselines.horizon_days
        and kept.is_kept
    left join summary as dropped
        on dropped.pattern_id = 'filter:' || filters.filter
        and dropped.target_id = baselines.target_id
        and dropped.horizon_days = baselines.horizon_days
        and not dropped.is_kept
    left join tests
        on tests.pattern_id = 'filter:' || filters.filter
        and tests.target_id = baselines.target_id
        and tests.horizon_days = baselines.horizon_days
)

select * from final
order by filter, target_id, horizon_days
