-- description: How broadly a group of instruments moves: the share of members above their means of $short_mean and
--   $long_mean sessions, and the number of new highs and lows.
-- grain: group_id, session_date
-- known_at: known_at, when the last member's bar was known
with groups as (
    select
        group_id,
        instrument_id,
        valid_from,
        valid_to,
        is_proxy,
    from core.groups
),

bars as (
    select
        instrument_id,
        session_date,
        signal_price,
        known_at,
    from core.bars
    where is_final
        and signal_price is not null
        and instrument_id in (select instrument_id from groups)
),

-- A member's means use all of its own sessions, including those before it joined.
measured as (
    select
        instrument_id,
        session_date,
        signal_price,
        known_at,
        row_number() over ordered as sessions,
        avg(signal_price) over short_trend as short_mean,
        avg(signal_price) over long_trend as long_mean,
        max(signal_price) over earlier_year as earlier_high,
        min(signal_price) over earlier_year as earlier_low,
    from bars
    window
        ordered as (
            partition by instrument_id
            order by session_date
            rows between unbounded preceding and current row
        ),
        short_trend as (
            partition by instrument_id
            order by session_date
            rows between $short_mean - 1 preceding and current row -- noqa: PRS
        ),
        long_trend as (
            partition by instrument_id
            order by session_date
            rows between $long_mean - 1 preceding and current row -- noqa: PRS
        ),
        earlier_year as (
            partition by instrument_id
            order by session_date
            rows between $breadth_year preceding and 1 preceding
        )
),

-- A member with too few sessions gets null, so it is not counted. Prices have two decimals, so a price can equal its
-- mean exactly. Rounding keeps the last binary digit from deciding.
judged as (
    select
        instrument_id,
        session_date,
        known_at,
        if(sessions >= $short_mean, round(signal_price / nullif(short_mean, 0), 9) > 1, null) as is_above_short,
        if(sessions >= $long_mean, round(signal_price / nullif(long_mean, 0), 9) > 1, null) as is_above_long,
        if(sessions > $breadth_year, signal_price > earlier_high, null) as is_new_high,
        if(sessions > $breadth_year, signal_price < earlier_low, null) as is_new_low,
    from measured
),

counted as (
    select
        groups.group_id,
        judged.session_date,
        count(*) as members,
        count(judged.is_above_short) as known_short,
        count_if(judged.is_above_short) as above_short,
        count(judged.is_above_long) as known_long,
        count_if(judged.is_above_long) as above_long,
        count(judged.is_new_high) as known_year,
        count_if(judged.is_new_high) as new_highs,
        count_if(judged.is_new_low) as new_lows,
        bool_or(groups.is_proxy) as is_proxy,
        max(judged.known_at) as known_at,
    from groups
    inner join judged
        on judged.instrument_id = groups.instrument_id
        and judged.session_date >= groups.valid_from
        and judged.session_date <= coalesce(groups.valid_to, judged.session_date)
    group by groups.group_id, judged.session_date
),

final as (
    select
        group_id, -- The group, a row of core.groups.
        session_date, -- Session of the group's calendar: of the exchange, or every UTC day for coins.
        members, -- Members on that day with a final bar of it.
        if(known_short >= $breadth_least_members, above_short / nullif(known_short, 0), null) as share_above_sma50, -- Share of members above their mean of $short_mean sessions [fraction], among those with that many sessions; null if they are fewer than $breadth_least_members.
        if(known_long >= $breadth_least_members, above_long / nullif(known_long, 0), null) as share_above_sma200, -- Share of members above their mean of $long_mean sessions [fraction], among those with that many sessions; null if they are fewer than $breadth_least_members.
        if(known_year >= $breadth_least_members, new_highs, null) as new_highs_252, -- Members above every price of their $breadth_year sessions before; null if fewer than $breadth_least_members have that many.
        if(known_year >= $breadth_least_members, new_lows, null) as new_lows_252, -- Members below every price of their $breadth_year sessions before; null if fewer than $breadth_least_members have that many.
        is_proxy, -- Whether the group consists of today's survivors, which makes its past look better than it was.
        known_at, -- When the last of the bars could first be known, UTC.
    from counted
)

select * from final
order by group_id, session_date
