-- description: How every price, ratio and net liquidity changed in each finished month and quarter: pieces of time that
--   do not overlap, the same whenever one looks.
-- grain: subject_id, period, period_start
-- known_at: known_at, when the period was over and the prices at both of its ends were known
with clock as (
    select as_of_at from reference.clock
),

-- Shares of groups are asked for by nobody.
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

-- What adds up over time: logarithms of prices, dollars of liquidity.
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

-- What stopped before the end of the period says nothing of its end.
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
        whole.level - earlier.level as change, -- Change from the last session of the period before to its last session: log return, of net_liquidity USD millions.
        greatest(whole.next_start::timestamptz, whole.known_at, earlier.known_at) as known_at, -- When the period was over and both prices known, UTC.
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
