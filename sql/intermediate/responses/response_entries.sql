-- description: When each target could be bought after each instant that starts a clock: at its first close after it.
-- grain: trigger_at, target_id
-- known_at: entry_at
with instants as (
    select trigger_at from intermediate.triggers
    union
    select trigger_at from intermediate.filtered_events
    union
    select decided_at as trigger_at from intermediate.specification_events
    union
    -- Also when a correction has unmade the event.
    select trigger_at from reference.frozen_forecasts
),

prices as (
    select
        target_id,
        session_number,
        session_date,
        price,
        is_index,
        closes_at,
    from intermediate.target_prices
),

targets as (
    select distinct target_id from prices
),

asked as (
    select
        instants.trigger_at,
        targets.target_id,
    from instants
    cross join targets
),

final as (
    select
        asked.trigger_at, -- The instant.
        asked.target_id, -- The target.
        prices.session_date as entry_date, -- Session of the target's first close that came after the instant, within five days.
        prices.is_index, -- Whether the response is the difference of two levels rather than a return.
        prices.closes_at as entry_at, -- Instant of that close, UTC.
    from asked
    asof join prices
        on prices.target_id = asked.target_id
        and prices.closes_at > asked.trigger_at
    where prices.closes_at <= asked.trigger_at + to_days($entry_window_days)
)

select * from final
order by trigger_at, target_id
