-- description: Every state that a breakout reached within a month, at the close that showed it. One breakout can be
--   confirmed and fail later, or the reverse.
-- grain: event_id, state
-- known_at: decided_at, the close that showed the state
with aftermath as (
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
    from aftermath
    where is_failing
    group by event_id
),

shown as (
    select
        event_id,
        'confirmed' as state,
        min(sessions_after) as sessions_after,
    from aftermath
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
    from aftermath
    where was_touched and is_above
    group by event_id
    union all
    select
        event_id,
        'holding' as state,
        sessions_after,
    from aftermath
    where sessions_after = $life_cycle
        and event_id not in (select event_id from failures)
),

final as (
    select
        shown.event_id, -- The breakout, a row of marts.breakouts.
        shown.state, -- confirmed: third close above the level within ten sessions; failed: first close 2 % below it; retested: came down to it and closed above it again later; holding: twenty sessions without failing.
        aftermath.session_date, -- Session whose close showed it.
        shown.sessions_after, -- Sessions since the breakout.
        aftermath.known_at as decided_at, -- That close, UTC; a state is never dated back.
    from shown
    inner join aftermath
        on aftermath.event_id = shown.event_id
        and aftermath.sessions_after = shown.sessions_after
)

select * from final
order by event_id, sessions_after, state
