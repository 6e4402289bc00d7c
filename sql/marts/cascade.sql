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

previous as (
    select
        *,
        lag(is_on) over (
            partition by stage
            order by session_date
        ) as was_on,
    from states
),

changes as (
    select
        *,
        coalesce(is_on <> was_on, is_on is not null) as is_change,
        coalesce(is_on <> was_on, false) as is_turn,
    from previous
),

dated as (
    select
        *,
        max(if(is_change, session_date, null)) over history as state_since,
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
        score, -- Mean of the known ingredients [fraction]; null where none is known.
        known as known_ingredients, -- How many are known [ingredients]; marts.cascade_ingredients has each.
        is_on, -- On from a score of $stage_on, off from $stage_off down, unchanged in between and while the score is unknown; null before the first of either.
        state_since, -- Session since which it is on, or off; null before the first of either.
        if(is_on, state_since, null) as on_since, -- Session since which it is on; null while it is not.
        is_turn and is_on as is_turn_on, -- Whether it turned on at this session, having been off.
        is_turn and not is_on as is_turn_off, -- Whether it turned off at this session, having been on.
        known_at, -- The close, UTC.
    from dated
)

select * from final
order by session_date, stage
