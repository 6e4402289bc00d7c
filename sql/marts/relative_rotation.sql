-- description: Where each ratio stands at the end of each week: ahead of its own trend or behind it, gaining or losing.
-- grain: pair_id, week_end
-- known_at: known_at, when the last of the weekly closes in it was known
with pairs as (
    select
        pair_id,
        calendar,
    from core.pairs
),

ratios as (
    select
        pair_id,
        session_date,
        ratio,
        known_at,
    from marts.relative_strength
    where ratio is not null
),

-- The plan beyond the run's clock tells whether a week has another session to come.
sessions as (
    select
        calendar,
        session_date,
    from reference.sessions
),

weeks as (
    select
        calendar,
        date_trunc('week', session_date) as monday,
        max(session_date) as week_end,
    from sessions
    group by calendar, date_trunc('week', session_date)
),

weekly as (
    select
        pair_id,
        date_trunc('week', session_date) as monday,
        max(session_date) as last_session,
        arg_max(ratio, session_date) as ratio,
        arg_max(known_at, session_date) as known_at,
        min(known_at) as first_known_at,
    from ratios
    group by pair_id, date_trunc('week', session_date)
),

followed as (
    select
        weekly.*,
        weeks.week_end,
        lead(weekly.first_known_at) over (partition by weekly.pair_id order by weekly.monday) as next_known_at,
    from weekly
    inner join pairs on pairs.pair_id = weekly.pair_id
    inner join weeks
        on weeks.calendar = pairs.calendar
        and weeks.monday = weekly.monday
),

-- A week is there once its last session is. Where that one was lost, the next ratio shows that it will not come any
-- more, and the week closes with the last ratio that it has.
closes as (
    select
        pair_id,
        week_end,
        100 * ratio as strength,
        if(last_session = week_end, known_at, greatest(known_at, next_known_at)) as known_at,
    from followed
    where last_session = week_end or next_known_at is not null
),

-- What did not move has no deviation to measure by; rounding would make one up.
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
    from closes
    window
        recent as (
            partition by pair_id
            order by week_end
            rows between $rotation_weeks - 1 preceding and current row -- noqa: PRS
        ),
        -- Fourteen weeks of changes, each of a distance from fourteen weeks, and the heading from the week before.
        looked_at as (
            partition by pair_id
            order by week_end
            rows between 2 * $rotation_weeks preceding and current row -- noqa: PRS
        )
),

changes as (
    select
        *,
        rs_ratio / nullif(lag(rs_ratio) over in_order, 0) - 1 as change,
    from standings
    window in_order as (
        partition by pair_id
        order by week_end
        rows between 1 preceding and current row
    )
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
    from changes
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
        rs_ratio, -- 100 plus the distance of the weekly ratio from its 14-week mean [sample standard deviations]; null in the first 13 weeks, and while nothing moves.
        rs_momentum, -- 100 plus the distance of the last change of rs_ratio from its 14-week mean [sample standard deviations]; null in the first 27 weeks.
        case
            when rs_ratio >= 100 and rs_momentum >= 100 then 'leading'
            when rs_ratio >= 100 and rs_momentum < 100 then 'weakening'
            when rs_ratio < 100 and rs_momentum < 100 then 'lagging'
            when rs_ratio < 100 and rs_momentum >= 100 then 'improving'
        end as quadrant, -- leading (ahead and gaining), weakening (ahead and losing), lagging (behind and losing) or improving (behind and gaining).
        if(
            ratio_step != 0 or momentum_step != 0,
            degrees(atan2(momentum_step, ratio_step)),
            null
        ) as heading_deg, -- Direction of the step from the week before [degrees]: 0 is east (rs_ratio grows), 90 north (rs_momentum grows), -90 south.
        sqrt((rs_ratio - 100) * (rs_ratio - 100) + (rs_momentum - 100) * (rs_momentum - 100)) as distance, -- Distance from the centre (100, 100) [sample standard deviations]: how unusual the week was.
        known_at, -- When the last of the closes that the row is made of could be known, UTC.
    from steps
)

select * from final
order by pair_id, week_end
