-- description: Where each ratio stands at the end of each week: above or below its own trend, and gaining or losing.
-- grain: pair_id, week_end
-- known_at: known_at, when the last of the weekly ratios in it was known
with standings as (
    select
        pair_id,
        week_end,
        rs_ratio,
        change,
        known_at,
    from intermediate.weekly_standings
),

momentum as (
    select
        pair_id,
        week_end,
        rs_ratio,
        if(
            count(change) over recent = $rotation_weeks
            and stddev_samp(change) over recent > $rotation_least_deviation,
            100 + (change - avg(change) over recent) / nullif(stddev_samp(change) over recent, 0),
            null
        ) as rs_momentum,
        known_at,
    from standings
    window recent as (
        partition by pair_id
        order by week_end
        rows between $rotation_weeks - 1 preceding and current row -- noqa: PRS
    )
),

steps as (
    select
        *,
        rs_ratio - lag(rs_ratio) over in_order as ratio_step,
        rs_momentum - lag(rs_momentum) over in_order as momentum_step,
    from momentum
    window in_order as (
        partition by pair_id
        order by week_end
        rows between 1 preceding and current row
    )
),

final as (
    select
        pair_id, -- The ratio, a row of core.pairs.
        week_end, -- Last scheduled session of the week in the pair's calendar: Sunday for two coins, else usually Friday.
        rs_ratio, -- 100 plus the distance of the weekly ratio from its mean over $rotation_weeks weeks [sample standard deviations]; null until there are that many weeks, and while the ratio does not move.
        rs_momentum, -- 100 plus the distance of the last weekly change of rs_ratio from its mean over $rotation_weeks weeks [sample standard deviations]; null until there are that many changes.
        case
            when rs_ratio >= 100 and rs_momentum >= 100 then 'leading'
            when rs_ratio >= 100 and rs_momentum < 100 then 'weakening'
            when rs_ratio < 100 and rs_momentum < 100 then 'lagging'
            when rs_ratio < 100 and rs_momentum >= 100 then 'improving'
        end as quadrant, -- leading (above trend and gaining), weakening (above and losing), lagging (below and losing) or improving (below and gaining).
        if(
            ratio_step != 0 or momentum_step != 0,
            degrees(atan2(momentum_step, ratio_step)),
            null
        ) as heading_deg, -- Direction of the step from the week before [degrees]: 0 is east (rs_ratio grows), 90 north (rs_momentum grows), -90 south.
        sqrt((rs_ratio - 100) * (rs_ratio - 100) + (rs_momentum - 100) * (rs_momentum - 100)) as distance, -- Distance from the centre (100, 100) [sample standard deviations]; the larger, the more unusual the week.
        known_at, -- When the last of the weekly ratios in the row could first be known, UTC.
    from steps
)

select * from final
order by pair_id, week_end
