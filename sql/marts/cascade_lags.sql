-- description: After a stage of the cascade turned on, when did each other stage; signed, so that the order can be
--   contradicted.
-- grain: from_stage, to_stage, turn_on_date
-- known_at: known_at, when no nearer turn-on of the other stage can come any more
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
        orders.from_stage, -- Number of the stage that turned on, having been off.
        orders.to_stage, -- Number of the other stage.
        orders.session_date as turn_on_date, -- Session at which from_stage turned on.
        orders.nearest_turn_on as nearest_turn_on_date, -- Turn-on of to_stage nearest to it, within 365 days; of two equally near ones the earlier; null where there is none.
        orders.lag_days, -- Calendar days from turn_on_date to it; negative where to_stage came first.
        orders.was_on as to_was_on, -- Whether to_stage was on already; null while its state was unknown.
        orders.is_in_order as in_order, -- From an earlier stage to a later one: turned on afterwards, and was not on already. Back from a later one: turned on before, and was still on. Null while the state was unknown.
        orders.decided_at as known_at, -- When that could no longer change, UTC; the row is there from then on.
    from turn_ons
    inner join orders
        on orders.from_stage = turn_ons.stage
        and orders.session_date = turn_ons.session_date
)

select * from final
order by from_stage, to_stage, turn_on_date
