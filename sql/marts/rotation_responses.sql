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

bought as (
    select
        trigger_at,
        target_id,
        entry_number,
        entry_date,
        entry_price,
        is_index,
        entry_at,
    from intermediate.entries
),

prices as (
    select
        target_id,
        session_number,
        price,
    from intermediate.target_prices
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

entries as (
    select
        triggers.event_id,
        triggers.trigger,
        bought.* exclude (trigger_at),
    from triggers
    inner join bought on bought.trigger_at = triggers.trigger_at
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
        any_value(is_index) as is_index,
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
        longest.is_index,
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
        if(is_index, high_so_far - entry_price, high_so_far / nullif(entry_price, 0) - 1) as max_run_up,
        min(if(is_index, price - high_so_far, price / nullif(high_so_far, 0) - 1)) over so_far as max_drawdown,
    from ways
    window so_far as (
        partition by event_id, trigger, target_id
        order by session_number
        rows between unbounded preceding and current row
    )
),

final as (
    select
        outcomes.event_id, -- The breakout, a row of marts.breakouts; or a stage that turned on, stage:turn_on:session.
        outcomes.trigger, -- The fact that started the clock: decided or confirmed.
        outcomes.target_id, -- What was bought, a row of core.instruments; or ALTSEASON, the altseason index, which nobody can buy.
        outcomes.horizon_days, -- Calendar days held.
        outcomes.entry_date, -- Session of the target's first close that came after the trigger, within five days.
        outcomes.entry_at, -- Instant of that close, UTC.
        outcomes.exit_date, -- Last session at or before entry_date + horizon_days; null while the window is open.
        outcomes.forward_return, -- Return from entry to exit, total return where it is known, before costs [fraction]; of the altseason index the difference of its levels [0.1 is ten points]; null while the window is open.
        extremes.max_run_up, -- Highest close of the window against the entry [fraction, or difference]; null while the window is open.
        extremes.max_drawdown, -- Largest fall of the closes from their highest so far, the entry included [fraction or difference, negative]; null while the window is open.
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
