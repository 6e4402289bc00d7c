-- description: What each ingredient of the cascade says, on the clock of what it is made of.
-- grain: subject_id, measure, session_date
-- known_at: known_at
with ingredients as (
    select distinct
        subject_id,
        measure,
    from reference.ingredients
),

liquidity as (
    select
        session_date,
        change_91d_musd,
        known_at,
    from marts.liquidity
),

-- Stale values and those of hindsight are unknown.
macro_at_close as (
    select
        series_id,
        session_date,
        if(is_stale or is_hindsight, null, value) as value,
        closes_at as known_at,
    from intermediate.macro_at_close
),

prices as (
    select
        instrument_id,
        session_date,
        signal_price,
        known_at,
    from intermediate.prices
    where signal_price is not null
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

breadth as (
    select
        group_id,
        session_date,
        share_above_sma200,
        known_at,
    from marts.breadth
),

altseason as (
    select
        session_date,
        index_pct,
        known_at,
    from marts.altseason
),

spreads as (
    select
        *,
        count(value) over half_year as known_values,
        avg(value) over half_year as mean_value,
    from macro_at_close
    where series_id in (
        select subject_id from ingredients
        where measure = 'below_mean'
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
        select subject_id from ingredients
        where measure = 'near_policy_rate'
    )
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
    where instrument_id in (select subject_id from ingredients)
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

-- Quotes have hundredths, so that they do stand at their mean or at a margin; rounding keeps the last binary digit from
-- deciding.
answers as (
    select
        'net_liquidity' as subject_id,
        'rises' as measure,
        session_date,
        change_91d_musd as measured,
        0 as threshold,
        change_91d_musd > 0 as is_met,
        known_at,
    from liquidity
    union all
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
    union all
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
    union all
    select
        group_id as subject_id,
        'half_above_mean' as measure,
        session_date,
        share_above_sma200 as measured,
        $half_of_members as threshold,
        share_above_sma200 >= $half_of_members as is_met,
        known_at,
    from breadth
    union all
    select
        'altcoins' as subject_id,
        'half_beat_bitcoin' as measure,
        session_date,
        index_pct as measured,
        $half_of_altcoins as threshold,
        index_pct >= $half_of_altcoins as is_met,
        known_at,
    from altseason
),

final as (
    select
        answers.subject_id, -- Instrument, pair, series, group, net_liquidity or altcoins.
        answers.measure, -- What is asked of it.
        answers.session_date, -- Session of its own calendar.
        if(answers.is_met is null, null, answers.measured) as measured, -- The number that is looked at; null where the answer is.
        if(answers.is_met is null, null, answers.threshold) as threshold, -- What it is compared with.
        answers.is_met, -- The answer; null while it is unknown.
        answers.known_at, -- When it could first be known, UTC.
    from answers
    inner join ingredients
        on ingredients.subject_id = answers.subject_id
        and ingredients.measure = answers.measure
)

select * from final
order by subject_id, measure, session_date
