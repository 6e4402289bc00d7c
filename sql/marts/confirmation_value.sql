-- description: Whether a filter ever told the good small-cap breakouts from the bad: what each target did after those of
--   the Russell 2000 that it keeps and after those that it drops. Costs are not included.
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

moments as (
    select
        pattern_id,
        target_id,
        horizon_days,
        is_kept,
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
    from intermediate.shift_tests
),

final as (
    select
        filters.filter, -- volume: at least half as much again as usual; breadth: at least half of the group above their 200-session mean; easing_liquidity: net liquidity rose over 91 days; confirmed: three closes above the level within ten sessions; no_early_failure: no close 2 % below the level within twenty.
        baselines.target_id, -- What was bought, a row of core.instruments; or ALTSEASON, the altseason index.
        baselines.horizon_days, -- Calendar days held from when the filter's answer was known.
        coalesce(kept.n_events, 0) as n_kept, -- Breakouts that the filter keeps, all-time and year highs of RUT, one per session, with a complete window.
        coalesce(dropped.n_events, 0) as n_dropped, -- Breakouts that it drops. Those of which it knows nothing are neither.
        coalesce(kept.n_episodes, 0) as n_episodes_kept, -- Those kept, counted once per three weeks.
        coalesce(dropped.n_episodes, 0) as n_episodes_dropped, -- Those dropped, counted once per three weeks.
        kept.excess_mean as excess_kept, -- Mean log return of those kept above the baseline's, as a simple return [fraction]; of the altseason index the difference of the means.
        dropped.excess_mean as excess_dropped, -- The same of those dropped, entered when that was known.
        if(kept.n_events > 0 and dropped.n_events > 0, tests.p_value, null) as p_value, -- How often the difference between kept and dropped is as far from zero when both are shifted in time together; null where there are not both.
        if(
            least(coalesce(kept.n_episodes, 0), coalesce(dropped.n_episodes, 0)) < $minimum_episodes,
            'insufficient',
            'exploratory'
        ) as evidence, -- insufficient: fewer than eight episodes on either side; exploratory: described and tested, but outside the family that was fixed in advance.
        clock.as_of, -- The day as of which the row is true.
    from filters
    cross join baselines
    cross join clock
    left join moments as kept
        on kept.pattern_id = 'filter:' || filters.filter
        and kept.target_id = baselines.target_id
        and kept.horizon_days = baselines.horizon_days
        and kept.is_kept
    left join moments as dropped
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
