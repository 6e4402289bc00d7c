-- The pullbacks of the instruments $instruments, newest first, with the last session of each instrument.
with pullbacks as (
    select
        instrument_id,
        peak_date,
        depth_so_far,
        trough_date,
        sessions_to_recover,
        status,
    from marts.pullbacks
    where list_contains($instruments, instrument_id)
),

instruments as (
    select
        instrument_id,
        last_session,
    from core.instruments
),

final as (
    select
        pullbacks.*,
        instruments.last_session,
    from pullbacks
    left join instruments on instruments.instrument_id = pullbacks.instrument_id
)

select * from final
order by peak_date desc, instrument_id asc
