-- description: Every event that starts the clock of a signal: a breakout at its decision, or at its confirmation.
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

final as (
    select
        signals.signal_id, -- subject:kind:trigger.
        breakouts.event_id, -- The breakout.
        signals.trigger, -- decided or confirmed.
        if(signals.trigger = 'decided', breakouts.decided_at, breakouts.confirmed_at) as trigger_at, -- Instant at which the signal was known.
    from signals
    inner join breakouts
        on breakouts.subject_id = signals.subject_id
        and breakouts.kind = signals.kind
    where signals.trigger = 'decided' or breakouts.confirmed_at is not null
)

select * from final
order by signal_id, event_id
