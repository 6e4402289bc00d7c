-- What $target did after every signal, at every horizon.
select
    signal_id,
    horizon_days,
    n_episodes,
    mean_return,
    baseline_mean,
    excess_mean,
    q_value,
    evidence,
    as_of,
from marts.rotation_summary
where target_id = $target
order by signal_id, horizon_days
