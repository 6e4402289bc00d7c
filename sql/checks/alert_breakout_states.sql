-- Every state that a breakout reached, with the breakout's subject, kind and session.
with states as (
    select
        event_id,
        state,
        session_date,
    from marts.breakout_states
),

breakouts as (
    select
        event_id,
        subject_id,
        kind,
        session_date,
    from marts.breakouts
)

select
    states.event_id,
    breakouts.subject_id,
    breakouts.kind,
    breakouts.session_date as broke_out_on,
    states.state,
    states.session_date,
from states
inner join breakouts on breakouts.event_id = states.event_id
