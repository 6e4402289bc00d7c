-- description: The change of every price, every ratio and net liquidity in each finished calendar month and quarter.
-- grain: subject_id, period, period_start
-- known_at: known_at, when the period was over and both of its end values were known
with clock as (
    select as_of_at from reference.clock
),

-- Shares serve as members of groups only, so they are left out.
shares as (
    select instrument_id
    from core.instruments
    where role = 'other'
),

prices as (
    select
        subject_id,
        session_date,
        price,
        known_at,
    from intermediate.price_paths
    where subject_id not in (select shares.instrument_id from shares)
),

liquidity as (
    select
        session_date,
        net_liquidity_musd,
        known_at,
    from marts.liquidity
),

-- Changes of these add up over time: logarithms of prices, dollars of liquidity.
levels as (
    select
        subject_id,
        session_date,
        ln(price) as level,
        known_at,
    from prices
    union all
    select
        'net_liquidity' as subject_id,
        session_date,
        net_liquidity_musd as level,
        known_at,
    from liquidity
    where net_liquidity_musd is not null
),

periods as (
    select periods.*
    from (values ('month', 1), ('quarter', 3)) as periods (period, months)
),

ends as (
    select
        levels.subject_id,
        periods.period,
        date_trunc(periods.period, levels.session_date)::date as period_start,
        (date_trunc(periods.period, levels.session_date) + to_months(any_value(periods.months)))::date as next_start,
        max(levels.session_date) as session_date,
        arg_max(levels.level, levels.session_date) as level,
        arg_max(levels.known_at, levels.session_date) as known_at,
    from levels
    cross join periods
    group by levels.subject_id, periods.period, date_trunc(periods.period, levels.session_date)
),

-- A subject that stopped before the end of the period has no value at its end.
whole as (
    select *
    from ends
    where session_date >= next_start - $exit_tolerance_days
),

final as (
    select
        whole.subject_id, -- Instrument, pair, or net_liquidity.
        whole.period, -- month or quarter.
        whole.period_start, -- Its first day.
        whole.level - earlier.level as change, -- Change from the last session of the period before to the last of this one: log return; USD millions for net_liquidity.
        greatest(whole.next_start::timestamptz, whole.known_at, earlier.known_at) as known_at, -- When the period was over and both values known, UTC.
    from whole
    inner join whole as earlier
        on earlier.subject_id = whole.subject_id
        and earlier.period = whole.period
        and earlier.next_start = whole.period_start
    cross join clock
    where greatest(whole.next_start::timestamptz, whole.known_at, earlier.known_at) <= clock.as_of_at
)

select * from final
order by subject_id, period, period_start
