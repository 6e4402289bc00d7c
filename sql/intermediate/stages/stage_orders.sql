-- description: For every session and pair of stages of the cascade, whether the first stage would turn on in order at
--   that session.
-- grain: from_stage, to_stage, session_date
-- known_at: decided_at
-- form: view
with turns as (
    select
        stage,
        session_date,
        nearest_turn_on,
        lag_days,
        was_on,
        decided_at,
    from intermediate.stage_turns
),

stages as (
    select distinct stage from reference.ingredients
),

-- In order, a later stage follows: it turns on afterwards and was not on already. An earlier stage leads: it turned on
-- before and is still on.
judged as (
    select
        stages.stage as from_stage,
        turns.stage as to_stage,
        turns.session_date,
        turns.nearest_turn_on,
        turns.lag_days,
        turns.was_on,
        if(
            stages.stage < turns.stage,
            coalesce(turns.lag_days > 0, false) and not turns.was_on,
            coalesce(turns.lag_days < 0, false) and turns.was_on
        ) as is_in_order,
        turns.decided_at,
    from turns
    inner join stages on stages.stage != turns.stage
),

final as (
    select
        from_stage, -- The stage that would turn on at the session.
        to_stage, -- The other stage.
        session_date, -- The session.
        nearest_turn_on, -- Turn-on of to_stage nearest to the session.
        lag_days, -- Calendar days from the session to that turn-on.
        was_on, -- Whether to_stage was already on.
        if(was_on is null, null, is_in_order) as is_in_order, -- Whether a later stage turned on afterwards and was not on already, or an earlier one turned on before and was still on; null if the state of to_stage is unknown.
        decided_at, -- When that could no longer change, UTC.
    from judged
)

select * from final
