-- description: Every fall from a high, and whether a new high came soon and without a deep fall in between.
-- grain: instrument_id, peak_date
-- known_at: decided_at, the first close far enough under the peak
with instruments as (
    select
        instrument_id,
        calendar,
    from core.instruments
    where role != 'other'
),

paths as (
    select
        subject_id,
        session_number,
        session_date,
        price,
        known_at,
    from intermediate.price_paths
    where subject_kind = 'instrument'
),

-- How far a close under the peak is a pullback, and how far a deep one, in the ways of each calendar.
rules as (
    select rules.*
    from (
        values
        ('XNYS', $equity_pullback, $equity_deep_pullback),
        ('CRYPTO', $crypto_pullback, $crypto_deep_pullback)
    ) as rules (calendar, pullback, deep_pullback)
),

prices as (
    select
        paths.subject_id as instrument_id,
        paths.session_number,
        paths.session_date,
        paths.price,
        max(paths.price) over so_far as peak,
        rules.pullback,
        rules.deep_pullback,
    from instruments
    inner join rules on rules.calendar = instruments.calendar
    inner join paths on paths.subject_id = instruments.instrument_id
    window so_far as (
        partition by paths.subject_id
        order by paths.session_number
        rows between unbounded preceding and current row
    )
),

-- All sessions from one new high to the session before the next: the peak tells them apart, as it only ever rises.
spells as (
    select
        instrument_id,
        peak,
        min(session_date) as peak_date,
        max(session_number) as last_number,
        min(case when price <= peak * (1 - pullback) then session_number end) as decided_number,
        min(case when price < peak * (1 - deep_pullback) then session_number end) as too_deep_number,
        min(price) as trough,
        arg_min(session_date, (price, session_number)) as trough_date,
    from prices
    group by instrument_id, peak
),

pullbacks as (
    select
        *,
        last_number + 1 as recovered_number,
        least(too_deep_number, decided_number + $pullback_sessions + 1) as deep_number,
    from spells
    where decided_number is not null
),

-- A session that has not come yet has no row to join.
dated as (
    select
        pullbacks.*,
        decisions.known_at as decided_at,
        recoveries.known_at as recovered_at,
        recoveries.session_number - pullbacks.decided_number as sessions_to_recover,
        depths.known_at as deep_at,
    from pullbacks
    inner join paths as decisions
        on decisions.subject_id = pullbacks.instrument_id
        and decisions.session_number = pullbacks.decided_number
    left join paths as recoveries
        on recoveries.subject_id = pullbacks.instrument_id
        and recoveries.session_number = pullbacks.recovered_number
    left join paths as depths
        on depths.subject_id = pullbacks.instrument_id
        and depths.session_number = if(pullbacks.deep_number <= pullbacks.recovered_number, pullbacks.deep_number, null)
),

final as (
    select
        instrument_id, -- The instrument, a row of core.instruments.
        peak_date, -- First session at the high that it fell from, the highest close since its history_start.
        peak, -- That close, on the instrument's price basis [currency of the instrument].
        trough / nullif(peak, 0) - 1 as depth_so_far, -- Lowest close since the peak against it, until the new high or the run's clock [fraction, negative]: the one number here that later closes change.
        trough_date, -- First session at that lowest close; changes with it.
        decided_at, -- First close 5 % (coins: 20 %) or more under the peak, UTC.
        recovered_at, -- First close above the peak, UTC; null until then.
        if(deep_at is null, recovered_at, null) as absorbed_at, -- The same close where it came within 63 sessions of the decision and no close was more than 10 % (coins: 40 %) under the peak; null until then.
        deep_at, -- First close more than 10 % (coins: 40 %) under the peak, or the 64th session after the decision without a new high before it, UTC; null until then.
        sessions_to_recover, -- Sessions from the decision to the new high; null until recovered_at.
        case
            when recovered_at is null then if(deep_at is null, 'open', 'deep')
            else if(deep_at is null, 'absorbed', 'recovered')
        end as status, -- What was known last as of the run's clock: open, absorbed, deep (no new high yet), or recovered (a new high after it had been deep).
    from dated
)

select * from final
order by instrument_id, peak_date
