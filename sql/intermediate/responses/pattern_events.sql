-- description: The events of each pattern: of a signal, of a specification of breakouts, or of a filter with what it keeps
--   and what it drops.
-- grain: pattern_id, event_id
-- known_at: trigger_at
-- form: view
with triggers as (
    select
        signal_id,
        event_id,
        trigger_at,
    from intermediate.triggers
),

specification_events as (
    select
        specification_id,
        session_date,
        decided_at,
    from intermediate.specification_events
),

filtered_events as (
    select
        filter,
        event_id,
        is_kept,
        trigger_at,
    from intermediate.filtered_events
),

-- Reconstructed history is no evidence, so only the specification grid uses it. The grid leaves out single altcoins.
events as (
    select
        signal_id as pattern_id,
        event_id,
        true as is_kept,
        false as has_reconstructed,
        true as has_altcoins,
        trigger_at,
    from triggers
    union all
    select
        specification_id as pattern_id,
        specification_id || ':' || session_date as event_id,
        true as is_kept,
        true as has_reconstructed,
        false as has_altcoins,
        decided_at as trigger_at,
    from specification_events
    union all
    select
        'filter:' || filter as pattern_id,
        event_id,
        is_kept,
        false as has_reconstructed,
        true as has_altcoins,
        trigger_at,
    from filtered_events
),

final as (
    select
        pattern_id, -- Signal, specification, or filter:name.
        event_id, -- The event.
        is_kept, -- Whether the filter keeps the event; true if the pattern is not a filter.
        has_reconstructed, -- Whether windows on reconstructed prices count.
        has_altcoins, -- Whether single altcoins are targets.
        trigger_at, -- Instant at which the event was known, UTC.
    from events
)

select * from final
