-- What $target did after each event whose id begins with $event_prefix: complete windows that do not begin on
-- reconstructed prices.
with responses as (
    select
        event_id,
        target_id,
        entry_date,
        horizon_days,
        forward_return,
    from marts.rotation_responses
    where starts_with(event_id, $event_prefix)
        and trigger = 'decided'
        and target_id = $target
        and is_complete
),

instruments as (
    select
        instrument_id,
        reconstructed_before,
    from core.instruments
),

final as (
    select
        responses.event_id,
        responses.entry_date,
        responses.horizon_days,
        responses.forward_return,
    from responses
    left join instruments on instruments.instrument_id = responses.target_id
    where instruments.reconstructed_before is null or responses.entry_date >= instruments.reconstructed_before
)

select * from final
order by entry_date, event_id, horizon_days
