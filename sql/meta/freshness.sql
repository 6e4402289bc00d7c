-- description: How old each instrument's and series' last value is against what its calendar or release rule expects.
-- grain: id
-- known_at: the run's clock
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

series as (
    select
        series_id,
        stale_after_days,
    from core.series
),

observations as (
    select
        series_id,
        observation_date,
    from core.macro
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

instrument_ages as (
    select
        instruments.instrument_id as id,
        instruments.asset_class,
        instruments.last_session,
        expected_sessions.session_date as expected_session,
        expected_sessions.session_number - finished_sessions.session_number as age_sessions,
        case
            when instruments.valid_to <= clock.as_of then 'ended'
            when expected_sessions.session_number - finished_sessions.session_number > $stale_after_sessions then 'stale'
            else 'fresh'
        end as status,
    from instruments
    cross join clock
    inner join expected_sessions on expected_sessions.calendar = instruments.calendar
    inner join finished_sessions
        on finished_sessions.calendar = instruments.calendar
        and finished_sessions.session_date = instruments.last_session
),

last_observations as (
    select
        series_id,
        max(observation_date) as observation_date,
    from observations
    group by series_id
),

series_ages as (
    select
        last_observations.series_id as id,
        'macro' as asset_class,
        last_observations.observation_date as last_session,
        clock.as_of - series.stale_after_days as expected_session,
        clock.as_of - last_observations.observation_date as age_sessions,
        if(clock.as_of - last_observations.observation_date > series.stale_after_days, 'stale', 'fresh') as status,
    from last_observations
    cross join clock
    inner join series on series.series_id = last_observations.series_id
),

ages as (
    select * from instrument_ages
    union all
    select * from series_ages
),

final as (
    select
        id, -- The instrument or series.
        asset_class, -- equity, crypto or macro.
        last_session, -- Last final session, or last observation that is public.
        expected_session, -- Last session that was over by the run's clock; for a series the oldest date that its last observation may have.
        age_sessions, -- Sessions missing since last_session; for a series its age in days.
        status, -- fresh, stale (more than two sessions missing, or older than the series' stale_after_days) or ended (died, with the reason in the universe file).
    from ages
)

select * from final
order by asset_class, id
