-- description: Sessions without a bar between an instrument's first and last bar.
-- grain: instrument_id, session_date
-- known_at: the run's clock
with instruments as (
    select
        instrument_id,
        asset_class,
        calendar,
        history_start,
        last_session,
    from core.instruments
),

sessions as (
    select
        calendar,
        session_date,
        row_number() over (partition by calendar order by session_date) as session_number,
    from core.sessions
),

bars as (
    select
        instrument_id,
        session_date,
    from core.bars
    where is_final
),

-- Each bar with the one before it: sessions are missing if their numbers are not consecutive.
steps as (
    select
        bars.instrument_id,
        instruments.asset_class,
        instruments.calendar,
        lag(sessions.session_number) over (
            partition by bars.instrument_id order by bars.session_date
        ) as previous_number,
        sessions.session_number,
    from bars
    inner join instruments on instruments.instrument_id = bars.instrument_id
    inner join sessions
        on sessions.calendar = instruments.calendar
        and sessions.session_date = bars.session_date
),

holes as (
    select
        instrument_id,
        asset_class,
        calendar,
        unnest(generate_series(previous_number + 1, session_number - 1)) as session_number,
        session_number - previous_number - 1 as missing_in_a_row,
    from steps
    where session_number > previous_number + 1
),

final as (
    select
        holes.instrument_id, -- The instrument.
        holes.asset_class, -- equity or crypto.
        sessions.session_date, -- The session without a bar.
        holes.missing_in_a_row, -- Length of the gap: consecutive missing sessions, this one included.
    from holes
    inner join sessions
        on sessions.calendar = holes.calendar
        and sessions.session_number = holes.session_number
)

select * from final
order by instrument_id, session_date
