-- description: The lag at which one series leads another most strongly, in either direction, and how likely the best of so
--   many lags is as strong by chance.
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
        leads.signal_id, -- The leading series of this row; it can be a target of marts.lead_lag.
        leads.target_id, -- The following series of this row.
        leads.aggregation, -- Sessions of the exchange in one block: 1, $lag_week or $lag_month.
        leads.best_lag, -- Blocks by which the signal leads: the lag with the highest score of those up to $lead_reach sessions.
        leads.correlation, -- Pearson's correlation at that lag, -1 to 1.
        leads.n, -- Pairs of blocks in which both moves are known.
        leads.n_eff, -- Effective number of independent pairs, from the autocorrelation of both series.
        leads.p_value, -- Probability that the best of as many lags scores as high if neither series leads, two-sided, from the spread of far-away displacements; null if there are fewer than $lag_least_shifts.
        leads.q_value, -- p_value corrected for all rows of this table (Benjamini and Yekutieli 2001).
        leads.share_by_chance, -- Share of all runs of as many far-away displacements whose best score is at least as high. A count like this cannot resolve small shares in a short history.
        clock.as_of, -- The day as of which the row is true.
    from leads
    cross join clock
)

select * from final
order by signal_id, target_id, aggregation
