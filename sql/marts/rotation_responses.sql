-- description: What each target did after each event: bought at its first close after the event was known, held for
--   the horizon. Costs are not included.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: known_at, the end of the day on which the horizon was reached; null while the window is open
-- One event can serve several signals; its response is the same.
with triggers as (
    select distinct
        event_id,
        trigger,
        trigger_at,
    from intermediate.triggers
),

prices as (
    select
        target_id,
        session_number,
        session_date,
        price,
        closes_at,
    from intermediate.target_prices
),

targets as (
    select distinct target_id from prices
),

horizons as (
    select horizon_days from reference.horizons
),

windows as (
    select
        target_id,
        entry_date,
        horizon_days,
        exit_date,
        exit_number,
        forward_return,
        known_at,
    from intermediate.forward_windows
),

asked as (
    select
        triggers.event_id,
        triggers.trigger,
        triggers.trigger_at,
        targets.target_id,
    from triggers
    cross join targets
),

entries as (
    select
        asked.event_id,
        asked.trigger,
        asked.target_id,
        prices.session_number as entry_number,
        prices.session_date as entry_date,
        prices.price as entry_price,
        prices.closes_at as entry_at,
    from asked
    asof join prices
        on prices.target_id = asked.target_id
        and prices.closes_at > asked.trigger_at
    where prices.closes_at <= asked.trigger_at + to_days($entry_window_days)
),

outcomes as (
    select
        entries.*,
        horizons.horizon_days,
        windows.exit_date,
        windows.exit_number,
        windows.forward_return,
        windows.known_at,
    from entries
    cross join horizons
    left join windows
        on windows.target_id = entries.target_id
        and windows.entry_date = entries.entry_date
        and windows.horizon_days = horizons.horizon_days
),

longest as (
    select
        event_id,
        trigger,
        target_id,
        any_value(entry_number) as entry_number,
        any_value(entry_price) as entry_price,
        max(exit_number) as exit_number,
    from outcomes
    where exit_number is not null
    group by event_id, trigger, target_id
),

-- The way from the entry to the last exit, once for all horizons.
ways as (
    select
        longest.event_id,
        longest.trigger,
        longest.target_id,
        prices.session_number,
        longest.entry_price,
        prices.price,
        max(prices.price) over so_far as high_so_far,
    from longest
    inner join prices
        on prices.target_id = longest.target_id
        and prices.session_number between longest.entry_number and longest.exit_number
    window so_far as (
        partition by longest.event_id, longest.trigger, longest.target_id
        order by prices.session_number
        rows between unbounded preceding and current row
    )
),

extremes as (
    select
        event_id,
        trigger,
        target_id,
        session_number,
        high_so_far / nullif(entry_price, 0) - 1 as max_run_up,
        min(price / nullif(high_so_far, 0) - 1) over so_far as max_drawdown,
    from ways
    window so_far as (
        partition by event_id, trigger, target_id
        order by session_number
        rows between unbounded preceding and current row
    )
),

final as (
    select
        outcomes.event_id, -- The breakout, a row of marts.breakouts.
        outcomes.trigger, -- The fact that started the clock: decided or confirmed.
        outcomes.target_id, -- What was bought, a row of core.instruments.
        outcomes.horizon_days, -- Calendar days held.
        outcomes.entry_date, -- Session of the target's first close that came after the trigger, within five days.
        outcomes.entry_at, -- Instant of that close, UTC.
        outcomes.exit_date, -- Last session at or before entry_date + horizon_days; null while the window is open.
        outcomes.forward_return, -- Return from entry to exit, total return where it is known, before costs [fraction]; null while the window is open.
        extremes.max_run_up, -- Highest close of the window against the entry [fraction]; null while the window is open.
        extremes.max_drawdown, -- Largest fall of the closes from their highest so far, the entry included [fraction, negative]; null while the window is open.
        outcomes.known_at is not null as is_complete, -- Whether the horizon was reached and the target still traded.
        outcomes.known_at, -- End of the UTC day on which the horizon was reached; null while the window is open.
    from outcomes
    left join extremes
        on extremes.event_id = outcomes.event_id
        and extremes.trigger = outcomes.trigger
        and extremes.target_id = outcomes.target_id
        and extremes.session_number = outcomes.exit_number
)

select * from final
order by event_id, trigger, target_id, horizon_days
