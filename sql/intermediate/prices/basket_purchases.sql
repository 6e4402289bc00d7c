-- description: The coins that the altcoin basket buys at the start of each month, with the price paid: every altcoin
--   that traded in the $basket_lookback_days days before, at its last price.
-- grain: month, instrument_id
-- known_at: the run's clock
with bars as (
    select
        instrument_id,
        session_date,
        date_trunc('month', session_date + $basket_lookback_days)::date as next_purchase,
        price,
        known_at,
        version,
    from intermediate.altcoin_bars
),

-- A price that was corrected after the purchase existed in an earlier version, so the coin could be bought. A bar that
-- was filled in after the purchase did not exist yet.
final as (
    select
        next_purchase as month, -- First UTC day of the month.
        instrument_id, -- The altcoin bought.
        arg_max(price, session_date) as price, -- Its last price before the month.
        arg_max(known_at, session_date) as known_at, -- When that price could first be known, UTC.
    from bars
    where next_purchase > session_date
        and (known_at <= next_purchase::timestamptz or version > 1)
    group by next_purchase, instrument_id
    qualify count(*) over (partition by next_purchase) >= $basket_least_members
)

select * from final
order by month, instrument_id
