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

own_volumes as (
    select
        events.event_id,
        bars.instrument_id,
        bars.bar_number,
        min(volumes.captured_at) as captured_at,
        arg_min_null(volumes.volume, volumes.version) as volume,
    from events
    inner join instruments on instruments.instrument_id = events.subject_id
    inner join bars
        on bars.instrument_id = instruments.volume_proxy
        and bars.session_date = events.session_date
    inner join volumes
        on volumes.instrument_id = bars.instrument_id
        and volumes.session_date = bars.session_date
    group by events.event_id, bars.instrument_id, bars.bar_number
),

-- As they stood when the breakout's own volume was first seen: no later correction, and all on one share count.
earlier_volumes as (
    select
        own_volumes.event_id,
        bars.session_date,
        arg_max(volumes.volume, volumes.version) as volume,
    from own_volumes
    cross join range(1, $relative_volume_sessions + 1) as lags (lag)
    inner join bars
        on bars.instrument_id = own_volumes.instrument_id
        and bars.bar_number = own_volumes.bar_number - lags.lag
    inner join volumes
        on volumes.instrument_id = bars.instrument_id
        and volumes.session_date = bars.session_date
        and volumes.captured_at <= own_volumes.captured_at
    group by own_volumes.event_id, bars.session_date
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
