-- description: The macro series of the universe file.
-- grain: series_id
-- known_at: the run's clock
with series as (
    select
        series_id,
        name,
        unit,
        frequency,
        release_rule,
        stale_after_days,
        is_restated,
    from reference.series
),

final as (
    select
        series_id, -- FRED's id of the series, if FRED has it.
        name, -- What it measures.
        unit, -- Unit of its values.
        frequency, -- daily, weekly or monthly.
        release_rule, -- When a value becomes public, New York time; a release that falls on a holiday moves to the next business day.
        stale_after_days, -- Days after an observation until a newer one is due.
        is_restated, -- Whether every release revises the whole history, so that scores use captured vintages only.
    from series
)

select * from final
order by series_id
