-- The breakouts of the instrument or pair $subject, newest first, each with the days on which its states were decided.
with breakouts as (
    select
        event_id,
        subject_id,
        kind,
        session_date,
        level,
        level_date,
        close,
        margin,
        is_left_censored,
        relative_volume,
        breadth_sma200,
        status,
        closes_below_20,
        max_drawdown_63,
    from marts.breakouts
    where subject_id = $subject
),

states as (
    select
        event_id,
        state,
        session_date,
    from marts.breakout_states
),

histories as (
    select
        event_id,
        string_agg(state || ' ' || session_date, ', ' order by session_date, state) as history,
    from states
    group by event_id
),

final as (
    select
        breakouts.*,
        histories.history,
    from breakouts
    left join histories on histories.event_id = breakouts.event_id
)

select * from final
order by session_date desc, kind asc
