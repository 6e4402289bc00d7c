-- description: The volume of each breakout against the median volume of the sessions before it. A breakout with too few
--   known volumes before it has no row, and neither has the breakout of a ratio.
-- grain: event_id
-- known_at: decided_at
with session_volumes as (
    select
        event_id,
        -- Millions of lookback rows are grouped faster by a number.
        row_number() over (order by event_id) as event_number,
        instrument_id,
        bar_number,
        volume,
        captured_at,
        decided_at,
    from intermediate.breakout_session_volumes
),

-- The vendor delivers 0 for a volume that it does not know.
bars as (
    select
        instrument_id,
        bar_number,
        nullif(volume, 0) as volume,
        captured_at,
    from core.bars
    where is_final and version = 1
),

corrected_volumes as (
    select
        instrument_id,
        bar_number,
        version,
        volume,
        captured_at,
    from intermediate.corrected_volumes
),

lookback as not materialized (
    select
        session_volumes.event_number,
        session_volumes.instrument_id,
        session_volumes.bar_number - lags.lag as bar_number,
        session_volumes.captured_at,
    from session_volumes
    cross join range(1, $relative_volume_sessions + 1) as lags (lag)
),

-- Each volume as it stood when the breakout's own volume was first seen: later corrections are left out, and all
-- volumes count shares on the same scale.
earlier_volumes as (
    select
        lookback.event_number,
        bars.volume,
    from lookback
    inner join bars
        on bars.instrument_id = lookback.instrument_id
        and bars.bar_number = lookback.bar_number
    where bars.captured_at <= lookback.captured_at
    union all
    select
        lookback.event_number,
        arg_max(corrected_volumes.volume, corrected_volumes.version) as volume,
    from lookback
    inner join corrected_volumes
        on corrected_volumes.instrument_id = lookback.instrument_id
        and corrected_volumes.bar_number = lookback.bar_number
    where corrected_volumes.captured_at <= lookback.captured_at
    group by lookback.event_number, lookback.bar_number
),

medians as (
    select
        event_number,
        median(volume) as volume,
    from earlier_volumes
    group by event_number
    having count(volume) >= $relative_volume_known
),

final as (
    select
        session_volumes.event_id, -- The breakout.
        session_volumes.volume / nullif(medians.volume, 0) as relative_volume, -- Volume of the session divided by the median of the $relative_volume_sessions sessions before; null if it is not known.
        session_volumes.decided_at, -- The close that decided the breakout, UTC.
    from session_volumes
    inner join medians on medians.event_number = session_volumes.event_number
)

select * from final
order by event_id
