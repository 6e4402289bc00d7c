-- description: The ratio of each pair at the end of each finished week.
-- grain: pair_id, week_end
-- known_at: known_at, at the last session of the week; if that session was lost, with the next ratio
-- form: view
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

-- The calendar reaches beyond the run's clock, so it shows whether the current week has another session to come.
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

-- A week is finished once its last session has a ratio. If that session was lost, the week is finished when the next
-- week has a ratio, and closes with the last ratio it has.
final as (
    select
        pair_id, -- The ratio, a row of core.pairs.
        week_end, -- Last scheduled session of the week in the pair's calendar.
        100 * ratio as strength, -- Last ratio of the week, times 100.
        if(last_session = week_end, known_at, greatest(known_at, next_known_at)) as known_at, -- When the week was known to be finished, UTC.
    from followed
    where last_session = week_end or next_known_at is not null
)

select * from final
