-- Returns of three targets after an all-time high of the Russell 2000, with the mean return from any day as baseline.
with summary as (
    select
        target_id,
        horizon_days,
        n_episodes,
        mean_return,
        median_return,
        hit_rate,
        baseline_mean,
        evidence,
    from marts.rotation_summary
    where
        signal_id = 'RUT:all_time_high:decided'
        and target_id in ('BTC', 'ETH', 'SPX')
        and horizon_days in (30, 60, 90)
)

select
    horizon_days,
    target_id,
    n_episodes,
    mean_return,
    median_return,
    hit_rate,
    baseline_mean,
    evidence,
from summary
order by target_id, horizon_days
