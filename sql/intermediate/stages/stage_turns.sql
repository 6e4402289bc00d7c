-- description: For every stage of the cascade and every session, the turn-on of the stage that is nearest to it.
-- grain: stage, session_date
-- known_at: decided_at, from which on nothing nearer can come
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

-- One that is further than a year away is as good as none. Of two equally near ones the earlier counts.
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
        -- What comes must come sooner than what was is past; when that many days are over, nothing nearer can.
        greatest(
            known_at,
            if(days_until < days_since, next_known_at, (session_date + days_since)::timestamptz)
        ) as decided_at,
    from distances
),

final as (
    select
        nearest.stage, -- The stage.
        nearest.session_date, -- The session from which one looks.
        nearest.nearest_turn_on, -- Its turn-on nearest to the session, at most 365 days away; null where there is none.
        nearest.nearest_turn_on - nearest.session_date as lag_days, -- Calendar days from the session to it; negative where it came before.
        nearest.is_on and not nearest.is_turn_on as was_on, -- Whether the stage was on already at the session; null before its first state.
        nearest.decided_at, -- When the nearest turn-on could no longer change, UTC.
    from nearest
    cross join clock
    where nearest.decided_at <= clock.as_of_at
)

select * from final
order by stage, session_date
