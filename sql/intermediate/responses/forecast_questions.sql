-- description: The forecasts that are due and not frozen yet: one for each trigger of a signal, each target that traded
--   then, and each horizon.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: trigger_at
-- form: view
with triggers as (
    select
        signal_id,
        event_id,
        trigger,
        trigger_at,
    from intermediate.triggers
),

horizons as (
    select horizon_days from reference.horizons
),

prices as (
    select
        target_id,
        closes_at,
    from intermediate.target_prices
),

family as (
    select
        signal_id,
        target_id,
        horizon_days,
    from reference.primary_family
),

frozen as (
    select
        event_id,
        trigger,
        target_id,
        horizon_days,
    from intermediate.visible_forecasts
),

targets as (
    select distinct target_id from prices
),

candidates as (
    select
        triggers.*,
        targets.target_id,
    from triggers
    cross join targets
),

-- A target that does not trade yet, or has stopped trading, gets no forecast.
traded as (
    select candidates.*
    from candidates
    asof join prices
        on prices.target_id = candidates.target_id
        and prices.closes_at <= candidates.trigger_at
    where prices.closes_at > candidates.trigger_at - to_days($exit_tolerance_days)
),

final as (
    select
        traded.signal_id, -- subject:kind:trigger.
        traded.event_id, -- The breakout, or stage:turn_on:session.
        traded.trigger, -- decided or confirmed.
        traded.trigger_at, -- Instant at which the signal was known, UTC.
        traded.target_id, -- The target.
        horizons.horizon_days, -- Calendar days held.
        family.signal_id is not null as is_primary, -- Whether the question belongs to the primary family.
    from traded
    cross join horizons
    left join frozen
        on frozen.event_id = traded.event_id
        and frozen.trigger = traded.trigger
        and frozen.target_id = traded.target_id
        and frozen.horizon_days = horizons.horizon_days
    left join family
        on family.signal_id = traded.signal_id
        and family.target_id = traded.target_id
        and family.horizon_days = horizons.horizon_days
    where frozen.event_id is null
)

select * from final
