-- Per series, the first observation to fetch again. A series that every release restates is left out.
-- Value: refresh_sessions, the number of observations to fetch again.
with restated as (
    select series_id
    from reference.series
    where is_restated
),

dates as (
    select distinct
        observed.series_id,
        observed.observation_date
    from $raw_table as observed
    left join restated on restated.series_id = observed.series_id
    where restated.series_id is null
)

select
    series_id,
    observation_date
from dates
qualify row_number() over (
    partition by series_id
    order by observation_date desc
) = $refresh_sessions
