-- description: The volume of each breakout against what was usual before it; of ratios there is none.
-- grain: event_id
-- known_at: decided_at
with events as (
    select
        event_id,
        subject_id,
        session_date,
        decided_at,
        row_number() over (order by event_id) as event_number,
    from intermediate.breakout_events
),

instruments as (
    select
        instrument_id,
        volume_proxy,
    from core.instruments
),

-- A volume of zero is one that the vendor does not know.
bars as (
    select
        instrument_id,
        session_date,
        bar_number,
        nullif(volume, 0) as volume,
        captured_at,
        version,
    from core.bars
    where is_final
),

versions as (
    select
        instrument_id,
        session_date,
        nullif(volume, 0) as volume,
        captured_at,
        version,
    from intermediate.visible_bars
    where is_final
),

-- Few bars were ever corrected, and only of those is there more to know than their last version.
corrected_bars as materialized (
    select
        instrument_id,
        session_date,
        bar_number,
    from bars
    where version > 1
),

corrections as (
    select
        corrected_bars.instrument_id,
        corrected_bars.bar_number,
        versions.volume,
        versions.captured_at,
        versions.version,
    from versions
    inner join corrected_bars
        on corrected_bars.instrument_id = versions.instrument_id
        and corrected_bars.session_date = versions.session_date
),

first_versions as (
    select
        instrument_id,
        bar_number,
        arg_min_null(volume, version) as volume,
        min(captured_at) as captured_at,
    from corrections
    group by instrument_id, bar_number
),

own_volumes as (
    select
        events.event_number,
        bars.instrument_id,
        bars.bar_number,
        if(bars.version = 1, bars.volume, first_versions.volume) as volume,
        if(bars.version = 1, bars.captured_at, first_versions.captured_at) as captured_at,
    from events
    inner join instruments on instruments.instrument_id = events.subject_id
    inner join bars
        on bars.instrument_id = instruments.volume_proxy
        and bars.session_date = events.session_date
    left join first_versions
        on first_versions.instrument_id = bars.instrument_id
        and first_versions.bar_number = bars.bar_number
),

asked as not materialized (
    select
        own_volumes.event_number,
        own_volumes.instrument_id,
        own_volumes.bar_number - lags.lag as bar_number,
        own_volumes.captured_at,
    from own_volumes
    cross join range(1, $relative_volume_sessions + 1) as lags (lag)
),

-- As they stood when the breakout's own volume was first seen: no later correction, and all on one share count.
earlier_volumes as (
    select
        asked.event_number,
        bars.volume,
    from asked
    inner join bars
        on bars.instrument_id = asked.instrument_id
        and bars.bar_number = asked.bar_number
    where bars.version = 1
        and bars.captured_at <= asked.captured_at
    union all
    select
        asked.event_number,
        arg_max(corrections.volume, corrections.version) as volume,
    from asked
    inner join corrections
        on corrections.instrument_id = asked.instrument_id
        and corrections.bar_number = asked.bar_number
    where corrections.captured_at <= asked.captured_at
    group by asked.event_number, asked.bar_number
),

usual_volumes as (
    select
        event_number,
        median(volume) as volume,
    from earlier_volumes
    group by event_number
    having count(volume) >= $relative_volume_known
),

final as (
    select
        events.event_id, -- The breakout.
        own_volumes.volume / nullif(usual_volumes.volume, 0) as relative_volume, -- Volume of the session over the median of the fifty before; null where it is not known.
        events.decided_at, -- The close that decided the breakout, UTC.
    from events
    inner join own_volumes on own_volumes.event_number = events.event_number
    inner join usual_volumes on usual_volumes.event_number = events.event_number
)

select * from final
order by event_id
