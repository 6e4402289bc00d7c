-- description: For each turn-on of a stage of the cascade, the nearest turn-on of every other stage, with the signed
--   lag in days.
-- grain: from_stage, to_stage, turn_on_date
-- known_at: known_at, when no nearer turn-on of the other stage was possible any more
with turn_ons as (
    select
        stage,
        session_date,
    from marts.cascade
    where is_turn_on
),

orders as (
    select
        from_stage,
        to_stage,
        session_date,
        nearest_turn_on,
        lag_days,
        was_on,
        is_in_order,
        decided_at,
    from intermediate.stage_orders
),

final as (
    select
        orders.from_stage, -- Number of the stage that turned on, after being off.
        orders.to_stage, -- Number of the other stage.
        orders.session_date as turn_on_date, -- Session at which from_stage turned on.
        orders.nearest_turn_on as nearest_turn_on_date, -- Turn-on of to_stage nearest to turn_on_date, at most $lag_days days away; the earlier of two equally near ones; null if no turn-on is that near.
        orders.lag_days, -- Calendar days from turn_on_date to nearest_turn_on_date; negative if to_stage turned on first.
        orders.was_on as to_was_on, -- Whether to_stage was already on; null if its state was unknown.
        orders.is_in_order as in_order, -- Whether the two stages turned on in order: a later to_stage turned on afterwards and was not already on; an earlier to_stage turned on before and was still on. Null if its state was unknown.
        orders.decided_at as known_at, -- When the row could no longer change, UTC; it exists from then on.
    from turn_ons
    inner join orders
        on orders.from_stage = turn_ons.stage
        and orders.session_date = turn_ons.session_date
)

select * from final
order by from_stage, to_stage, turn_on_date
