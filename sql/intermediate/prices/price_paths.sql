-- description: One price per session and subject, in which breakouts are searched: an instrument's signal price or a
--   pair's ratio.
-- grain: subject_id, session_date
-- known_at: known_at
-- slices: subject_id by intermediate.instrument_bases.instrument_id
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
        instrument_id as subject_id,
        session_date,
        signal_price as price,
        signal_low as low,
        known_at,
    from bars
    union all
    select
        pair_id as subject_id,
        session_date,
        ratio as price,
        null::double as low,
        known_at,
    from ratios
),

final as (
    select
        subject_id, -- The instrument or pair.
        row_number() over (partition by subject_id order by session_date) as session_number, -- Position among the subject's sessions, from 1.
        session_date, -- The session.
        price, -- Signal price, or ratio.
        low, -- Low of the session on the same basis; null if there are closes only.
        known_at, -- When the row could first be known, UTC.
    from subjects
)

select * from final
order by subject_id, session_number
