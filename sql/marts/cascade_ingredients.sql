-- description: Why a stage of the cascade is on or off: the value of each of its ingredients, as known at the close of
--   the exchange.
-- grain: session_date, stage, ingredient
-- known_at: known_at, the close of the session
with clock as (
    select as_of_at from reference.clock
),

ingredients as (
    select
        stage,
        stage_name,
        ingredient,
        subject_id,
        measure,
    from reference.ingredients
),

sessions as (
    select
        session_date,
        closes_at,
    from core.sessions
    where calendar = 'XNYS'
),

-- Answers that were the latest when they became known. A correction of an earlier session does not change the latest
-- one.
answers as (
    select
        subject_id,
        measure,
        session_date,
        measured,
        threshold,
        is_met,
        known_at,
    from intermediate.ingredient_values
    qualify session_date = max(session_date) over (
        partition by subject_id, measure
        order by known_at, session_date
        rows between unbounded preceding and current row
    )
),

first_answers as (
    select
        subject_id,
        measure,
        min(known_at) as known_at,
    from answers
    where is_met is not null
    group by subject_id, measure
),

asked as (
    select
        ingredients.*,
        sessions.session_date,
        sessions.closes_at,
    from ingredients
    inner join first_answers
        on first_answers.subject_id = ingredients.subject_id
        and first_answers.measure = ingredients.measure
    inner join sessions on sessions.closes_at >= first_answers.known_at
    cross join clock
    where sessions.closes_at <= clock.as_of_at
),

answered as (
    select
        asked.*,
        answers.session_date as signal_date,
        answers.measured,
        answers.threshold,
        answers.is_met,
        answers.session_date >= asked.session_date - $signal_age_days as is_fresh,
    from asked
    asof join answers
        on answers.subject_id = asked.subject_id
        and answers.measure = asked.measure
        and answers.known_at <= asked.closes_at
),

final as (
    select
        session_date, -- Session of the exchange, from the first one at which the ingredient was known.
        stage, -- Place of the stage in the order, from 1 for the safest.
        stage_name, -- funding, equities, small_caps, crypto_majors or altcoins.
        ingredient, -- subject:measure, as in the universe file.
        if(is_fresh, is_met::integer, null) as value, -- 1 if the ingredient is met, 0 if not [yes or no]; null if unknown, or if the last answer is more than $signal_age_days days old.
        if(is_fresh, measured, null) as measured, -- The number that is compared [unit of its source].
        if(is_fresh, threshold, null) as threshold, -- What it is compared with [unit of measured].
        signal_date, -- Session of the ingredient's own calendar that gave the last answer; for coins the UTC day before, since the current one is not over at the close.
        closes_at as known_at, -- The close, UTC.
    from answered
)

select * from final
order by session_date, stage, ingredient
