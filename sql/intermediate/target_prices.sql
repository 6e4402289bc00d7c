-- description: The prices that responses are measured on: final bars or levels of every target, on the return price.
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

final as (
    select
        bars.instrument_id as target_id, -- The target, a row of core.instruments.
        row_number() over (partition by bars.instrument_id order by bars.session_date) as session_number, -- Position among the target's sessions, from 1.
        bars.session_date, -- The session.
        bars.return_price as price, -- Price that returns are measured on.
        bars.closes_at, -- Instant at which the session ended, UTC.
        bars.known_at, -- When the row could first be known, UTC.
    from targets
    inner join bars on bars.instrument_id = targets.target_id
)

select * from final
order by target_id, session_number
