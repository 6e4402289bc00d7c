-- description: What each price and ratio says that is an ingredient of the cascade, on the sessions of its own
--   calendar.
-- grain: subject_id, measure, session_date
-- known_at: known_at
-- form: view
with ingredients as (
    select distinct subject_id
    from reference.ingredients
),

prices as (
    select
        instrument_id,
        session_date,
        signal_price,
        known_at,
    from intermediate.prices
    where signal_price is not null
        and instrument_id in (select ingredients.subject_id from ingredients)
),

relative_strength as (
    select
        pair_id,
        session_date,
        mansfield_rs,
        return_63,
        known_at,
    from marts.relative_strength
),

trends as (
    select
        instrument_id,
        session_date,
        signal_price,
        avg(signal_price) over short_trend as short_mean,
        if(count(*) over long_trend = $long_mean, avg(signal_price) over long_trend, null) as long_mean,
        known_at,
    from prices
    window
        short_trend as (
            partition by instrument_id
            order by session_date
            rows between $short_mean - 1 preceding and current row -- noqa: PRS
        ),
        long_trend as (
            partition by instrument_id
            order by session_date
            rows between $long_mean - 1 preceding and current row -- noqa: PRS
        )
),

-- Prices have two decimals, so a price can equal its mean exactly. Rounding keeps the last binary digit from deciding.
answers as (
    select
        instrument_id as subject_id,
        'price_above_mean' as measure,
        session_date,
        signal_price as measured,
        long_mean as threshold,
        round(signal_price / nullif(long_mean, 0), 9) > 1 as is_met,
        known_at,
    from trends
    union all
    select
        instrument_id as subject_id,
        'mean_above_mean' as measure,
        session_date,
        short_mean as measured,
        long_mean as threshold,
        round(short_mean / nullif(long_mean, 0), 9) > 1 as is_met,
        known_at,
    from trends
    union all
    select
        pair_id as subject_id,
        'ratio_above_mean' as measure,
        session_date,
        mansfield_rs as measured,
        0 as threshold,
        round(mansfield_rs, 9) > 0 as is_met,
        known_at,
    from relative_strength
    union all
    select
        pair_id as subject_id,
        'ratio_rises' as measure,
        session_date,
        return_63 as measured,
        0 as threshold,
        return_63 > 0 as is_met,
        known_at,
    from relative_strength
),

final as (
    select
        subject_id, -- The instrument or pair.
        measure, -- price_above_mean (of $long_mean sessions), mean_above_mean ($short_mean sessions over $long_mean), ratio_above_mean or ratio_rises.
        session_date, -- Session of the subject's own calendar.
        measured, -- The number that is compared.
        threshold, -- What it is compared with.
        is_met, -- Whether the ingredient is met; null if unknown.
        known_at, -- When that could first be known, UTC.
    from answers
)

select * from final
