-- description: The complete windows that open after the events of each pattern: of a signal, of a way to define
--   breakouts, or of what a filter keeps against what it drops.
-- grain: pattern_id, event_id, target_id, horizon_days
-- known_at: known_at, the end of the day on which the horizon is reached
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

coins as (
    select instrument_id from core.instruments
    where role = 'altcoin'
),

response_entries as (
    select
        trigger_at,
        target_id,
        entry_date,
    from intermediate.response_entries
),

windows as (
    select
        target_id,
        entry_date,
        horizon_days,
        forward_return,
        log_return,
        is_reconstructed,
        known_at,
    from intermediate.forward_windows
),

-- Reconstructed history is no evidence; only the grid of specifications shows it, and single coins only as signals do.
events as (
    select
        signal_id as pattern_id,
        event_id,
        true as is_kept,
        false as has_reconstructed,
        true as has_coins,
        trigger_at,
    from triggers
    union all
    select
        specification_id as pattern_id,
        specification_id || ':' || session_date as event_id,
        true as is_kept,
        true as has_reconstructed,
        false as has_coins,
        decided_at as trigger_at,
    from specification_events
    union all
    select
        'filter:' || filter as pattern_id,
        event_id,
        is_kept,
        false as has_reconstructed,
        true as has_coins,
        trigger_at,
    from filtered_events
),

followed as (
    select
        events.pattern_id,
        events.event_id,
        events.is_kept,
        events.has_reconstructed,
        windows.*,
    from events
    inner join response_entries on response_entries.trigger_at = events.trigger_at
    inner join windows
        on windows.target_id = response_entries.target_id
        and windows.entry_date = response_entries.entry_date
    where (events.has_reconstructed or not windows.is_reconstructed)
        and (events.has_coins or windows.target_id not in (select instrument_id from coins))
),

spaced as (
    select
        *,
        entry_date - lag(entry_date) over in_order as days_since,
        count(*) over sample as sample_size,
    from followed
    window
        in_order as (
            partition by pattern_id, target_id, horizon_days, is_kept
            order by entry_date, event_id
            rows between unbounded preceding and current row
        ),
        sample as (
            partition by pattern_id, target_id, horizon_days, is_kept
            order by entry_date, event_id
            rows between unbounded preceding and unbounded following
        )
),

final as (
    select
        pattern_id, -- Signal, specification, or filter:name.
        event_id, -- The event; one row of it per target and horizon that were complete.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        is_kept, -- Whether the filter keeps the event; true where there is no filter.
        has_reconstructed, -- Whether reconstructed history counts.
        entry_date, -- Session of the entry.
        forward_return, -- Return from entry to exit [fraction]; of the altseason index the difference.
        log_return, -- Its logarithm; of the altseason index the same difference.
        count_if(coalesce(days_since > $episode_gap_days, true)) over so_far as episode, -- Number of the episode, from 1: events within three weeks of the one before belong to it.
        if(is_kept, 1, -1) / nullif(sample_size, 0) as weight, -- Part in the mean of what is kept, or, negative, of what is dropped.
        known_at, -- When the window was complete, UTC.
    from spaced
    window so_far as (
        partition by pattern_id, target_id, horizon_days, is_kept
        order by entry_date, event_id
        rows between unbounded preceding and current row
    )
)

select * from final
order by pattern_id, target_id, horizon_days, entry_date, event_id
