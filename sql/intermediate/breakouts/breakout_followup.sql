-- description: The sessions after each breakout, $outcome_window at most, and where the price stood against the level.
-- grain: event_id, sessions_after
-- known_at: known_at
with events as (
    select
        event_id,
        -- Windows over millions of rows are sorted faster by a number than by a text.
        row_number() over (order by event_id) as event_number,
        subject_id,
        session_number,
        level,
    from intermediate.breakout_events
),

paths as (
    select
        subject_id,
        session_number,
        session_date,
        price,
        low,
        known_at,
    from intermediate.price_paths
),

followed as (
    select
        events.event_id,
        events.event_number,
        paths.session_number - events.session_number as sessions_after,
        paths.session_date,
        paths.price,
        paths.price > events.level as is_above,
        paths.price < events.level as is_below,
        paths.price < events.level * (1 - $failure_margin) as is_failing,
        coalesce(paths.low, paths.price) <= events.level * (1 + $retest_margin) as is_touching,
        paths.known_at,
    from events
    inner join paths
        on paths.subject_id = events.subject_id
        and paths.session_number between events.session_number and events.session_number + $outcome_window
),

final as (
    select
        event_id, -- The breakout.
        sessions_after, -- Sessions since the breakout; 0 is the breakout itself.
        session_date, -- The session.
        price, -- Price on the subject's basis.
        is_above, -- Whether it closed above the level.
        is_below, -- Whether it closed below the level.
        is_failing, -- Whether it closed below the level by more than a fraction of $failure_margin, so that the attempt failed.
        is_touching, -- Whether its low (its close if it has no low) was at most a fraction of $retest_margin above the level.
        (count_if(is_above and sessions_after > 0) over so_far)::bigint as closes_above, -- Closes above the level so far, not counting the breakout itself.
        max(price) over so_far as high_so_far, -- Highest price since the breakout.
        coalesce(bool_or(is_touching and sessions_after > 0) over before, false) as was_touched, -- Whether is_touching held for an earlier session after the breakout.
        known_at, -- When the row could first be known, UTC.
    from followed
    window
        so_far as (
            partition by event_number
            order by sessions_after
            rows between unbounded preceding and current row
        ),
        before as (
            partition by event_number
            order by sessions_after
            rows between unbounded preceding and 1 preceding
        )
)

select * from final
order by event_id, sessions_after
