-- description: Every breakout as it stood at the close that decided it, before anything that came later.
-- grain: event_id
-- known_at: decided_at
with paths as (
    select
        subject_id,
        subject_kind,
        calendar,
        session_number,
        session_date,
        price,
        known_at,
    from intermediate.price_paths
),

instruments as (
    select
        instrument_id,
        tracks,
    from core.instruments
),

-- How long a year is and how long it must have been quiet, in the sessions of each calendar.
rules as (
    select
        rules.*,
        rules.year - rules.year_high_quiet as level_reach,
    from (
        values
        ('XNYS', $equity_year, $equity_all_time_high_quiet, $equity_year_high_quiet),
        ('CRYPTO', $crypto_year, $crypto_all_time_high_quiet, $crypto_year_high_quiet)
    ) as rules (calendar, year, all_time_high_quiet, year_high_quiet)
),

highs as (
    select
        paths.*,
        rules.year,
        rules.all_time_high_quiet,
        rules.year_high_quiet,
        -- Over the stretch that a year high's level is looked for in, which is longer than the quiet time.
        max(paths.price) over (
            partition by paths.subject_id
            order by paths.session_number
            rows between rules.level_reach preceding and current row
        ) as high_of_reach,
    from paths
    inner join rules on rules.calendar = paths.calendar
),

-- Whatever breaks out is the highest of its stretch, which leaves few rows to look at. So is the highest ever, whence
-- their running maximum is that of all sessions.
peaks as (
    select
        *,
        max(price) over (
            partition by subject_id
            order by session_number
            rows between unbounded preceding and current row
        ) as high_ever,
    from highs
    where price = high_of_reach
),

-- The high as of the session at which the quiet time began is the level; as of the session before, it is the highest of
-- the quiet time (and of some of what lies before it, which changes nothing).
all_time_highs as (
    select
        peaks.*,
        'all_time_high' as kind,
        peaks.all_time_high_quiet as quiet,
        null::integer as reach,
        quiet_starts.high_ever as level,
        yesterdays.high_ever as high_before,
    from peaks
    asof join peaks as quiet_starts
        on quiet_starts.subject_id = peaks.subject_id
        and quiet_starts.session_number <= peaks.session_number - peaks.all_time_high_quiet
    asof join peaks as yesterdays
        on yesterdays.subject_id = peaks.subject_id
        and yesterdays.session_number <= peaks.session_number - 1
),

year_highs as (
    select
        peaks.*,
        'year_high' as kind,
        peaks.year_high_quiet as quiet,
        peaks.year as reach,
        quiet_starts.high_of_reach as level,
        yesterdays.high_of_reach as high_before,
    from peaks
    inner join highs as quiet_starts
        on quiet_starts.subject_id = peaks.subject_id
        and quiet_starts.session_number = peaks.session_number - peaks.year_high_quiet
    inner join highs as yesterdays
        on yesterdays.subject_id = peaks.subject_id
        and yesterdays.session_number = peaks.session_number - 1
),

candidates as (
    select * from all_time_highs
    union all
    select * from year_highs
),

broken as (
    select *
    from candidates
    where session_number > year
        and price > level * (1 + $breakout_margin)
        and high_before <= level * (1 + $breakout_margin)
),

-- The latest session that stood at the level.
based as (
    select
        broken.subject_id,
        broken.kind,
        broken.session_number,
        arg_max(paths.session_date, paths.session_number) as level_date,
        max(paths.session_number) as level_number,
    from broken
    inner join paths
        on paths.subject_id = broken.subject_id
        and paths.session_number <= broken.session_number - broken.quiet
        and paths.session_number >= broken.session_number - coalesce(broken.reach, broken.session_number)
        and paths.price = broken.level
    group by broken.subject_id, broken.kind, broken.session_number
),

base_lows as (
    select
        based.subject_id,
        based.kind,
        based.session_number,
        min(paths.price) as lowest,
    from based
    inner join paths
        on paths.subject_id = based.subject_id
        and paths.session_number between based.level_number and based.session_number
    group by based.subject_id, based.kind, based.session_number
),

-- The index behind a fund may have stood higher before the fund existed: then the fund's high is no real one.
fund_starts as (
    select
        paths.subject_id,
        instruments.tracks,
        min(paths.session_date) as first_session,
    from paths
    inner join instruments on instruments.instrument_id = paths.subject_id
    where instruments.tracks is not null
    group by paths.subject_id, instruments.tracks
),

hidden_peaks as (
    select
        broken.subject_id,
        broken.kind,
        broken.session_number,
        max(case when paths.session_date < fund_starts.first_session then paths.price end)
        > max(case when paths.session_date >= fund_starts.first_session then paths.price end) as is_hidden,
    from broken
    inner join based
        on based.subject_id = broken.subject_id
        and based.kind = broken.kind
        and based.session_number = broken.session_number
    inner join fund_starts on fund_starts.subject_id = broken.subject_id
    inner join paths
        on paths.subject_id = fund_starts.tracks
        and paths.session_date <= based.level_date
    where broken.kind = 'all_time_high'
    group by broken.subject_id, broken.kind, broken.session_number
),

final as (
    select
        broken.subject_id || ':' || broken.kind || ':' || broken.session_date as event_id, -- subject:kind:session.
        broken.subject_id, -- The instrument or pair that broke out.
        broken.subject_kind, -- instrument or pair.
        broken.kind, -- all_time_high or year_high.
        broken.session_number, -- Position of the session among the subject's own.
        broken.session_date, -- Session of the breakout.
        broken.level, -- Highest price before the quiet time, which the close exceeded.
        based.level_date, -- Latest session that stood at the level.
        broken.session_number - based.level_number as base_sessions, -- Sessions from the level to the breakout.
        base_lows.lowest / nullif(broken.level, 0) - 1 as base_depth, -- How far the price fell below the level in between [fraction, negative].
        broken.price as close, -- Price that broke out, on the subject's price basis.
        broken.price / nullif(broken.level, 0) - 1 as margin, -- How far it closed above the level [fraction].
        based.level_number <= broken.year or coalesce(hidden_peaks.is_hidden, false) as is_left_censored, -- Whether an earlier, higher peak may lie before the history, or does in the index behind a fund.
        broken.known_at as decided_at, -- The close that decided it, UTC.
    from broken
    inner join based
        on based.subject_id = broken.subject_id
        and based.kind = broken.kind
        and based.session_number = broken.session_number
    inner join base_lows
        on base_lows.subject_id = broken.subject_id
        and base_lows.kind = broken.kind
        and base_lows.session_number = broken.session_number
    left join hidden_peaks
        on hidden_peaks.subject_id = broken.subject_id
        and hidden_peaks.kind = broken.kind
        and hidden_peaks.session_number = broken.session_number
)

select * from final
order by subject_id, kind, session_date
