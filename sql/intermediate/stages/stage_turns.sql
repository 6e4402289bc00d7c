-- description: For every stage of the cascade and every session, the stage's turn-on nearest to that session.
-- grain: stage, session_date
-- known_at: decided_at, when no nearer turn-on was possible any more
with clock as (
    select as_of_at from reference.clock
),

stages as (
    select
        session_date,
        stage,
        is_on,
        is_turn_on,
        known_at,
    from marts.cascade
),

neighbours as (
    select
        *,
        max(if(is_turn_on, session_date, null)) over earlier as last_turn_on,
        min(if(is_turn_on, session_date, null)) over later as next_turn_on,
        min(if(is_turn_on, known_at, null)) over later as next_known_at,
    from stages
    window
        earlier as (
            partition by stage
            order by session_date
            rows between unbounded preceding and current row
        ),
        later as (
            partition by stage
            order by session_date
            rows between 1 following and unbounded following
        )
),

-- A turn-on more than $lag_days days away does not count. Of two equally near ones the earlier counts.
distances as (
    select
        *,
        least(coalesce(session_date - last_turn_on, $lag_days + 1), $lag_days + 1)::integer as days_since,
        coalesce(next_turn_on - session_date, $lag_days + 1) as days_until,
    from neighbours
),

nearest as (
    select
        *,
        case
            when days_until < days_since then next_turn_on
            when days_since <= $lag_days then last_turn_on
        end as nearest_turn_on,
        -- A later turn-on is nearer only within days_since days. After that the nearest one cannot change.
        greatest(
            known_at,
            if(days_until < days_since, next_known_at, (session_date + days_since)::timestamptz)
        ) as decided_at,
    from distances
),

final as (
    select
        nearest.stage, -- The stage.
        nearest.session_date, -- The session.
        nearest.nearest_turn_on, -- The stage's turn-on nearest to the session, at most $lag_days days away; null if no turn-on is that near.
        nearest.nearest_turn_on - nearest.session_date as lag_days, -- Calendar days from the session to that turn-on; negative if it came before.
        nearest.is_on and not nearest.is_turn_on as was_on, -- Whether the stage was already on at the session; null before its first state.
        nearest.decided_at, -- When the nearest turn-on could no longer change, UTC.
    from nearest
    cross join clock
    where nearest.decided_at <= clock.as_of_at
)

select * from final
order by stage, session_date
