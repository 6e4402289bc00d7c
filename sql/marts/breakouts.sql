-- description: Every breakout to an all-time or year high, with what was known at its close and, later, what became of it.
-- grain: event_id
-- known_at: decided_at, the close that decided it
with events as (
    select
        event_id,
        subject_id,
        subject_kind,
        kind,
        session_date,
        level,
        level_date,
        base_sessions,
        base_depth,
        close,
        margin,
        is_left_censored,
        decided_at,
    from intermediate.breakout_events
),

states as (
    select
        event_id,
        state,
        sessions_after,
        decided_at,
    from marts.breakout_states
),

aftermath as (
    select
        event_id,
        sessions_after,
        price,
        is_below,
        high_so_far,
        known_at,
    from intermediate.breakout_followup
),

volumes as (
    select
        event_id,
        relative_volume,
    from intermediate.breakout_volumes
),

surroundings as (
    select
        event_id,
        breadth_sma200,
        liquidity_change_91d,
    from intermediate.breakout_context
),

lives as (
    select
        event_id,
        min(case when state = 'confirmed' then decided_at end) as confirmed_at,
        min(case when state = 'failed' then decided_at end) as failed_at,
        min(case when state = 'retested' then decided_at end) as retested_at,
        min(case when state = 'holding' then decided_at end) as holding_at,
        -- Where one close shows two states, the graver one stands.
        arg_max(state, (sessions_after, case state when 'failed' then 3 when 'holding' then 2 when 'confirmed' then 1 else 0 end)) as status,
    from states
    group by event_id
),

months as (
    select
        event_id,
        count_if(is_below) as closes_below,
        max(known_at) as known_at,
    from aftermath
    where sessions_after between 1 and $life_cycle
    group by event_id
    having count(*) = $life_cycle
),

quarters as (
    select
        event_id,
        min(price / nullif(high_so_far, 0) - 1) as max_drawdown,
        max(known_at) as known_at,
    from aftermath
    group by event_id
    having max(sessions_after) = $outcome_window
),

final as (
    select
        events.event_id, -- subject:kind:session.
        events.subject_id, -- The instrument or pair that broke out.
        events.subject_kind, -- instrument or pair.
        events.kind, -- all_time_high or year_high.
        events.session_date, -- Session of the breakout.
        events.level, -- Highest price before the quiet time, which the close exceeded [currency of the instrument, or the ratio of a pair].
        events.level_date, -- Latest session that stood at the level.
        events.base_sessions, -- Sessions from the level to the breakout.
        events.base_depth, -- How far the price fell below the level in between [fraction, negative].
        events.close, -- Price that broke out, on the subject's price basis [currency of the instrument, or the ratio of a pair].
        events.margin, -- How far it closed above the level [fraction].
        events.is_left_censored, -- Whether an earlier, higher peak may lie before the history, or does in the index behind a fund.
        volumes.relative_volume, -- Volume of the session over the median of the fifty before, of the instrument's volume_proxy [ratio]; null for ratios and where it is not known.
        surroundings.breadth_sma200, -- Share of the market's group above their 200-session mean, as known at the close [fraction]; a ratio's market is its numerator's, null where no group stands for it.
        surroundings.liquidity_change_91d, -- Change of net liquidity over 91 days, as known at the close [USD millions].
        events.decided_at, -- The close that decided it, UTC.
        coalesce(lives.status, 'open') as status, -- The state decided last as of the run's clock (see marts.breakout_states); open before any.
        lives.confirmed_at, -- When it was confirmed; null until then.
        lives.failed_at, -- When it failed; null until then.
        lives.retested_at, -- When it had been retested; null until then.
        lives.holding_at, -- When it had held for twenty sessions; null until then.
        months.closes_below::bigint as closes_below_20, -- Closes below the level in the twenty sessions after; null until outcome_20_at.
        months.known_at as outcome_20_at, -- When closes_below_20 was known.
        quarters.max_drawdown as max_drawdown_63, -- Largest fall from the highest price since the breakout in 63 sessions [fraction, negative]; null until outcome_63_at.
        quarters.known_at as outcome_63_at, -- When max_drawdown_63 was known.
    from events
    left join volumes on volumes.event_id = events.event_id
    left join surroundings on surroundings.event_id = events.event_id
    left join lives on lives.event_id = events.event_id
    left join months on months.event_id = events.event_id
    left join quarters on quarters.event_id = events.event_id
)

select * from final
order by session_date, event_id
