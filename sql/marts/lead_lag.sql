-- description: How closely the moves of each signal go with those of each target so many sessions earlier or later.
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
        lead_lag_nulls.signal_id, -- What may lead: instrument, pair, macro series or net_liquidity.
        lead_lag_nulls.target_id, -- What may follow: instrument, basket or ALTSEASON, the altseason index.
        lead_lag_nulls.aggregation, -- Sessions of the exchange in one block: 1, 5 or 21.
        lead_lag_nulls.lag, -- Blocks from the signal's move to the target's; above 0 the signal leads, below 0 the target does, at 0 both are of the same date.
        lead_lag_nulls.correlation, -- Pearson's correlation of the volatility-scaled moves, -1 to 1; null under 30 pairs or where one side never moved.
        lead_lag_nulls.n, -- Pairs of blocks of which both are known; what gaps and the lag take away is missing.
        lead_lag_nulls.n_eff, -- Independent pairs that would swing as much, by the autocorrelation of both; above n where neighbours repel each other.
        lead_lag_nulls.p_value, -- Share of far-away displacements of one series against the other with as high a score, two-sided, for this lag alone; marts.lead_lag_best corrects for having looked at many.
        clock.as_of, -- The day as of which the row is true.
    from lead_lag_nulls
    cross join clock
)

select * from final
order by signal_id, target_id, aggregation, lag
