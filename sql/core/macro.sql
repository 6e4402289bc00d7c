-- description: Macro observations, the last version that the run's clock may see.
-- grain: series_id, observation_date
-- known_at: known_at, the release by the series' rule; for a later version, when it was captured
with clock as (
    select as_of_at from reference.clock
),

observations as (
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

series as (
    select
        series_id,
        unit,
    from reference.series
),

dated as (
    select
        observations.*,
        releases.released_at,
        greatest(
            releases.released_at,
            if(observations.version > 1, observations.captured_at, null)
        ) as known_at,
    from observations
    inner join releases
        on releases.series_id = observations.series_id
        and releases.observation_date = observations.observation_date
),

final as (
    select
        dated.series_id, -- The series, a row of core.series.
        dated.observation_date, -- The day or the first day of the period that the value is about.
        dated.value, -- The value, in the series' unit.
        series.unit, -- Unit of the value; null for a series that the universe file does not have.
        dated.source, -- Where the row came from: vendor and series, or file.
        dated.known_at, -- When the row could first be known, UTC.
        if(
            dated.captured_at <= dated.released_at + to_days($vintage_days) or dated.version > 1,
            'captured',
            'assumed_lag'
        ) as vintage_quality, -- captured: seen within days of its release or as a revision; assumed_lag: seen later, and it may have been revised in between.
        dated.captured_at, -- When this version was first seen, UTC.
        dated.version, -- 1 for the first value seen, one more for each change.
    from dated
    cross join clock
    left join series on series.series_id = dated.series_id
    where dated.known_at <= clock.as_of_at
    qualify row_number() over (
        partition by dated.series_id, dated.observation_date
        order by dated.version desc
    ) = 1
)

select * from final
order by series_id, observation_date
