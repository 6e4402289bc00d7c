-- description: Claim 6: whether an altseason followed each all-time-high breakout of the Russell 2000, against any other day.
-- grain: claim_id, part, moment
-- known_at: the run's clock
-- The altseason index looks back $altseason_days days. Its values between one and two such windows after a day belong to
-- windows that begin within $altseason_days days of it.
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
    select session_date
    from marts.breakouts
    where subject_id = 'RUT' and kind = 'all_time_high' and not is_left_censored
),

specifications as (
    select
        count(*) as specifications,
        count_if(excess_mean > 0) as specifications_agreeing,
    from marts.specification_grid
    where target_id = 'ALTSEASON'
        and horizon_days between $altseason_days and 2 * $altseason_days
        and excess_mean is not null
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

-- The index may have no value on the day of the breakout itself.
after_breakouts as (
    select
        days.moment,
        breakouts.session_date + 2 * $altseason_days < days.day as is_over,
        max(days.index_pct) >= $altseason_high as holds,
    from breakouts
    inner join days
        on days.session_date >= breakouts.session_date + $altseason_days
        and days.session_date <= breakouts.session_date + 2 * $altseason_days
    group by days.moment, days.day, breakouts.session_date
),

-- An altseason counts at once; that there was none is known only when the last window is over.
counts as (
    select
        moment,
        count(*) as n,
        count_if(holds) as agreeing,
    from after_breakouts
    where holds or is_over
    group by moment
),

after_any_day as (
    select
        moment,
        session_date + 2 * $altseason_days < day as is_over,
        max(index_pct) over window_after >= $altseason_high as holds,
    from days
    window window_after as (
        partition by moment
        order by session_date
        range between interval ($altseason_days) days following and interval (2 * $altseason_days) days following
    )
),

baselines as (
    select
        moment,
        avg(holds::integer) as baseline,
    from after_any_day
    where is_over
    group by moment
),

final as (
    select
        6 as claim_id, -- Number of the claim.
        'altseasons' as part, -- Part of the claim.
        moments.moment, -- article or clock.
        counts.n, -- Breakouts with a known outcome.
        counts.agreeing, -- Breakouts that an altseason followed.
        baselines.baseline, -- Share of all days that an altseason followed [fraction].
        specifications.specifications, -- Specifications of a breakout and a horizon that have an answer.
        specifications.specifications_agreeing, -- Those in which altseasons followed more often than after the baseline.
    from moments
    cross join specifications
    left join counts on counts.moment = moments.moment
    left join baselines on baselines.moment = moments.moment
    where counts.n > 0 or specifications.specifications > 0
)

select * from final
order by claim_id, part, moment
