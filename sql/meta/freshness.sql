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

releases as (
    select
        releases.series_id,
        releases.observation_date,
        releases.released_at,
    from reference.releases
    cross join clock
    where releases.released_at <= clock.as_of_at
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
        coalesce(gap_counts.missing_sessions, 0) as missing_sessions,
    from instruments
    cross join clock
    left join gap_counts on gap_counts.instrument_id = instruments.instrument_id
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

missed_releases as (
    select
        last_observations.series_id,
        count(releases.observation_date) as missed,
        min(releases.released_at) as first_missed_at,
        max(releases.observation_date) as expected_session,
    from last_observations
    left join releases
        on releases.series_id = last_observations.series_id
        and releases.observation_date > last_observations.observation_date
    group by last_observations.series_id
),

series_ages as (
    select
        last_observations.series_id as id,
        'macro' as asset_class,
        last_observations.observation_date as last_session,
        coalesce(missed_releases.expected_session, last_observations.observation_date) as expected_session,
        missed_releases.missed as age_sessions,
        if(
            missed_releases.first_missed_at + to_days($release_grace_days) < clock.as_of_at
            or clock.as_of - last_observations.observation_date > series.stale_after_days,
            'stale',
            'fresh'
        ) as status,
        null::bigint as missing_sessions,
    from last_observations
    cross join clock
    inner join missed_releases on missed_releases.series_id = last_observations.series_id
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
        expected_session, -- Last session that was over, or last observation that was due, by the run's clock.
        age_sessions, -- Sessions or observations missing since last_session.
        status, -- fresh, stale (more than two sessions missing, or a release missed by more than three days, or older than the series' stale_after_days) or ended (died, with the reason in the universe file).
        missing_sessions, -- Sessions missing between the first and the last bar, each a row of meta.gaps; null for a series.
    from ages
)

select * from final
order by asset_class, id
