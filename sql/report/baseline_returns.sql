-- The returns of $target from every day of its history, by horizon: the median, and the quantiles $tail and 1 - $tail.
-- A target without bars is the index behind the ratio to Bitcoin.
with horizons as (
    select distinct horizon_days
    from marts.rotation_summary
    where target_id = $target
),

instruments as (
    select
        instrument_id,
        reconstructed_before,
    from core.instruments
    where instrument_id = $target
),

bars as (
    select
        instrument_id,
        session_date,
        return_price as price,
    from core.bars
    where instrument_id = $target and is_final
),

own_bars as (
    select
        bars.session_date,
        bars.price,
    from bars
    inner join instruments on instruments.instrument_id = bars.instrument_id
    where instruments.reconstructed_before is null or bars.session_date >= instruments.reconstructed_before
),

index_levels as (
    select
        session_date,
        numerator as price,
    from marts.relative_strength
    where pair_id = $target || '/BTC' and $target not in (select instrument_id from core.bars)
),

prices as (
    select * from own_bars
    union all
    select * from index_levels
),

returns as (
    select
        horizons.horizon_days,
        later.price / nullif(prices.price, 0) - 1 as forward_return,
    from horizons
    cross join prices
    inner join prices as later on later.session_date = prices.session_date + horizons.horizon_days
),

final as (
    select
        horizon_days,
        count(*) as days,
        quantile_cont(forward_return, $tail) as low,
        median(forward_return) as middle,
        quantile_cont(forward_return, 1 - $tail) as high,
    from returns
    where forward_return is not null
    group by horizon_days
)

select * from final
order by horizon_days
