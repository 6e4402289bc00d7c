-- The open breakouts of all subjects, and the latest $number breakouts of the subjects in $watched, each with its state
-- and the session since which it is in that state. Watched subjects come first, then the newest.
with breakouts as (
    select
        event_id,
        subject_id,
        kind,
        session_date,
        margin,
        base_sessions,
        is_left_censored,
        decided_at,
        status as state,
        outcome_20_at is null as is_open,
        list_contains($watched, subject_id) as is_watched,
    from marts.breakouts
),

states as (
    select
        event_id,
        state,
        max(session_date) as state_since,
    from marts.breakout_states
    group by event_id, state
),

ranked as (
    select
        *,
        is_watched and row_number() over newest <= $number as is_latest,
    from breakouts
    window newest as (
        partition by is_watched
        order by session_date desc, subject_id asc, kind asc
    )
)

select
    ranked.event_id,
    ranked.subject_id,
    ranked.kind,
    ranked.session_date,
    ranked.margin,
    ranked.base_sessions,
    ranked.is_left_censored,
    ranked.decided_at,
    ranked.state,
    coalesce(states.state_since, ranked.session_date) as state_since,
    ranked.is_open,
    ranked.is_latest,
from ranked
left join states
    on states.event_id = ranked.event_id
    and states.state = ranked.state
where ranked.is_open or ranked.is_latest
order by ranked.is_watched desc, ranked.session_date desc, ranked.subject_id asc, ranked.kind asc
