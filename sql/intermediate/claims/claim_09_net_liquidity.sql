-- description: Claim 9: how net liquidity, the Federal Reserve's balance sheet and the Treasury account had changed over
--   $liquidity_month_days and over $liquidity_quarter_days days at the article's last close.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        day,
    from intermediate.claim_moments
    where moment = 'article'
),

liquidity as (
    select
        session_date,
        net_liquidity_musd,
        balance_sheet_musd,
        treasury_account_musd,
    from marts.liquidity
),

levels as (
    select
        'net_liquidity' as part,
        1 as direction,
        session_date,
        net_liquidity_musd as level,
    from liquidity
    union all
    select
        'balance_sheet' as part,
        1 as direction,
        session_date,
        balance_sheet_musd as level,
    from liquidity
    union all
    select
        'treasury_account' as part,
        -1 as direction,
        session_date,
        treasury_account_musd as level,
    from liquidity
),

last_levels as (
    select
        moments.moment,
        levels.part,
        levels.direction,
        levels.level,
        moments.day - $liquidity_month_days as month_before,
        moments.day - $liquidity_quarter_days as quarter_before,
    from moments
    inner join levels on levels.session_date = moments.day
),

changes as (
    select
        last_levels.moment,
        last_levels.part,
        last_levels.level - month_ago.level as month_change,
        last_levels.level - quarter_ago.level as quarter_change,
        last_levels.direction,
    from last_levels
    asof join levels as month_ago
        on month_ago.part = last_levels.part
        and month_ago.session_date <= last_levels.month_before
    asof join levels as quarter_ago
        on quarter_ago.part = last_levels.part
        and quarter_ago.session_date <= last_levels.quarter_before
),

final as (
    select
        9 as claim_id, -- Number of the claim.
        part, -- Part of the claim: net_liquidity, balance_sheet or treasury_account.
        moment, -- article.
        printf(
            '%+.1f bn in %d days, %+.1f bn in %d',
            month_change * 0.001,
            $liquidity_month_days,
            quarter_change * 0.001,
            $liquidity_quarter_days
        ) as measured, -- What was measured, in words; null if a level is not known.
        if(direction > 0, 'up in both', 'down in both') as expected, -- What the claim says it should be.
        case
            when direction * month_change > 0 and direction * quarter_change > 0 then true
            when direction * month_change <= 0 and direction * quarter_change <= 0 then false
        end as agrees, -- Whether both changes have the direction of the claim; null if they differ or are not known.
    from changes
)

select * from final
order by claim_id, part, moment
