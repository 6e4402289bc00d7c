-- description: Net liquidity in US dollars: the Federal Reserve's balance sheet without what the Treasury and the reverse
--   repo facility keep out of circulation, as it was known at each close of the exchange.
-- grain: session_date
-- known_at: known_at, the close of the session
with macro_at_close as (
    select
        series_id,
        session_date,
        value,
        is_stale,
        closes_at,
    from intermediate.macro_at_close
),

balance_sheets as (
    select *
    from macro_at_close
    where series_id = 'WALCL'
),

treasury_accounts as (
    select *
    from macro_at_close
    where series_id = 'WTREGEN'
),

-- The facility had months without any operation before late 2013: the last amount stands, however old.
reverse_repos as (
    select *
    from macro_at_close
    where series_id = 'RRPONTSYD'
),

levels as (
    select
        balance_sheets.session_date,
        if(balance_sheets.is_stale, null, balance_sheets.value) as balance_sheet,
        if(treasury_accounts.is_stale, null, treasury_accounts.value) as treasury_account,
        1000 * reverse_repos.value as reverse_repo,
        balance_sheet - treasury_account - reverse_repo as net_liquidity,
        balance_sheets.closes_at as known_at,
    from balance_sheets
    inner join treasury_accounts on treasury_accounts.session_date = balance_sheets.session_date
    inner join reverse_repos on reverse_repos.session_date = balance_sheets.session_date
),

changes as (
    select
        levels.*,
        levels.net_liquidity - month_before.net_liquidity as change_month,
        levels.net_liquidity - quarter_before.net_liquidity as change_quarter,
    from levels
    asof left join levels as month_before
        on month_before.session_date <= levels.session_date - $liquidity_month_days
    asof left join levels as quarter_before
        on quarter_before.session_date <= levels.session_date - $liquidity_quarter_days
),

-- Only known changes are counted, so that a gap does not blank three years.
compared as (
    select
        *,
        count(change_quarter) over three_years as known_changes,
        avg(change_quarter) over three_years as mean_change,
        stddev_samp(change_quarter) over three_years as deviation,
    from changes
    window three_years as (
        partition by change_quarter is null
        order by session_date
        rows between $liquidity_zscore - 1 preceding and current row -- noqa: PRS
    )
),

final as (
    select
        session_date, -- Session of the exchange.
        balance_sheet as balance_sheet_musd, -- Total assets of the Federal Reserve (WALCL), USD millions, the latest known; null once a newer one should have been there.
        treasury_account as treasury_account_musd, -- Treasury General Account (WTREGEN), USD millions, the latest known; null once a newer one should have been there.
        reverse_repo as reverse_repo_musd, -- Overnight reverse repurchase agreements (1000 * RRPONTSYD), USD millions, the latest known.
        net_liquidity as net_liquidity_musd, -- balance_sheet_musd - treasury_account_musd - reverse_repo_musd, USD millions.
        change_month as change_28d_musd, -- Change against what was known at the last close at least 28 days before, USD millions.
        change_quarter as change_91d_musd, -- Change against what was known at the last close at least 91 days before, USD millions.
        if(
            known_changes = $liquidity_zscore and deviation > 0,
            (change_quarter - mean_change) / nullif(deviation, 0),
            null
        ) as zscore_3y, -- Distance of change_91d_musd from its mean over the last 756 sessions, in their sample standard deviations: the change, since the level drifts by trillions.
        case
            when change_quarter > 0 then 'easing'
            when change_quarter <= 0 then 'tightening'
        end as regime, -- easing where change_91d_musd is above 0, else tightening; null where it is unknown.
        known_at, -- The close, UTC.
    from compared
)

select * from final
order by session_date
