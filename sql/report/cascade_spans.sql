-- The spans of the last $years years in which each stage was on, off or unknown.
with last_session as (
    select max(session_date) as session_date from marts.cascade
),

stages as (
    select
        cascade.stage,
        cascade.stage_name,
        cascade.session_date,
        case
            when cascade.score is null or cascade.is_on is null then 'unknown'
            when cascade.is_on then 'on'
            else 'off'
        end as state,
    from marts.cascade as cascade
    inner join last_session on cascade.session_date > last_session.session_date - to_years($years::integer)
),

-- Within a span both numbers grow by one a session, so that their difference stays the same.
numbered as (
    select
        *,
        row_number() over (partition by stage order by session_date)
        - row_number() over (partition by stage, state order by session_date) as span,
    from stages
),

final as (
    select
        stage,
        stage_name,
        state,
        min(session_date) as first_day,
        max(session_date) as last_day,
        max(session_date) + 1 as next_day,
        count(*) as sessions,
    from numbered
    group by stage, stage_name, state, span
)

select * from final
order by stage, first_day
