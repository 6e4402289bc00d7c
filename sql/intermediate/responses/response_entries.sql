-- description: The first close of each target after each trigger: the entry from which its response is measured.
-- grain: trigger_at, target_id
-- known_at: entry_at
with triggers as (
    select trigger_at from intermediate.pattern_events
    union
    -- A correction may have removed the event of a frozen forecast, which still has its entry.
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

candidates as (
    select
        triggers.trigger_at,
        targets.target_id,
    from triggers
    cross join targets
),

final as (
    select
        candidates.trigger_at, -- Instant of the trigger, UTC.
        candidates.target_id, -- The target.
        prices.session_date as entry_date, -- Session of the target's first close after the trigger, at most $entry_window_days days later.
        prices.is_index, -- Whether the response is a difference of two levels instead of a return.
        prices.closes_at as entry_at, -- Instant of that close, UTC.
    from candidates
    asof join prices
        on prices.target_id = candidates.target_id
        and prices.closes_at > candidates.trigger_at
    where prices.closes_at <= candidates.trigger_at + to_days($entry_window_days)
)

select * from final
order by trigger_at, target_id
