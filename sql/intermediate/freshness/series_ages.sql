-- description: How old each macro series' last observation is, counted in releases missed.
-- grain: id
-- known_at: the run's clock
-- form: view
with clock as (
    select
        as_of,
        as_of_at,
    from reference.clock
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

final as (
    select
        last_observations.series_id as id, -- The series.
        last_observations.observation_date as last_session, -- Its last public observation.
        coalesce(missed_releases.expected_session, last_observations.observation_date) as expected_session, -- Last observation due.
        missed_releases.missed as age_sessions, -- Observations that were due since.
        if(
            missed_releases.first_missed_at + to_days($release_grace_days) < clock.as_of_at
            or clock.as_of - last_observations.observation_date > series.stale_after_days,
            'stale',
            'fresh'
        ) as status, -- fresh or stale.
    from last_observations
    cross join clock
    inner join missed_releases on missed_releases.series_id = last_observations.series_id
    inner join series on series.series_id = last_observations.series_id
)

select * from final
