-- Each stage on the last session: its score, whether it is on and since when, and its last known score.
with stages as (
    select
        session_date,
        stage,
        stage_name,
        score,
        is_on,
        state_since,
    from marts.cascade
),

last_session as (
    select max(session_date) as session_date from stages
),

last_scores as (
    select
        stage,
        max(session_date) as score_date,
        max_by(score, session_date) as last_score,
    from stages
    where score is not null
    group by stage
),

final as (
    select
        stages.session_date,
        stages.stage,
        stages.stage_name,
        stages.score,
        stages.is_on,
        stages.state_since as since,
        last_scores.score_date,
        last_scores.last_score,
    from stages
    inner join last_session on last_session.session_date = stages.session_date
    left join last_scores on last_scores.stage = stages.stage
)

select * from final
order by stage
