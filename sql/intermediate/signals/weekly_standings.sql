-- description: How far each pair's weekly ratio stands from its own mean, and how that changed from the week before.
-- grain: pair_id, week_end
-- known_at: known_at, when the last of the weekly ratios in it was known
-- form: view
with weekly_ratios as (
    select
        pair_id,
        week_end,
        strength,
        known_at,
    from intermediate.weekly_ratios
),

-- A ratio that did not move has no deviation to measure by; without the limit, rounding would produce one.
standings as (
    select
        pair_id,
        week_end,
        if(
            count(*) over recent = $rotation_weeks
            and stddev_samp(strength) over recent > $rotation_least_deviation * avg(strength) over recent,
            100 + (strength - avg(strength) over recent) / nullif(stddev_samp(strength) over recent, 0),
            null
        ) as rs_ratio,
        max(known_at) over looked_at as known_at,
    from weekly_ratios
    window
        recent as (
            partition by pair_id
            order by week_end
            rows between $rotation_weeks - 1 preceding and current row -- noqa: PRS
        ),
        -- Momentum needs $rotation_weeks changes of rs_ratio, which itself looks back $rotation_weeks weeks. The
        -- heading needs one week more.
        looked_at as (
            partition by pair_id
            order by week_end
            rows between 2 * $rotation_weeks preceding and current row -- noqa: PRS
        )
),

final as (
    select
        pair_id, -- The ratio, a row of core.pairs.
        week_end, -- Last scheduled session of the week in the pair's calendar.
        rs_ratio, -- 100 plus the distance of the weekly ratio from its mean over $rotation_weeks weeks [sample standard deviations].
        rs_ratio / nullif(lag(rs_ratio) over in_order, 0) - 1 as change, -- Change of rs_ratio from the week before [fraction].
        known_at, -- When the last of the weekly ratios could first be known, UTC.
    from standings
    window in_order as (
        partition by pair_id
        order by week_end
        rows between 1 preceding and current row
    )
)

select * from final
