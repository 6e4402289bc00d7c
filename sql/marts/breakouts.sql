-- description: Every breakout to an all-time or year high, with what was known at its close and what became of it later.
-- grain: event_id
-- known_at: decided_at, the close that decided it
with events as (
    select
        event_id,
        subject_id,
        subject_kind,
        kind,
        session_date,
        level,
        level_date,
        base_sessions,
        base_depth,
        close,
        margin,
        is_left_censored,
        decided_at,
    from intermediate.breakout_events
),

volumes as (
    select
        event_id,
        relative_volume,
    from intermediate.breakout_volumes
),

context as (
    select
        event_id,
        breadth_sma200,
        liquidity_change_91d,
    from intermediate.breakout_context
),

outcomes as (
    select
        event_id,
        status,
        confirmed_at,
        failed_at,
        retested_at,
        holding_at,
        closes_below_20,
        outcome_20_at,
        max_drawdown_63,
        outcome_63_at,
    from intermediate.breakout_outcomes
),

final as (
    select
        events.event_id, -- subject:kind:session.
        events.subject_id, -- The instrument or pair that broke out.
        events.subject_kind, -- instrument or pair.
        events.kind, -- all_time_high or year_high.
        events.session_date, -- Session of the breakout.
        events.level, -- Highest price before the quiet period, which the close exceeded [currency of the instrument, or the ratio of a pair].
        events.level_date, -- Latest session at the level.
        events.base_sessions, -- Sessions from the level to the breakout.
        events.base_depth, -- Deepest fall below the level in between [fraction, negative].
        events.close, -- Closing price of the breakout, on the subject's price basis [currency of the instrument, or the ratio of a pair].
        events.margin, -- How far the close is above the level [fraction].
        events.is_left_censored, -- Whether a higher peak may lie before the start of the history, or lies in the index that a fund tracks, before the fund existed.
        volumes.relative_volume, -- Volume of the session divided by the median of the $relative_volume_sessions sessions before, of the instrument's volume_proxy [ratio]; null for ratios and if it is not known.
        context.breadth_sma200, -- Share of the members of the market's group above their $long_mean-session mean, as known at the close [fraction]; a ratio belongs to the market of its numerator; null if no group covers the market.
        context.liquidity_change_91d, -- Change of net liquidity over $liquidity_quarter_days days, as known at the close [USD millions].
        events.decided_at, -- The close that decided the breakout, UTC.
        outcomes.status, -- The latest state as of the run's clock (see marts.breakout_states); open before any.
        outcomes.confirmed_at, -- When it was confirmed, UTC; null until then.
        outcomes.failed_at, -- When it failed, UTC; null until then.
        outcomes.retested_at, -- When it had been retested, UTC; null until then.
        outcomes.holding_at, -- When it had held for $life_cycle sessions, UTC; null until then.
        outcomes.closes_below_20, -- Closes below the level in the $life_cycle sessions after; null until outcome_20_at.
        outcomes.outcome_20_at, -- When closes_below_20 was known, UTC.
        outcomes.max_drawdown_63, -- Largest fall from the highest price since the breakout in $outcome_window sessions [fraction, negative]; null until outcome_63_at.
        outcomes.outcome_63_at, -- When max_drawdown_63 was known, UTC.
    from events
    inner join outcomes on outcomes.event_id = events.event_id
    left join volumes on volumes.event_id = events.event_id
    left join context on context.event_id = events.event_id
)

select * from final
order by session_date, event_id
