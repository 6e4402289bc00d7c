-- What each ingredient of each stage says on the last session, with the name of what it looks at.
with ingredients as (
    select
        stage,
        ingredient,
        split_part(ingredient, ':', 1) as subject_id,
        split_part(ingredient, ':', 2) as measure,
        value,
        signal_date,
    from marts.cascade_ingredients
    where session_date = (select max(session_date) from marts.cascade)
),

series as (
    select
        series_id,
        name,
    from core.series
),

instruments as (
    select
        instrument_id,
        name,
    from core.instruments
),

final as (
    select
        ingredients.stage,
        ingredients.ingredient,
        coalesce(series.name, instruments.name, ingredients.subject_id) as subject,
        ingredients.measure,
        ingredients.value,
        ingredients.signal_date,
    from ingredients
    left join series on series.series_id = ingredients.subject_id
    left join instruments on instruments.instrument_id = ingredients.subject_id
)

select * from final
order by stage, ingredient
