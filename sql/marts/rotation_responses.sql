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

-- Events with the same entry have the same way, and a number for it is sooner sorted than three names.
longest as (
    select
        target_id,
        entry_number,
        any_value(entry_price) as entry_price,
        any_value(is_index) as is_index,
        max(exit_number) as exit_number,
        row_number() over (order by target_id, entry_number) as way,
    from outcomes
    where exit_number is not null
    group by target_id, entry_number
),

-- The way from the entry to the last exit, once for all horizons; session by session, as a join on equal numbers is
-- faster than one on numbers in between.
steps as (
    select
        way,
        target_id,
        entry_price,
        is_index,
        unnest(range(entry_number, exit_number + 1)) as session_number,
    from longest
),

ways as (
    select
        steps.way,
        steps.session_number,
        steps.entry_price,
        steps.is_index,
        prices.price,
        max(prices.price) over so_far as high_so_far,
    from steps
    inner join prices
        on prices.target_id = steps.target_id
        and prices.session_number = steps.session_number
    window so_far as (
        partition by steps.way
        order by steps.session_number
        rows between unbounded preceding and current row
    )
),

extremes as (
    select
        way,
        session_number,
        if(is_index, high_so_far - entry_price, high_so_far / nullif(entry_price, 0) - 1) as max_run_up,
        min(if(is_index, price - high_so_far, price / nullif(high_so_far, 0) - 1)) over so_far as max_drawdown,
    from ways
    window so_far as (
        partition by way
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
    left join longest
        on longest.target_id = outcomes.target_id
        and longest.entry_number = outcomes.entry_number
    left join extremes
        on extremes.way = longest.way
        and extremes.session_number = outcomes.exit_number
)

select * from final
order by event_id, trigger, target_id, horizon_days
