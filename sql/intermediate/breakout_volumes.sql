-- description: The volume of each breakout against what was usual before it; of ratios there is none.
-- grain: event_id
-- known_at: decided_at
with events as (
    select
        event_id,
        subject_id,
        session_date,
        decided_at,
    from intermediate.breakout_events
),

instruments as (
    select
        instrument_id,
        volume_proxy,
    from core.instruments
),

bars as (
    select
        instrument_id,
        session_date,
        bar_number,
    from core.bars
    where is_final
),

-- A volume of zero is one that the vendor does not know.
volumes as (
    select
        instrument_id,
        session_date,
        nullif(volume, 0) as volume,
        captured_at,
        version,
    from intermediate.seen_bars
    where is_final
),

own_bars as (
    select
        events.event_id,
        bars.instrument_id,
        bars.bar_number,
    from events
    inner join instruments on instruments.instrument_id = events.subject_id
    inner join bars
        on bars.instrument_id = instruments.volume_proxy
        and bars.session_date = events.session_date
),

-- The breakout's own bar, at a lag of 0, and those before it. They are few of all bars, which is why they are gathered
-- before anything is joined to them.
asked as materialized (
    select
        own_bars.event_id,
        lags.lag,
        bars.instrument_id,
        bars.session_date,
    from own_bars
    cross join range($relative_volume_sessions + 1) as lags (lag)
    inner join bars
        on bars.instrument_id = own_bars.instrument_id
        and bars.bar_number = own_bars.bar_number - lags.lag
),

answered as (
    select
        asked.event_id,
        asked.lag,
        volumes.volume,
        volumes.captured_at,
        volumes.version,
    from asked
    inner join volumes
        on volumes.instrument_id = asked.instrument_id
        and volumes.session_date = asked.session_date
),

own_volumes as (
    select
        event_id,
        min(captured_at) as captured_at,
        arg_min_null(volume, version) as volume,
    from answered
    where lag = 0
    group by event_id
),

-- As they stood when the breakout's own volume was first seen: no later correction, and all on one share count.
earlier_volumes as (
    select
        answered.event_id,
        answered.lag,
        arg_max(answered.volume, answered.version) as volume,
    from answered
    inner join own_volumes
        on own_volumes.event_id = answered.event_id
        and own_volumes.captured_at >= answered.captured_at
    where answered.lag > 0
    group by answered.event_id, answered.lag
),

usual_volumes as (
    select
        event_id,
        median(volume) as volume,
    from earlier_volumes
    group by event_id
    having count(volume) >= $relative_volume_known
),

final as (
    select
        events.event_id, -- The breakout.
        own_volumes.volume / nullif(usual_volumes.volume, 0) as relative_volume, -- Volume of the session over the median of the fifty before; null where it is not known.
        events.decided_at, -- The close that decided the breakout, UTC.
    from events
    inner join own_volumes on own_volumes.event_id = events.event_id
    inner join usual_volumes on usual_volumes.event_id = events.event_id
)

select * from final
order by event_id
