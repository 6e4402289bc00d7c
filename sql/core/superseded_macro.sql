-- description: Earlier versions of macro observations that a later one known as of the run replaced. Together with
--   core.macro they are every version.
-- grain: series_id, observation_date, version
-- known_at: known_at, the release by the series' rule; for a later version or a late observation, when it was captured
with macro as (
    select
        series_id,
        observation_date,
        unit,
        version,
    from core.macro
    where version > 1
),

versions as (
    select
        series_id,
        observation_date,
        value,
        source,
        captured_at,
        version,
        known_at,
    from intermediate.macro_versions
),

final as (
    select
        versions.series_id, -- The series, a row of core.series.
        versions.observation_date, -- The day, or the first day of the period, that the value is about.
        versions.value, -- The value that was replaced [as in the column unit].
        macro.unit, -- Unit of the value.
        versions.source, -- Where the row came from: vendor and series, or file.
        versions.known_at, -- When the version could first be known, UTC.
        versions.captured_at, -- When it was first seen, UTC.
        versions.version, -- Version number: 1 for the first value seen, plus one for each change.
    from versions
    inner join macro
        on macro.series_id = versions.series_id
        and macro.observation_date = versions.observation_date
        and macro.version > versions.version
)

select * from final
order by series_id, observation_date, version
