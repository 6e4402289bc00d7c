-- description: Each ratio session by session: its level, its distance from its own trend, and whether it is at a year
--   high.
-- grain: pair_id, session_date
-- known_at: known_at, when the later of the two legs was known
-- slices: pair_id by intermediate.instrument_bases.instrument_id
with pairs as (
    select
        pair_id,
        numerator,
        denominator,
        price_basis,
    from core.pairs
),

-- Not materialized, so that each slice reads the prices of its own pairs only.
prices as not materialized (
    select
        instrument_id,
        session_date,
        close,
        adj_close,
        known_at,
    from intermediate.prices
),

-- Both legs have the same date. For a coin and an equity that is the coin's bar on the day of the exchange's session,
-- and Friday to Monday is one interval.
legs as (
    select
        pairs.pair_id,
        numerators.session_date,
        if(pairs.price_basis = 'total_return', numerators.adj_close, numerators.close) as numerator,
        if(pairs.price_basis = 'total_return', denominators.adj_close, denominators.close) as denominator,
        pairs.price_basis,
        greatest(numerators.known_at, denominators.known_at) as known_at,
    from pairs
    inner join prices as numerators on numerators.instrument_id = pairs.numerator
    inner join prices as denominators
        on denominators.instrument_id = pairs.denominator
        and denominators.session_date = numerators.session_date
),

ratios as (
    select
        pair_id,
        session_date,
        numerator,
        denominator,
        numerator / nullif(denominator, 0) as ratio,
        price_basis,
        known_at,
    from legs
    where numerator is not null and denominator is not null
),

measured as (
    select
        *,
        row_number() over ordered as session_number,
        avg(ratio) over trend as trend_mean,
        lag(ratio, $relative_return) over ordered as earlier_ratio,
        avg(ratio) over year as year_mean,
        stddev_samp(ratio) over year as year_deviation,
        max(ratio) over earlier_year as earlier_high,
    from ratios
    window
        ordered as (
            partition by pair_id
            order by session_date
            rows between unbounded preceding and current row
        ),
        trend as (
            partition by pair_id
            order by session_date
            rows between $mansfield_mean - 1 preceding and current row -- noqa: PRS
        ),
        year as (
            partition by pair_id
            order by session_date
            rows between $relative_zscore - 1 preceding and current row -- noqa: PRS
        ),
        earlier_year as (
            partition by pair_id
            order by session_date
            rows between $relative_zscore preceding and 1 preceding
        )
),

final as (
    select
        pair_id, -- The ratio, a row of core.pairs.
        session_date, -- Session of the pair's calendar on which both legs have a final bar.
        numerator, -- Price of the instrument in the numerator, on the price_basis [currency of the instrument].
        denominator, -- Price of the instrument in the denominator, on the price_basis [currency of the instrument].
        ratio, -- numerator / denominator.
        price_basis, -- Prices that both legs use: total_return or price.
        if(session_number >= $mansfield_mean, 100 * (ratio / nullif(trend_mean, 0) - 1), null) as mansfield_rs, -- Mansfield relative strength: distance of the ratio from its mean of $mansfield_mean sessions [%]; null while there are fewer.
        ratio / nullif(earlier_ratio, 0) - 1 as return_63, -- Change of the ratio over $relative_return sessions [fraction].
        if(
            session_number >= $relative_zscore and year_deviation > 0,
            (ratio - year_mean) / nullif(year_deviation, 0),
            null
        ) as zscore_252, -- Distance of the ratio from its mean of $relative_zscore sessions, in sample standard deviations; null while there are fewer, or if the ratio did not move.
        if(session_number > $relative_zscore, ratio > earlier_high, null) as is_high_252, -- Whether the ratio is above every value of the $relative_zscore sessions before; null while there are fewer.
        known_at, -- When the later leg could first be known, UTC.
    from measured
)

select * from final
order by pair_id, session_date
