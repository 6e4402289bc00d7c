-- description: How often the stages of the cascade turned on in order, compared with how often they would have by
--   chance.
-- grain: from_stage, to_stage
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

stages as (
    select distinct
        stage,
        stage_name,
    from reference.ingredients
),

lags as (
    select
        from_stage,
        to_stage,
        turn_on_date,
        lag_days,
        in_order,
    from marts.cascade_lags
),

orders as (
    select
        from_stage,
        to_stage,
        session_date,
        is_in_order,
    from intermediate.stage_orders
),

-- Within the last $lag_days days only some turn-ons are decided, those with a near neighbour first. They are left out,
-- so that they do not bias the shares.
observed as (
    select
        lags.from_stage,
        lags.to_stage,
        count(*) as turn_ons,
        avg(lags.in_order::integer) as share_in_order,
        quantile_cont(lags.lag_days, 0.5) as median_lag_days,
    from lags
    cross join clock
    where lags.in_order is not null and lags.turn_on_date < clock.as_of - $lag_days
    group by lags.from_stage, lags.to_stage
),

-- Over all circular shifts, each turn-on of a stage falls on each session once. The average over the shifts is
-- therefore the average over the sessions.
shifted as (
    select
        orders.from_stage,
        orders.to_stage,
        count(*) as sessions,
        avg(orders.is_in_order::integer) as share_by_chance,
    from orders
    cross join clock
    where orders.is_in_order is not null and orders.session_date < clock.as_of - $lag_days
    group by orders.from_stage, orders.to_stage
),

final as (
    select
        observed.from_stage, -- Number of the stage that turned on.
        from_stages.stage_name as from_stage_name, -- Its name.
        observed.to_stage, -- Number of the other stage.
        to_stages.stage_name as to_stage_name, -- Its name.
        observed.turn_ons, -- Turn-ons of from_stage more than $lag_days days ago with a known state of to_stage; rows of marts.cascade_lags.
        observed.share_in_order, -- Share of those turn-ons that were in order [fraction].
        shifted.share_by_chance, -- The same share, averaged over all circular shifts of the turn-ons among the sessions [fraction]; the share expected if the order meant nothing.
        shifted.sessions, -- Number of sessions used for the shifts.
        observed.median_lag_days, -- Median of the signed lags in calendar days, over turn-ons with another one within $lag_days days.
        clock.as_of, -- The as-of date of the run.
    from observed
    inner join shifted
        on shifted.from_stage = observed.from_stage
        and shifted.to_stage = observed.to_stage
    inner join stages as from_stages on from_stages.stage = observed.from_stage
    inner join stages as to_stages on to_stages.stage = observed.to_stage
    cross join clock
)

select * from final
order by from_stage, to_stage
