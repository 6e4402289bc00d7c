-- description: Every version of every macro observation, with when it could first be known.
-- grain: series_id, observation_date, version
-- known_at: the run's clock
with observations as (
    select
        series_id,
        observation_date,
        value,
        source,
        captured_at,
        version,
    from raw.macro_observations
),

releases as (
    select
        series_id,
        observation_date,
        released_at,
    from reference.releases
),

captures as (
    select
        series_id,
        captured_at,
        min(observation_date) as first_date,
        max(observation_date) as last_date,
    from observations
    group by series_id, captured_at
),

known_spans as (
    select
        series_id,
        captured_at,
        captured_at - to_days($vintage_days) as vintage_from,
        min(first_date) over earlier as first_date,
        max(last_date) over earlier as last_date,
    from captures
    window earlier as (
        partition by series_id
        order by captured_at
        rows between unbounded preceding and 1 preceding
    )
),

dated as (
    select
        observations.*,
        releases.released_at,
        known_spans.vintage_from,
        -- An observation that arrived after newer ones.
        coalesce(
            observations.version = 1
            and observations.observation_date > known_spans.first_date
            and observations.observation_date < known_spans.last_date,
            false
        ) as is_late,
    from observations
    inner join releases
        on releases.series_id = observations.series_id
        and releases.observation_date = observations.observation_date
    inner join known_spans
        on known_spans.series_id = observations.series_id
        and known_spans.captured_at = observations.captured_at
),

final as (
    select
        series_id, -- The series.
        observation_date, -- The day, or the first day of the period, that the value is about.
        value, -- The value.
        source, -- Where the row came from.
        captured_at, -- When this version was first seen.
        version, -- Version number: 1 for the first value seen, plus one for each change.
        released_at, -- When the observation became public by its series' rule.
        is_late, -- Whether it arrived after newer observations.
        if(
            released_at >= vintage_from or version > 1 or is_late,
            'captured',
            'assumed_lag'
        ) as vintage_quality, -- captured: seen within $vintage_days days of its release, or dated by its capture (later versions, late observations); assumed_lag: seen later but dated by its release, so it may have been revised before.
        greatest(released_at, if(version > 1 or is_late, captured_at, null)) as known_at, -- When the version could first be known.
    from dated
)

select * from final
order by series_id, observation_date, version
