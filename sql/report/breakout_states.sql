-- The states of the newest $events breakouts of the instruments and pairs $subjects, in sessions after each breakout.
with newest as (
    select
        event_id,
        subject_id,
        kind,
        session_date as event_date,
    from marts.breakouts
    where list_contains($subjects, subject_id) and not is_left_censored
    order by session_date desc, event_id asc
    limit $events
),

states as (
    select
        event_id,
        state,
        session_date,
        sessions_after,
    from marts.breakout_states
),

final as (
    select
        newest.*,
        states.state,
        states.session_date,
        states.sessions_after,
    from newest
    inner join states on states.event_id = newest.event_id
)

select * from final
order by event_date desc, event_id asc, sessions_after asc, state asc
