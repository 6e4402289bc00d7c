-- The lead with the highest score of each signal and target, in both directions, for daily moves.
select
    signal_id,
    target_id,
    best_lag,
    correlation,
    n,
    p_value,
    q_value,
    share_by_chance,
    as_of,
from marts.lead_lag_best
where aggregation = 1
order by p_value, signal_id, target_id
