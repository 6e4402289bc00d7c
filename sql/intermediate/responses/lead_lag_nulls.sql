-- description: How closely the moves of each signal go with those of each target so many sessions earlier or later, and
--   which lag is the best of either direction.
-- grain: signal_id, target_id, aggregation, lag
-- known_at: the run's clock
-- statistic: lead_lag.every_lag(intermediate.lagged_changes, reference.lagged_series)
with final as (
    select
        signal_id, -- What may lead.
        target_id, -- What may follow.
        aggregation, -- Sessions of the exchange in one block.
        lag, -- Blocks from the signal's move to the target's.
        correlation, -- Pearson's correlation of the volatility-scaled moves; null under 30 pairs or where one side never moved.
        n, -- Pairs of blocks of which both are known.
        n_eff, -- Independent pairs that would swing as much.
        p_value, -- Share of far-away displacements with as high a score, for this lag alone.
        is_best, -- Whether its score is the highest of those of one direction that are looked at.
        best_p_value, -- Chance that the best of as many lags is as good where there is nothing; null unless it is the best.
        share_by_chance, -- Share of all runs of as many far-away displacements whose best is as good; null unless it is the best.
    from computed
)

select * from final
order by signal_id, target_id, aggregation, lag
