-- description: The volume of each breakout's session as it was first seen. A ratio has no volume and no row.
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
        nullif(volume, 0) as volume,
        captured_at,
        version,
    from core.bars
    where is_final
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

first_versions as (
    select
        instrument_id,
        bar_number,
        arg_min_null(volume, version) as volume,
        min(captured_at) as captured_at,
    from corrected_volumes
    group by instrument_id, bar_number
),

final as (
    select
        events.event_id, -- The breakout.
        bars.instrument_id, -- The instrument whose volume counts: the subject's volume_proxy.
        bars.bar_number, -- Position of the breakout's session among that instrument's bars.
        if(bars.version = 1, bars.volume, first_versions.volume) as volume, -- Volume of the session in its first version [shares, or USD for crypto]; null if the vendor does not know it.
        if(bars.version = 1, bars.captured_at, first_versions.captured_at) as captured_at, -- When that version was seen, UTC.
        events.decided_at, -- The close that decided the breakout, UTC.
    from events
    inner join instruments on instruments.instrument_id = events.subject_id
    inner join bars
        on bars.instrument_id = instruments.volume_proxy
        and bars.session_date = events.session_date
    left join first_versions
        on first_versions.instrument_id = bars.instrument_id
        and first_versions.bar_number = bars.bar_number
)

select * from final
order by event_id
