-- description: What each ingredient of the cascade says, session by session of its own calendar.
-- grain: subject_id, measure, session_date
-- known_at: known_at
with ingredients as (
    select distinct
        subject_id,
        measure,
    from reference.ingredients
),

macro_ingredients as (
    select
        subject_id,
        measure,
        session_date,
        measured,
        threshold,
        is_met,
        known_at,
    from intermediate.macro_ingredients
),

price_ingredients as (
    select
        subject_id,
        measure,
        session_date,
        measured,
        threshold,
        is_met,
        known_at,
    from intermediate.price_ingredients
),

market_ingredients as (
    select
        subject_id,
        measure,
        session_date,
        measured,
        threshold,
        is_met,
        known_at,
    from intermediate.market_ingredients
),

answers as (
    select * from macro_ingredients
    union all
    select * from price_ingredients
    union all
    select * from market_ingredients
),

final as (
    select
        answers.subject_id, -- Instrument, pair, series, group, net_liquidity or altcoins.
        answers.measure, -- The condition it is checked for, as in the universe file.
        answers.session_date, -- Session of its own calendar.
        if(answers.is_met is null, null, answers.measured) as measured, -- The number that is compared; null if is_met is null.
        if(answers.is_met is null, null, answers.threshold) as threshold, -- What it is compared with; null if is_met is null.
        answers.is_met, -- Whether the ingredient is met; null if unknown.
        answers.known_at, -- When that could first be known, UTC.
    from answers
    inner join ingredients
        on ingredients.subject_id = answers.subject_id
        and ingredients.measure = answers.measure
)

select * from final
order by subject_id, measure, session_date
