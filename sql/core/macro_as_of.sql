-- description: The macro observations as they were known at an instant. Example:
--   from core.macro_as_of('2024-03-07 21:30:00+00').
-- grain: series_id, observation_date
-- known_at: known_at, the release by the series' rule, or when a revision or late observation was captured
-- form: macro
with current_macro as (
    select
        series_id,
        observation_date,
        value,
        unit,
        source,
        known_at,
        captured_at,
        version,
    from core.macro
),

superseded_macro as (
    select
        series_id,
        observation_date,
        value,
        unit,
        source,
        known_at,
        captured_at,
        version,
    from core.superseded_macro
),

versions as (
    select * from current_macro
    union all
    select * from superseded_macro
),

final as (
    select
        series_id, -- The series.
        observation_date, -- The day, or the first day of the period, that the value is about.
        value, -- The value [as in the column unit].
        unit, -- Its unit.
        source, -- Where the row came from.
        known_at, -- When the version could first be known, UTC.
        captured_at, -- When it was first seen, UTC.
        version, -- Version number: 1 for the first value seen, plus one for each change.
        captured_at > as_of_at::timestamptz as is_assumed, -- Whether the row was captured after the instant, so that its first version stands in for what was known then.
    from versions
    where known_at <= as_of_at::timestamptz
    qualify row_number() over (partition by series_id, observation_date order by version desc) = 1
)

select * from final
