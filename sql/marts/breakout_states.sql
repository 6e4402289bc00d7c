-- description: Every state that a breakout reached within $life_cycle sessions, at the close that showed it. A breakout
--   can be confirmed and fail later, or the reverse.
-- grain: event_id, state
-- known_at: decided_at, the close that showed the state
with followup as (
    select
        event_id,
        sessions_after,
        session_date,
        is_above,
        is_failing,
        closes_above,
        was_touched,
        known_at,
    from intermediate.breakout_followup
    where sessions_after between 1 and $life_cycle
),

failures as (
    select
        event_id,
        min(sessions_after) as sessions_after,
    from followup
    where is_failing
    group by event_id
),

reached as (
    select
        event_id,
        'confirmed' as state,
        min(sessions_after) as sessions_after,
    from followup
    where closes_above >= $confirmation_closes and sessions_after <= $confirmation_window
    group by event_id
    union all
    select
        event_id,
        'failed' as state,
        sessions_after,
    from failures
    union all
    select
        event_id,
        'retested' as state,
        min(sessions_after) as sessions_after,
    from followup
    where was_touched and is_above
    group by event_id
    union all
    select
        event_id,
        'holding' as state,
        sessions_after,
    from followup
    where sessions_after = $life_cycle
        and event_id not in (select event_id from failures)
),

final as (
    select
        reached.event_id, -- The breakout, a row of marts.breakouts.
        reached.state, -- confirmed: $confirmation_closes closes above the level within $confirmation_window sessions; failed: first close below the level by more than a fraction of $failure_margin; retested: a low came down to the level, and a later close was above it; holding: $life_cycle sessions without failing.
        followup.session_date, -- Session whose close showed it.
        reached.sessions_after, -- Sessions since the breakout.
        followup.known_at as decided_at, -- That close, UTC; states are never dated back.
    from reached
    inner join followup
        on followup.event_id = reached.event_id
        and followup.sessions_after = reached.sessions_after
)

select * from final
order by event_id, sessions_after, state
