-- description: The market around each breakout at the close that decided it: the breadth of its group and the change of
--   net liquidity.
-- grain: event_id
-- known_at: decided_at
with events as (
    select
        event_id,
        subject_id,
        session_date,
        decided_at,
    from intermediate.breakout_events
),

instruments as (
    select
        instrument_id,
        role,
    from core.instruments
),

pairs as (
    select
        pair_id,
        numerator,
    from core.pairs
),

breadth_groups as (
    select
        role,
        group_id,
        preference,
    from reference.breadth_groups
),

breadth as (
    select
        group_id,
        session_date,
        share_above_sma200,
        known_at,
    from marts.breadth
),

liquidity as (
    select
        session_date,
        change_91d_musd,
        known_at,
    from marts.liquidity
),

-- A ratio belongs to the market of its numerator.
markets as (
    select
        events.event_id,
        events.session_date,
        events.decided_at,
        instruments.role,
    from events
    left join pairs on pairs.pair_id = events.subject_id
    inner join instruments on instruments.instrument_id = coalesce(pairs.numerator, events.subject_id)
),

latest_breadth as (
    select
        markets.event_id,
        breadth.share_above_sma200,
    from markets
    inner join breadth_groups on breadth_groups.role = markets.role
    inner join breadth
        on breadth.group_id = breadth_groups.group_id
        and breadth.session_date between markets.session_date - $signal_age_days and markets.session_date
        and breadth.known_at <= markets.decided_at
    qualify row_number() over (
        partition by markets.event_id
        order by breadth_groups.preference asc, breadth.session_date desc
    ) = 1
),

latest_liquidity as (
    select
        events.event_id,
        liquidity.change_91d_musd,
    from events
    inner join liquidity
        on liquidity.session_date between events.session_date - $signal_age_days and events.session_date
        and liquidity.known_at <= events.decided_at
    qualify row_number() over (partition by events.event_id order by liquidity.session_date desc) = 1
),

final as (
    select
        events.event_id, -- The breakout.
        latest_breadth.share_above_sma200 as breadth_sma200, -- Share of the group's members above their $long_mean-session mean [fraction].
        latest_liquidity.change_91d_musd as liquidity_change_91d, -- Change of net liquidity over $liquidity_quarter_days days [USD millions].
        events.decided_at, -- The close that decided the breakout, UTC.
    from events
    left join latest_breadth on latest_breadth.event_id = events.event_id
    left join latest_liquidity on latest_liquidity.event_id = events.event_id
)

select * from final
order by event_id
