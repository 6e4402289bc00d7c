-- description: The correlation of the moves of each signal with those of each target at every lag, in both directions.
-- grain: signal_id, target_id, aggregation, lag
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

lead_lag_nulls as (
    select
        signal_id,
        target_id,
        aggregation,
        lag,
        correlation,
        n,
        n_eff,
        p_value,
    from intermediate.lead_lag_nulls
),

final as (
    select
        lead_lag_nulls.signal_id, -- The series that may lead: instrument, pair, macro series or net_liquidity.
        lead_lag_nulls.target_id, -- The series that may follow: instrument, basket, or ALTSEASON for the altseason index.
        lead_lag_nulls.aggregation, -- Sessions of the exchange in one block: 1, $lag_week or $lag_month.
        lead_lag_nulls.lag, -- Blocks from the signal's move to the target's; above 0 the signal leads, below 0 the target leads, at 0 both moves have the same date.
        lead_lag_nulls.correlation, -- Pearson's correlation of the volatility-scaled moves, -1 to 1; null under $lag_least_pairs pairs or if one side never moved.
        lead_lag_nulls.n, -- Pairs of blocks in which both moves are known; gaps and the lag reduce the number.
        lead_lag_nulls.n_eff, -- Effective number of independent pairs, from the autocorrelation of both series; above n if the autocorrelations have opposite signs.
        lead_lag_nulls.p_value, -- Share of far-away displacements of one series against the other whose score is at least as high, two-sided, for this lag alone; marts.lead_lag_best corrects for the number of lags.
        clock.as_of, -- The day as of which the row is true.
    from lead_lag_nulls
    cross join clock
)

select * from final
order by signal_id, target_id, aggregation, lag
