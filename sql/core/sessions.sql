-- description: Every session that had begun as of the run, with or without bars.
-- grain: calendar, session_date
-- known_at: opens_at, since the calendar is planned long before
with clock as (
    select as_of_at from reference.clock
),

sessions as (
    select
        calendar,
        session_date,
        opens_at,
        closes_at,
        is_half_day,
    from reference.sessions
),

final as (
    select
        sessions.calendar, -- XNYS (New York) or CRYPTO (UTC days).
        sessions.session_date, -- Exchange-local date; UTC day for the crypto calendar.
        sessions.opens_at, -- Instant at which trading begins, UTC.
        sessions.closes_at, -- Instant at which the session's bar is complete, UTC.
        sessions.is_half_day, -- Whether the exchange closes early.
    from sessions
    cross join clock
    where sessions.opens_at < clock.as_of_at
)

select * from final
order by calendar, session_date
