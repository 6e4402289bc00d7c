-- Per instrument with a final bar, the first session to fetch again: the start of the trailing window, or the first
-- recent gap before it. An instrument that has ended and is complete gets the day after its last session.
-- Values: calendar; refresh_sessions, the length of the window; gap_retry_sessions, how far back a gap is tried again.
with sessions as (
    select
        session_date,
        closes_at,
        row_number() over (order by session_date) as n
    from reference.sessions
    where calendar = $calendar
),

final_bars as (
    select distinct
        bars.instrument_id,
        sessions.n
    from $raw_table as bars
    inner join sessions on sessions.session_date = bars.session_date
    where bars.captured_at >= sessions.closes_at
),

spans as (
    select
        instrument_id,
        min(n) as first_n,
        max(n) as last_n
    from final_bars
    group by instrument_id
),

gaps as (
    select
        spans.instrument_id,
        min(sessions.n) as n
    from spans
    inner join sessions
        on sessions.n between greatest(spans.first_n, spans.last_n - $gap_retry_sessions) and spans.last_n
    left join final_bars on final_bars.instrument_id = spans.instrument_id and final_bars.n = sessions.n
    where final_bars.n is null
    group by spans.instrument_id
)

select
    spans.instrument_id,
    if(
        instruments.valid_to <= last_sessions.session_date,
        last_sessions.session_date + 1,
        first_sessions.session_date
    ) as first_day
from spans
left join gaps on gaps.instrument_id = spans.instrument_id
left join reference.instruments as instruments on instruments.instrument_id = spans.instrument_id
inner join sessions as last_sessions on last_sessions.n = spans.last_n
inner join sessions as first_sessions
    on first_sessions.n = greatest(1, least(spans.last_n - $refresh_sessions + 1, coalesce(gaps.n, spans.last_n)))
order by spans.instrument_id
