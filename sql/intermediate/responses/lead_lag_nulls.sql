-- description: The correlation of each signal with each target at every lag, tested against far-away displacements, and
--   the best lag of either direction.
-- grain: signal_id, target_id, aggregation, lag
-- known_at: the run's clock
-- statistic: lead_lag.every_lag(intermediate.lagged_changes, reference.lagged_series)
with final as (
    select
        signal_id, -- What may lead.
        target_id, -- What may follow.
        aggregation, -- Sessions of the exchange in one block.
        lag, -- Blocks from the signal's change to the target's; above 0 the signal leads.
        correlation, -- Pearson's correlation of the scaled changes, -1 to 1; null under $lag_least_pairs pairs or if one side never moved.
        n, -- Pairs of blocks in which both changes are known.
        n_eff, -- Effective number of independent pairs, from the autocorrelation of both series.
        p_value, -- Share of far-away displacements with a score at least as high, for this lag alone.
        is_best, -- Whether its score is the highest of the lags of its direction, 1 to $lead_reach sessions.
        best_p_value, -- Probability that the best of as many lags scores as high if neither series leads; null unless is_best.
        share_by_chance, -- Share of all runs of as many far-away displacements whose best score is at least as high; null unless is_best.
    from computed
)

select * from final
order by signal_id, target_id, aggregation, lag
