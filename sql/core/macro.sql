-- description: Macro observations, in the latest version known as of the run.
-- grain: series_id, observation_date
-- known_at: known_at, the release by the series' rule; for a later version or a late observation, when it was captured
with clock as (
    select as_of_at from reference.clock
),

versions as (
    select
        series_id,
        observation_date,
        value,
        source,
        captured_at,
        version,
        vintage_quality,
        known_at,
    from intermediate.macro_versions
),

series as (
    select
        series_id,
        unit,
    from reference.series
),

newer_versions as (
    select
        series_id,
        observation_date,
        version,
    from versions
    cross join clock
    where version > 1 and known_at <= as_of_at
),

final as (
    select
        versions.series_id, -- The series, a row of core.series.
        versions.observation_date, -- The day, or the first day of the period, that the value is about.
        versions.value, -- The value [as in the column unit].
        series.unit, -- Unit of the value; null if the universe file does not list the series.
        versions.source, -- Where the row came from: vendor and series, or file.
        versions.known_at, -- When the row could first be known, UTC.
        versions.vintage_quality, -- captured: seen within $vintage_days days of its release, or dated by its capture (later versions, late observations); assumed_lag: seen later but dated by its release, so it may have been revised before.
        versions.captured_at, -- When this version was first seen, UTC.
        versions.version, -- Version number: 1 for the first value seen, plus one for each change.
    from versions
    cross join clock
    left join series on series.series_id = versions.series_id
    where versions.known_at <= clock.as_of_at
        and not exists (
            select 1 from newer_versions
            where newer_versions.series_id = versions.series_id
                and newer_versions.observation_date = versions.observation_date
                and newer_versions.version > versions.version
        )
)

select * from final
order by series_id, observation_date
