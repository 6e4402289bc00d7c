-- description: How far money has moved along the risk curve: each stage's score, and whether it is on.
-- grain: session_date, stage
-- known_at: known_at, the close of the session
with ingredients as (
    select
        session_date,
        stage,
        stage_name,
        value,
        known_at,
    from marts.cascade_ingredients
),

scores as (
    select
        session_date,
        stage,
        stage_name,
        avg(value) as score,
        count(value) as known,
        known_at,
    from ingredients
    group by session_date, stage, stage_name, known_at
),

-- The last score that was high or low enough decides; one in between, or none at all, changes nothing.
states as (
    select
        *,
        last_value(
            case
                when score >= $stage_on then true
                when score <= $stage_off then false
            end ignore nulls
        ) over history as is_on,
    from scores
    window history as (
        partition by stage
        order by session_date
        rows between unbounded preceding and current row
    )
),

changes as (
    select
        *,
        is_on and not coalesce(lag(is_on) over ordered, false) as is_start,
        coalesce(is_on and not lag(is_on) over ordered, false) as is_turn_on,
    from states
    window ordered as (
        partition by stage
        order by session_date
        rows between unbounded preceding and current row
    )
),

started as (
    select
        *,
        max(if(is_start, session_date, null)) over history as last_start,
    from changes
    window history as (
        partition by stage
        order by session_date
        rows between unbounded preceding and current row
    )
),

final as (
    select
        session_date, -- Session of the exchange, from the first on at which an ingredient of the stage was known.
        stage, -- Place in the order, from 1 for the safest.
        stage_name, -- funding, equities, small_caps, crypto_majors or altcoins.
        score, -- Mean of the ingredients that are known [fraction]; null where none is.
        known as known_ingredients, -- How many are known [ingredients]; marts.cascade_ingredients has each.
        is_on, -- On from a score of 0.6, off from 0.4 down, unchanged in between and while the score is unknown; null before the first of either.
        if(is_on, last_start, null) as on_since, -- Session since which it is on; where it was on at its first score, that session.
        is_turn_on, -- Whether it turned on at this session, having been off.
        known_at, -- The close, UTC.
    from started
)

select * from final
order by session_date, stage
