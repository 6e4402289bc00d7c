-- description: The prices that responses are measured on: the return price of every target, and the altseason index, which
--   cannot be bought.
-- grain: target_id, session_date
-- known_at: known_at
with targets as (
    select target_id from reference.targets
),

bars as (
    select
        instrument_id,
        session_date,
        return_price,
        closes_at,
        known_at,
    from intermediate.prices
    where return_price is not null
),

altseason as (
    select
        session_date,
        index_pct,
        known_at,
    from marts.altseason
    where index_pct is not null
),

measured as (
    select
        instrument_id as target_id,
        session_date,
        return_price as price,
        false as is_index,
        closes_at,
        known_at,
    from bars
    union all
    select
        'ALTSEASON' as target_id,
        session_date,
        0.01 * index_pct as price,
        true as is_index,
        (session_date + 1)::timestamptz as closes_at,
        known_at,
    from altseason
),

final as (
    select
        measured.target_id, -- The target: a row of core.instruments, or ALTSEASON for the altseason index.
        row_number() over (partition by measured.target_id order by measured.session_date) as session_number, -- Position among the target's sessions, from 1.
        measured.session_date, -- The session.
        measured.price, -- Price that returns are measured on; for ALTSEASON the level of the index [fraction of the altcoins].
        measured.is_index, -- Whether the response is a difference of two levels instead of a return.
        measured.closes_at, -- Instant at which the session ended, UTC.
        measured.known_at, -- When the row could first be known, UTC.
    from targets
    inner join measured on measured.target_id = targets.target_id
)

select * from final
order by target_id, session_number
