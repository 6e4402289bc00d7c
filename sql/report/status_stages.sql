-- The state of each stage of the cascade at its last session. The last known score may be older than that session,
-- because the data behind it may be stale.
with cascade as (
    select
        session_date,
        stage,
        stage_name,
        is_on,
        state_since,
        score,
    from marts.cascade
)

select
    stage,
    any_value(stage_name) as stage_name,
    max_by(is_on, session_date) as is_on,
    max_by(state_since, session_date) as since,
    max_by(score, session_date) as score,
    max(session_date) filter (where score is not null) as scored_on,
    max(session_date) as session_date,
from cascade
group by stage
order by stage
