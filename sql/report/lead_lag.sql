-- Correlations of the daily moves of each signal and of $target, by lag. Instruments and pairs come before series.
with correlations as (
    select
        signal_id,
        lag,
        correlation,
        n,
        n_eff,
        p_value,
        as_of,
    from marts.lead_lag
    where target_id = $target and aggregation = 1 and correlation is not null and n_eff > 0
),

series as (
    select
        series_id,
        name,
    from core.series
),

final as (
    select
        correlations.signal_id,
        coalesce(series.name, correlations.signal_id) as signal_name,
        series.name is not null as is_series,
        correlations.lag,
        correlations.correlation,
        correlations.n,
        correlations.n_eff,
        correlations.p_value,
        correlations.as_of,
    from correlations
    left join series on series.series_id = correlations.signal_id
)

select * from final
order by is_series, signal_id, lag
