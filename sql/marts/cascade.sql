-- description: How far money has moved along the risk curve: each stage's score, and whether the stage is on.
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

-- The last score that was high or low enough decides. A score in between, or an unknown one, changes nothing.
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

followed as (
    select
        *,
        lag(is_on) over in_order as was_on,
    from states
    window in_order as (
        partition by stage
        order by session_date
        rows between unbounded preceding and current row
    )
),

dated as (
    select
        *,
        max(if(is_on is distinct from was_on, session_date, null)) over history as state_since,
    from followed
    window history as (
        partition by stage
        order by session_date
        rows between unbounded preceding and current row
    )
),

final as (
    select
        session_date, -- Session of the exchange, from the first one with a known ingredient of the stage.
        stage, -- Place in the order, from 1 for the safest.
        stage_name, -- funding, equities, small_caps, crypto_majors or altcoins.
        score, -- Mean of the known ingredients [fraction]; null if none is known.
        known as known_ingredients, -- Number of known ingredients [ingredients]; marts.cascade_ingredients lists each.
        is_on, -- Whether the stage is on: it turns on at a score of $stage_on or more and off at $stage_off or less; null until it first does either.
        state_since, -- Session since which the stage has been on, or off; null while is_on is null.
        if(is_on, state_since, null) as on_since, -- Session since which the stage has been on; null while it is not on.
        coalesce(is_on and not was_on, false) as is_turn_on, -- Whether the stage turned on at this session, after being off.
        coalesce(was_on and not is_on, false) as is_turn_off, -- Whether the stage turned off at this session, after being on.
        known_at, -- The close, UTC.
    from dated
)

select * from final
order by session_date, stage
