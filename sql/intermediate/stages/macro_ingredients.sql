-- description: What each macro series says that is an ingredient of the cascade, at each close of the exchange.
-- grain: subject_id, measure, session_date
-- known_at: known_at
-- form: view
with ingredients as (
    select distinct
        subject_id,
        measure,
    from reference.ingredients
),

-- A stale value counts as unknown. So does one known only from a later revision.
macro_at_close as (
    select
        series_id,
        session_date,
        if(is_stale or is_hindsight, null, value) as value,
        closes_at as known_at,
    from intermediate.macro_at_close
),

spreads as (
    select
        *,
        count(value) over half_year as known_values,
        avg(value) over half_year as mean_value,
    from macro_at_close
    where series_id in (
        select ingredients.subject_id from ingredients
        where ingredients.measure = 'below_mean'
    )
    window half_year as (
        partition by series_id, value is null
        order by session_date
        rows between $spread_mean - 1 preceding and current row -- noqa: PRS
    )
),

premiums as (
    select
        rates.series_id,
        rates.session_date,
        rates.value - policy.value as premium,
        rates.known_at,
    from macro_at_close as rates
    inner join macro_at_close as policy
        on policy.series_id = 'DFF'
        and policy.session_date = rates.session_date
    where rates.series_id in (
        select ingredients.subject_id from ingredients
        where ingredients.measure = 'near_policy_rate'
    )
),

-- Quotes have two decimals, so a value can equal its mean or the margin exactly. Rounding keeps the last binary digit
-- from deciding.
answers as (
    select
        series_id as subject_id,
        'below_mean' as measure,
        session_date,
        value as measured,
        mean_value as threshold,
        if(known_values = $spread_mean, round(value - mean_value, 9) < 0, null) as is_met,
        known_at,
    from spreads
    union all
    select
        series_id as subject_id,
        'near_policy_rate' as measure,
        session_date,
        premium as measured,
        $funding_margin as threshold,
        round(premium - $funding_margin, 9) <= 0 as is_met,
        known_at,
    from premiums
    union all
    select
        series_id as subject_id,
        'below_zero' as measure,
        session_date,
        value as measured,
        0 as threshold,
        value < 0 as is_met,
        known_at,
    from macro_at_close
),

final as (
    select
        subject_id, -- The series.
        measure, -- below_mean (of $spread_mean known values), near_policy_rate (at most $funding_margin above the federal funds rate) or below_zero.
        session_date, -- Session of the exchange.
        measured, -- The series' value, or its distance from the federal funds rate.
        threshold, -- What it is compared with.
        is_met, -- Whether the ingredient is met; null if unknown.
        known_at, -- The close, UTC.
    from answers
)

select * from final
