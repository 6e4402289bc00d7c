-- description: How liquidity and the cost of funding had moved at the close before the article.
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
        last_levels.direction,
        last_levels.level - month_ago.level as month_change,
        last_levels.level - quarter_ago.level as quarter_change,
    from last_levels
    asof join levels as month_ago
        on month_ago.part = last_levels.part
        and month_ago.session_date <= last_levels.month_before
    asof join levels as quarter_ago
        on quarter_ago.part = last_levels.part
        and quarter_ago.session_date <= last_levels.quarter_before
),

macro as (
    select
        series_id,
        session_date,
        value,
    from intermediate.macro_at_close
    where series_id in ('SOFR', 'DFF', 'BAMLH0A0HYM2') and not is_stale
),

-- Percentage points above what counts as safe.
spreads as (
    select
        'funding_rate' as part,
        rates.session_date,
        rates.value - policy.value as spread,
    from macro as rates
    inner join macro as policy
        on policy.session_date = rates.session_date
        and policy.series_id = 'DFF'
    where rates.series_id = 'SOFR'
    union all
    select
        'credit_spread' as part,
        session_date,
        value as spread,
    from macro
    where series_id = 'BAMLH0A0HYM2'
),

stress as (
    select
        moments.moment,
        spreads.part,
        round(median(spreads.spread) filter (
            where spreads.session_date > moments.day - $claim_funding_days
        ), 9) as spread,
        round(median(spreads.spread) filter (
            where spreads.session_date <= moments.day - $claim_funding_days
        ), 9) as spread_before,
    from moments
    inner join spreads
        on spreads.session_date <= moments.day
        and spreads.session_date > moments.day - 2 * $claim_funding_days
    group by moments.moment, spreads.part
),

facts as (
    select
        9 as claim_id,
        part,
        moment,
        printf(
            '%+.1f bn in %d days, %+.1f bn in %d',
            month_change * 0.001,
            $liquidity_month_days,
            quarter_change * 0.001,
            $liquidity_quarter_days
        ) as measured,
        if(direction > 0, 'up in both', 'down in both') as expected,
        case
            when direction * month_change > 0 and direction * quarter_change > 0 then true
            when direction * month_change <= 0 and direction * quarter_change <= 0 then false
        end as agrees,
    from changes
    union all
    select
        22 as claim_id,
        part,
        moment,
        printf('%+.2f points after %+.2f', spread, spread_before) as measured,
        'lower' as expected,
        spread < spread_before as agrees,
    from stress
),

final as (
    select
        claim_id, -- The claim.
        part, -- The part of it.
        moment, -- article: the facts are those of its day.
        measured, -- What was, in words; null where it is not known.
        expected, -- What should have been.
        null::bigint as n, -- Null: it is one number.
        agrees, -- Whether the one is the other; null where it is not known, or the two horizons disagree.
    from facts
)

select * from final
order by claim_id, part, moment
