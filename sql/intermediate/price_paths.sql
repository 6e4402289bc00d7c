-- description: The one price per session that breakouts are looked for on: an instrument's signal price, a pair's ratio.
-- grain: subject_id, session_date
-- known_at: known_at
with bars as (
    select
        instrument_id,
        session_date,
        signal_price,
        signal_low,
        known_at,
    from intermediate.prices
    where signal_price is not null
),

instruments as (
    select
        instrument_id,
        calendar,
    from core.instruments
),

pairs as (
    select
        pair_id,
        calendar,
    from core.pairs
),

ratios as (
    select
        pair_id,
        session_date,
        ratio,
        known_at,
    from marts.relative_strength
),

subjects as (
    select
        bars.instrument_id as subject_id,
        'instrument' as subject_kind,
        instruments.calendar,
        bars.session_date,
        bars.signal_price as price,
        bars.signal_low as low,
        bars.known_at,
    from bars
    inner join instruments on instruments.instrument_id = bars.instrument_id
    union all
    select
        ratios.pair_id as subject_id,
        'pair' as subject_kind,
        pairs.calendar,
        ratios.session_date,
        ratios.ratio as price,
        null::double as low,
        ratios.known_at,
    from ratios
    inner join pairs on pairs.pair_id = ratios.pair_id
),

final as (
    select
        subject_id, -- The instrument or pair.
        subject_kind, -- instrument or pair.
        calendar, -- Calendar of its sessions.
        row_number() over (partition by subject_id order by session_date) as session_number, -- Position among the subject's sessions, from 1.
        session_date, -- The session.
        price, -- Signal price, or ratio.
        low, -- Low of the session on the same basis; null where only closes are.
        known_at, -- When the row could first be known, UTC.
    from subjects
)

select * from final
order by subject_id, session_number
