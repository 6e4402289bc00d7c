-- description: Claim 20: what six risk assets returned in the 90 days after each all-time-high breakout of the Russell 2000.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with assets as (
    select unnest(['SPX', 'QQQ', 'HYG', 'BTC', 'ETH', 'ALTS']) as target_id
),

rotation as (
    select
        target_id,
        n_episodes,
        excess_mean,
        p_value,
    from marts.rotation_summary
    where signal_id = 'RUT:all_time_high:decided'
        and horizon_days = 90
        and n_episodes > 0
        and target_id in (select assets.target_id from assets)
),

specification_grid as (
    select excess_mean
    from marts.specification_grid
    where horizon_days = 90
        and excess_mean is not null
        and target_id in (select assets.target_id from assets)
),

advances as (
    select
        string_agg(printf('%s %+.1f %%', target_id, 100 * excess_mean), ', ' order by excess_mean desc) as measured,
        min(n_episodes) as n,
        max(p_value) as p_value,
        bool_and(coalesce(excess_mean > 0, false)) as agrees,
    from rotation
),

specifications as (
    select
        count(*) as specifications,
        count_if(excess_mean > 0) as specifications_agreeing,
    from specification_grid
),

final as (
    select
        20 as claim_id, -- Number of the claim.
        'advance' as part, -- Part of the claim.
        'clock' as moment, -- clock: the evidence is as of the run's clock.
        advances.measured, -- What was measured, in words; null if there were no episodes.
        if(advances.n > 0, 'each above 0 %', null) as expected, -- What the claim says it should be.
        advances.n, -- Episodes of the asset that has fewest.
        advances.p_value, -- Two-sided p of the least certain asset.
        advances.agrees, -- Whether each did better than its baseline.
        specifications.specifications, -- Specifications of a breakout and an asset that have an answer.
        specifications.specifications_agreeing, -- Those in which the asset did better than its baseline.
    from advances
    cross join specifications
    where advances.n > 0 or specifications.specifications > 0
)

select * from final
order by claim_id, part, moment
