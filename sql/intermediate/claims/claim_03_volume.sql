-- description: Claim 3: the volume of IWM, the fund on the Russell 2000, on the day of the index's first close above
--   $article_level, against the median of the $relative_volume_sessions sessions before.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with index_levels as (
    select
        moment,
        first_close_on,
    from intermediate.claim_index_levels
),

bars as (
    select
        session_date,
        nullif(volume, 0) as volume,
    from core.bars
    where is_final and instrument_id = 'IWM'
),

volumes as (
    select
        session_date,
        volume,
        median(volume) over earlier as median_volume,
        count(volume) over earlier as known_volumes,
    from bars
    window earlier as (
        order by session_date
        rows between $relative_volume_sessions preceding and 1 preceding
    )
),

relative_volumes as (
    select
        session_date,
        volume / nullif(median_volume, 0) as relative_volume,
    from volumes
    where known_volumes >= $relative_volume_known
),

final as (
    select
        3 as claim_id, -- Number of the claim.
        'volume' as part, -- Part of the claim.
        index_levels.moment, -- article.
        printf(
            '%.2f times the median on %s',
            relative_volumes.relative_volume,
            index_levels.first_close_on::varchar
        ) as measured, -- What was measured, in words; null if the volume is not known.
        printf('at least %.1f times', $heavy_volume) as expected, -- What the claim says it should be.
        relative_volumes.relative_volume >= $heavy_volume as agrees, -- Whether the volume was heavy; null if it is not known.
    from index_levels
    left join relative_volumes on relative_volumes.session_date = index_levels.first_close_on
)

select * from final
order by claim_id, part, moment
