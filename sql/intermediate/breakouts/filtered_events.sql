-- description: What each filter says of each breakout of the Russell 2000: kept or dropped, and when that was known.
-- grain: filter, event_id
-- known_at: trigger_at
-- A session that breaks both highs counts as one event, the all-time high.
with breakouts as (
    select
        event_id,
        relative_volume,
        breadth_sma200,
        liquidity_change_91d,
        decided_at,
        confirmed_at,
        failed_at,
        holding_at,
    from marts.breakouts
    where subject_id = 'RUT'
    qualify row_number() over (partition by session_date order by kind) = 1
),

-- The last close at which a breakout can still be confirmed.
deadlines as (
    select
        event_id,
        known_at,
    from intermediate.breakout_followup
    where sessions_after = $confirmation_window
),

-- Some filters have their answer only after the breakout; the entry is then, for kept and dropped breakouts alike. A
-- breakout for which a filter has no answer yet is neither kept nor dropped.
judged as (
    select
        'volume' as filter,
        event_id,
        relative_volume >= $heavy_volume as is_kept,
        decided_at as trigger_at,
    from breakouts
    union all
    select
        'breadth' as filter,
        event_id,
        breadth_sma200 >= $half_of_members as is_kept,
        decided_at as trigger_at,
    from breakouts
    union all
    select
        'easing_liquidity' as filter,
        event_id,
        liquidity_change_91d > 0 as is_kept,
        decided_at as trigger_at,
    from breakouts
    union all
    select
        'confirmed' as filter,
        breakouts.event_id,
        breakouts.confirmed_at is not null as is_kept,
        coalesce(breakouts.confirmed_at, deadlines.known_at) as trigger_at,
    from breakouts
    left join deadlines on deadlines.event_id = breakouts.event_id
    union all
    select
        'no_early_failure' as filter,
        event_id,
        failed_at is null as is_kept,
        coalesce(failed_at, holding_at) as trigger_at,
    from breakouts
),

final as (
    select
        filter, -- volume, breadth, easing_liquidity, confirmed or no_early_failure.
        event_id, -- The breakout, a row of marts.breakouts.
        is_kept, -- Whether the filter keeps the breakout.
        trigger_at, -- Instant at which that was known, UTC.
    from judged
    where is_kept is not null and trigger_at is not null
)

select * from final
order by filter, event_id
