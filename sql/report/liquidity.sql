-- Net liquidity and what it is made of: daily for the last $daily_days days, the last value of each week before.
select
    session_date,
    balance_sheet_musd,
    treasury_account_musd,
    reverse_repo_musd,
    net_liquidity_musd,
    change_28d_musd,
    change_91d_musd,
    regime,
    session_date > max(session_date) over () - $daily_days::integer as is_recent,
from marts.liquidity
where net_liquidity_musd is not null
qualify is_recent
    or session_date = max(session_date) over (partition by date_trunc('week', session_date))
order by session_date
