-- description: Every event that triggers a signal: a breakout that is decided or confirmed, or a stage of the cascade
--   that turns on.
-- grain: signal_id, event_id
-- known_at: trigger_at
with signals as (
    select
        signal_id,
        subject_id,
        kind,
        trigger,
    from reference.signals
),

breakouts as (
    select
        event_id,
        subject_id,
        kind,
        decided_at,
        confirmed_at,
    from marts.breakouts
),

-- A stage that is already on in its first row with a known state did not turn on then.
turn_ons as (
    select
        stage_name,
        session_date,
        known_at,
    from marts.cascade
    where is_turn_on
),

events as (
    select
        event_id,
        subject_id,
        kind,
        'decided' as trigger,
        decided_at as trigger_at,
    from breakouts
    union all
    select
        event_id,
        subject_id,
        kind,
        'confirmed' as trigger,
        confirmed_at as trigger_at,
    from breakouts
    where confirmed_at is not null
    union all
    select
        stage_name || ':turn_on:' || session_date as event_id,
        stage_name as subject_id,
        'turn_on' as kind,
        'decided' as trigger,
        known_at as trigger_at,
    from turn_ons
),

final as (
    select
        signals.signal_id, -- subject:kind:trigger.
        events.event_id, -- The breakout, or stage:turn_on:session.
        signals.trigger, -- decided or confirmed.
        events.trigger_at, -- Instant at which the signal was known, UTC.
    from signals
    inner join events
        on events.subject_id = signals.subject_id
        and events.kind = signals.kind
        and events.trigger = signals.trigger
)

select * from final
order by signal_id, event_id
