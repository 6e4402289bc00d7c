-- description: The lag at which each series leads another most closely, either way round, and whether the best of so many
--   lags would be as good by chance.
-- grain: signal_id, target_id, aggregation
-- known_at: the run's clock
-- statistic: lead_lag.best_leads(intermediate.lead_lag_nulls)
with clock as (
    select as_of from reference.clock
),

leads as (
    select
        signal_id,
        target_id,
        aggregation,
        best_lag,
        correlation,
        n,
        n_eff,
        p_value,
        share_by_chance,
        q_value,
    from computed
),

final as (
    select
        leads.signal_id, -- What leads in this row; crypto may, against a signal of marts.lead_lag.
        leads.target_id, -- What follows in this row.
        leads.aggregation, -- Sessions of the exchange in one block: 1, 5 or 21.
        leads.best_lag, -- Blocks by which the signal leads, of 1..63 (1..12, 1..3) the one with the highest score.
        leads.correlation, -- Pearson's correlation at that lag, -1 to 1.
        leads.n, -- Pairs of blocks of which both are known.
        leads.n_eff, -- Independent pairs that would swing as much.
        leads.p_value, -- Chance that the best of as many lags is as good where there is nothing, two-sided, by the spread of far-away displacements; null where there are fewer than 19.
        leads.q_value, -- p_value corrected for all rows of this table (Benjamini and Yekutieli).
        leads.share_by_chance, -- Share of all runs of as many far-away displacements whose best is as good, by counting; cannot tell small shares in a short history.
        clock.as_of, -- The day as of which the row is true.
    from leads
    cross join clock
)

select * from final
order by signal_id, target_id, aggregation
