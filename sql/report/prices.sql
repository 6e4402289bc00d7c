-- The prices of the instrument $subject, or the ratios of the pair $subject: daily for the last $daily_days days, the
-- last one of each week before.
with bars as (
    select
        session_date,
        signal_price as price,
    from core.bars
    where instrument_id = $subject and is_final
),

ratios as (
    select
        session_date,
        ratio as price,
    from marts.relative_strength
    where pair_id = $subject
),

prices as (
    select * from bars
    union all
    select * from ratios
),

final as (
    select
        session_date,
        price,
        session_date > max(session_date) over () - $daily_days::integer as is_recent,
    from prices
    where price is not null
    qualify is_recent
        or session_date = max(session_date) over (partition by date_trunc('week', session_date))
)

select * from final
order by session_date
