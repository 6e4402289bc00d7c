-- description: The complete windows that open after the events of each pattern.
-- grain: pattern_id, event_id, target_id, horizon_days
-- known_at: known_at, the end of the day on which the horizon is reached
with events as (
    select
        pattern_id,
        event_id,
        is_kept,
        has_reconstructed,
        has_altcoins,
        trigger_at,
    from intermediate.pattern_events
),

altcoins as (
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
        and (events.has_altcoins or windows.target_id not in (select instrument_id from altcoins))
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
        event_id, -- The event, with one row per target and horizon whose window is complete.
        target_id, -- The target.
        horizon_days, -- Calendar days held.
        is_kept, -- Whether the filter keeps the event; true if the pattern is not a filter.
        has_reconstructed, -- Whether windows on reconstructed prices count.
        entry_date, -- Session of the entry.
        forward_return, -- Return from entry to exit [fraction]; for ALTSEASON the difference of its levels.
        log_return, -- Log return from entry to exit; for ALTSEASON the difference of its levels.
        count_if(coalesce(days_since > $episode_gap_days, true)) over so_far as episode, -- Number of the episode, from 1. An event at most $episode_gap_days days after the one before belongs to the same episode.
        if(is_kept, 1, -1) / nullif(sample_size, 0) as weight, -- Weight of the event in the mean of the kept events, or, negative, in that of the dropped ones.
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
