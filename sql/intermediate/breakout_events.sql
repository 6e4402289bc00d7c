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

-- How long a year is, how long it must have been quiet, and how far back the level is looked for (null: all the way).
rules as (
    select * from (
        values
        ('XNYS', 'all_time_high', $equity_year, $equity_all_time_high_quiet, null::integer),
        ('XNYS', 'year_high', $equity_year, $equity_year_high_quiet, $equity_year),
        ('CRYPTO', 'all_time_high', $crypto_year, $crypto_all_time_high_quiet, null::integer),
        ('CRYPTO', 'year_high', $crypto_year, $crypto_year_high_quiet, $crypto_year)
    ) as rules (calendar, kind, year, quiet, reach)
),

levels as (
    select
        paths.*,
        rules.kind,
        rules.year,
        rules.quiet,
        rules.reach,
        max(paths.price) over before_quiet as level,
        max(paths.price) over while_quiet as recent_high,
    from paths
    inner join rules on rules.calendar = paths.calendar
    window
        before_quiet as (
            partition by paths.subject_id, rules.kind
            order by paths.session_number
            rows between coalesce(rules.reach, paths.session_number) preceding and rules.quiet preceding
        ),
        while_quiet as (
            partition by paths.subject_id, rules.kind
            order by paths.session_number
            rows between rules.quiet - 1 preceding and 1 preceding
        )
),

broken as (
    select *
    from levels
    where session_number > year
        and price > level * (1 + $breakout_margin)
        and recent_high <= level * (1 + $breakout_margin)
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
