-- description: Net US dollar liquidity as known at each close of the exchange: the Federal Reserve's balance sheet less
--   the Treasury's account and the reverse repo facility.
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

-- Before late 2013 the facility had months without any operation, so the last amount counts however old it is.
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

-- The window counts known changes only, so a gap does not make three years unknown.
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
        balance_sheet as balance_sheet_musd, -- Total assets of the Federal Reserve (WALCL), latest known value, USD millions; null if a newer value is overdue.
        treasury_account as treasury_account_musd, -- Treasury General Account (WTREGEN), latest known value, USD millions; null if a newer value is overdue.
        reverse_repo as reverse_repo_musd, -- Overnight reverse repurchase agreements (1000 * RRPONTSYD), latest known value, USD millions.
        net_liquidity as net_liquidity_musd, -- balance_sheet_musd - treasury_account_musd - reverse_repo_musd, USD millions.
        change_month as change_28d_musd, -- Change from the last close at least $liquidity_month_days days before, USD millions.
        change_quarter as change_91d_musd, -- Change from the last close at least $liquidity_quarter_days days before, USD millions.
        if(
            known_changes = $liquidity_zscore and deviation > 0,
            (change_quarter - mean_change) / nullif(deviation, 0),
            null
        ) as zscore_3y, -- Distance of change_91d_musd from its mean over the last $liquidity_zscore sessions, in sample standard deviations. It uses the change because the level drifts by trillions.
        case
            when change_quarter > 0 then 'easing'
            when change_quarter <= 0 then 'tightening'
        end as regime, -- easing if change_91d_musd is above 0, else tightening; null if it is unknown.
        known_at, -- The close, UTC.
    from compared
)

select * from final
order by session_date
