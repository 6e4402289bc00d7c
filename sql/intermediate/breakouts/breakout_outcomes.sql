-- description: What became of each breakout: its status, when it reached each state, and how the price did against the
--   level over $life_cycle and $outcome_window sessions.
-- grain: event_id
-- known_at: decided_at, the close that decided it; each outcome is null until its own instant
with events as (
    select
        event_id,
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

followup as (
    select
        event_id,
        sessions_after,
        price,
        is_below,
        high_so_far,
        known_at,
    from intermediate.breakout_followup
),

reached as (
    select
        event_id,
        min(case when state = 'confirmed' then decided_at end) as confirmed_at,
        min(case when state = 'failed' then decided_at end) as failed_at,
        min(case when state = 'retested' then decided_at end) as retested_at,
        min(case when state = 'holding' then decided_at end) as holding_at,
        -- If one close shows two states, the more serious one counts.
        arg_max(state, (sessions_after, case state when 'failed' then 3 when 'holding' then 2 when 'confirmed' then 1 else 0 end)) as status,
    from states
    group by event_id
),

life_cycles as (
    select
        event_id,
        count_if(is_below) as closes_below,
        max(known_at) as known_at,
    from followup
    where sessions_after between 1 and $life_cycle
    group by event_id
    having count(*) = $life_cycle
),

outcome_windows as (
    select
        event_id,
        min(price / nullif(high_so_far, 0) - 1) as max_drawdown,
        max(known_at) as known_at,
    from followup
    group by event_id
    having max(sessions_after) = $outcome_window
),

final as (
    select
        events.event_id, -- The breakout.
        events.decided_at, -- The close that decided the breakout, UTC.
        coalesce(reached.status, 'open') as status, -- The latest state as of the run's clock; open before any.
        reached.confirmed_at, -- When it was confirmed, UTC.
        reached.failed_at, -- When it failed, UTC.
        reached.retested_at, -- When it had been retested, UTC.
        reached.holding_at, -- When it had held, UTC.
        life_cycles.closes_below::bigint as closes_below_20, -- Closes below the level in the $life_cycle sessions after.
        life_cycles.known_at as outcome_20_at, -- When closes_below_20 was known, UTC.
        outcome_windows.max_drawdown as max_drawdown_63, -- Largest fall from the highest price since the breakout in $outcome_window sessions [fraction, negative].
        outcome_windows.known_at as outcome_63_at, -- When max_drawdown_63 was known, UTC.
    from events
    left join reached on reached.event_id = events.event_id
    left join life_cycles on life_cycles.event_id = events.event_id
    left join outcome_windows on outcome_windows.event_id = events.event_id
)

select * from final
order by event_id
