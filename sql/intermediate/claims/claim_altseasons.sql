-- description: Whether an altseason followed a breakout of the Russell 2000, and any other day.
-- grain: claim_id, part, moment, observed_on, is_usual
-- known_at: the run's clock
-- The index looks back 90 days. What it shows from the 90th to the 180th day are the windows that begin within 90 days.
with moments as (
    select
        moment,
        day,
        moment_at,
    from intermediate.claim_moments
),

altseason as (
    select
        session_date,
        index_pct,
        known_at,
    from marts.altseason
    where index_pct is not null
),

breakouts as (
    select
        session_date,
        decided_at,
    from marts.breakouts
    where subject_id = 'RUT' and kind = 'all_time_high' and not is_left_censored
),

days as (
    select
        moments.moment,
        moments.day,
        altseason.session_date,
        altseason.index_pct,
    from moments
    inner join altseason on altseason.known_at <= moments.moment_at
),

-- Two events at most per year and some thousand days: the maximum over what came is cheap.
followed as (
    select
        *,
        max(index_pct) over window_after as highest,
        count(*) over window_after as known_days,
    from days
    window window_after as (
        partition by moment
        order by session_date
        range between interval ($altseason_days) days following and interval (2 * $altseason_days) days following
    )
),

-- The index need not have been there on the day of the breakout.
after_breakouts as (
    select
        days.moment,
        breakouts.session_date,
        max(days.index_pct) as highest,
        count(*) as known_days,
        any_value(days.day) as day,
    from breakouts
    inner join days
        on days.session_date >= breakouts.session_date + $altseason_days
        and days.session_date <= breakouts.session_date + 2 * $altseason_days
    group by days.moment, breakouts.session_date
),

-- A high index is seen when it comes; that there was none is known at the end only.
observations as (
    select
        moment,
        session_date as observed_on,
        false as is_usual,
        highest >= $altseason_high as holds,
    from after_breakouts
    where highest >= $altseason_high or session_date + 2 * $altseason_days < day
    union all
    select
        moment,
        session_date as observed_on,
        true as is_usual,
        highest >= $altseason_high as holds,
    from followed
    where known_days > 0 and session_date + 2 * $altseason_days < day
),

final as (
    select
        6 as claim_id, -- The claim.
        'altseasons' as part, -- The part of it.
        moment, -- article or clock.
        observed_on, -- The day of the breakout, or any other day.
        is_usual, -- Whether it is any day rather than a breakout.
        holds, -- Whether the altseason index reached 75 % over a window of 90 days that began within 90 days.
    from observations
)

select * from final
order by moment, is_usual, observed_on
