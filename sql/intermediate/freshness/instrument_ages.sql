-- description: How old each instrument's last bar is, counted in sessions of its calendar.
-- grain: id
-- known_at: the run's clock
-- form: view
with clock as (
    select
        as_of,
        as_of_at,
    from reference.clock
),

instruments as (
    select
        instrument_id,
        asset_class,
        calendar,
        last_session,
        valid_to,
    from core.instruments
),

sessions as (
    select
        calendar,
        session_date,
        closes_at,
    from core.sessions
),

gaps as (
    select
        instrument_id,
        session_date,
    from meta.gaps
),

finished_sessions as (
    select
        sessions.calendar,
        sessions.session_date,
        row_number() over (partition by sessions.calendar order by sessions.session_date) as session_number,
    from sessions
    cross join clock
    where sessions.closes_at <= clock.as_of_at
),

expected_sessions as (
    select
        calendar,
        max(session_date) as session_date,
        max(session_number) as session_number,
    from finished_sessions
    group by calendar
),

gap_counts as (
    select
        instrument_id,
        count(*) as missing_sessions,
    from gaps
    group by instrument_id
),

final as (
    select
        instruments.instrument_id as id, -- The instrument.
        instruments.asset_class, -- equity or crypto.
        instruments.last_session, -- Its last session with a final bar or level.
        expected_sessions.session_date as expected_session, -- Last finished session of its calendar.
        expected_sessions.session_number - finished_sessions.session_number as age_sessions, -- Sessions since last_session.
        case
            when instruments.valid_to <= clock.as_of then 'ended'
            when expected_sessions.session_number - finished_sessions.session_number > $stale_after_sessions then 'stale'
            else 'fresh'
        end as status, -- fresh, stale or ended.
        coalesce(gap_counts.missing_sessions, 0) as missing_sessions, -- Sessions missing between the first and the last bar.
    from instruments
    cross join clock
    left join gap_counts on gap_counts.instrument_id = instruments.instrument_id
    inner join expected_sessions on expected_sessions.calendar = instruments.calendar
    inner join finished_sessions
        on finished_sessions.calendar = instruments.calendar
        and finished_sessions.session_date = instruments.last_session
)

select * from final
