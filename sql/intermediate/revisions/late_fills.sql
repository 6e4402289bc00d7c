-- description: Bars that arrived after newer bars of the same instrument.
-- grain: instrument_id, session_date
-- known_at: the run's clock
with bars as (
    select
        instrument_id,
        session_date,
        captured_at,
        version,
    from intermediate.bar_versions
),

captures as (
    select
        instrument_id,
        captured_at,
        min(session_date) as first_session,
        max(session_date) as last_session,
    from bars
    group by instrument_id, captured_at
),

-- The sessions stored before each capture. A bar before the first of them extends the history, so it fills no gap.
known_spans as (
    select
        instrument_id,
        captured_at,
        min(first_session) over earlier as first_session,
        max(last_session) over earlier as last_session,
    from captures
    window earlier as (
        partition by instrument_id
        order by captured_at
        rows between unbounded preceding and 1 preceding
    )
),

final as (
    select
        bars.instrument_id, -- The instrument.
        bars.session_date, -- The session that was missing.
        bars.captured_at, -- When its first version was captured.
    from bars
    inner join known_spans
        on known_spans.instrument_id = bars.instrument_id
        and known_spans.captured_at = bars.captured_at
    where bars.version = 1
        and bars.session_date > known_spans.first_session
        and bars.session_date < known_spans.last_session
)

select * from final
order by instrument_id, session_date
