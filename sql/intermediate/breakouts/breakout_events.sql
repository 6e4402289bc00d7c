-- description: Every breakout as it stood at the close that decided it.
-- grain: event_id
-- known_at: decided_at
-- statistic: breakouts.breakouts(intermediate.price_paths, core.instruments, core.pairs)
with paths as (
    select
        subject_id,
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
    where tracks is not null
),

computed_breakouts as (
    select
        subject_id,
        subject_kind,
        kind,
        session_number,
        level,
        level_number,
        lowest,
        is_early,
    from computed
),

dated as (
    select
        computed_breakouts.*,
        breaks.session_date,
        breaks.price,
        breaks.known_at,
        bases.session_date as level_date,
    from computed_breakouts
    inner join paths as breaks
        on breaks.subject_id = computed_breakouts.subject_id
        and breaks.session_number = computed_breakouts.session_number
    inner join paths as bases
        on bases.subject_id = computed_breakouts.subject_id
        and bases.session_number = computed_breakouts.level_number
),

-- The index that a fund tracks may have stood higher before the fund existed. The fund's all-time high is then no
-- all-time high of the index.
fund_starts as (
    select
        paths.subject_id,
        instruments.tracks,
        min(paths.session_date) as first_session,
    from paths
    inner join instruments on instruments.instrument_id = paths.subject_id
    group by paths.subject_id, instruments.tracks
),

hidden_peaks as (
    select
        dated.subject_id,
        dated.session_number,
        max(case when paths.session_date < fund_starts.first_session then paths.price end)
        > max(case when paths.session_date >= fund_starts.first_session then paths.price end) as is_hidden,
    from dated
    inner join fund_starts on fund_starts.subject_id = dated.subject_id
    inner join paths
        on paths.subject_id = fund_starts.tracks
        and paths.session_date <= dated.level_date
    where dated.kind = 'all_time_high'
    group by dated.subject_id, dated.session_number
),

final as (
    select
        dated.subject_id || ':' || dated.kind || ':' || dated.session_date as event_id, -- subject:kind:session.
        dated.subject_id, -- The instrument or pair that broke out.
        dated.subject_kind, -- instrument or pair.
        dated.kind, -- all_time_high or year_high.
        dated.session_number, -- Position of the session among the subject's sessions.
        dated.session_date, -- Session of the breakout.
        dated.level, -- Highest price before the quiet period, which the close exceeded.
        dated.level_date, -- Latest session at the level.
        dated.session_number - dated.level_number as base_sessions, -- Sessions from the level to the breakout.
        dated.lowest / nullif(dated.level, 0) - 1 as base_depth, -- Deepest fall below the level in between [fraction, negative].
        dated.price as close, -- Closing price of the breakout, on the subject's price basis.
        dated.price / nullif(dated.level, 0) - 1 as margin, -- How far the close is above the level [fraction].
        dated.is_early or coalesce(hidden_peaks.is_hidden, false) as is_left_censored, -- Whether a higher peak may lie before the start of the history, or lies in the index that a fund tracks, before the fund existed.
        dated.known_at as decided_at, -- The close that decided it, UTC.
    from dated
    left join hidden_peaks
        on hidden_peaks.subject_id = dated.subject_id
        and hidden_peaks.session_number = dated.session_number
        and dated.kind = 'all_time_high'
)

select * from final
order by subject_id, kind, session_date
