-- description: What each signal had to go by when it came: what each target that traded then had done after the signal's
--   earlier events, as far as that was known. Only forecasts that are not frozen yet.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: trigger_at
with clock as (
    select as_of_at from reference.clock
),

triggers as (
    select
        signal_id,
        event_id,
        trigger,
        trigger_at,
    from intermediate.triggers
),

horizons as (
    select horizon_days from reference.horizons
),

prices as (
    select
        target_id,
        closes_at,
    from intermediate.target_prices
),

family as (
    select
        signal_id,
        target_id,
        horizon_days,
    from reference.primary_family
),

responses as (
    select
        pattern_id,
        target_id,
        horizon_days,
        entry_date,
        forward_return,
        episode,
        known_at,
    from intermediate.pattern_windows
),

-- In the past that a look back rebuilds, nothing was frozen yet that was frozen later.
frozen as (
    select
        frozen_forecasts.event_id,
        frozen_forecasts.trigger,
        frozen_forecasts.target_id,
        frozen_forecasts.horizon_days,
    from reference.frozen_forecasts
    inner join clock on frozen_forecasts.frozen_at <= clock.as_of_at
),

targets as (
    select distinct target_id from prices
),

occasions as (
    select
        triggers.*,
        targets.target_id,
    from triggers
    cross join targets
),

-- Of what is not there yet, or has died, nothing is forecast.
traded as (
    select occasions.*
    from occasions
    asof join prices
        on prices.target_id = occasions.target_id
        and prices.closes_at <= occasions.trigger_at
    where prices.closes_at > occasions.trigger_at - to_days($exit_tolerance_days)
),

asked as (
    select
        traded.*,
        horizons.horizon_days,
        -- Thousands of groups of as many rows are gathered faster by a number.
        row_number() over (order by traded.event_id, traded.trigger, traded.target_id, horizons.horizon_days) as question,
    from traded
    cross join horizons
    left join frozen
        on frozen.event_id = traded.event_id
        and frozen.trigger = traded.trigger
        and frozen.target_id = traded.target_id
        and frozen.horizon_days = horizons.horizon_days
    where frozen.event_id is null
),

known as (
    select
        asked.question,
        count(*) as n_events,
        count(distinct responses.episode) as n_episodes,
        list_sort(list(responses.forward_return)) as responses,
    from asked
    inner join responses
        on responses.pattern_id = asked.signal_id
        and responses.target_id = asked.target_id
        and responses.horizon_days = asked.horizon_days
        and responses.known_at <= asked.trigger_at
    group by asked.question
),

-- Between which of the responses, from either end, a tenth of them lies: the place p(n+1), whose share of future draws
-- from the same distribution is p, whatever the distribution (Hyndman and Fan 1996, definition 6).
placed as (
    select
        *,
        $forecast_tail * (n_events + 1) as place,
        floor($forecast_tail * (n_events + 1))::integer as below,
    from known
),

final as (
    select
        asked.signal_id, -- subject:kind:trigger.
        asked.event_id, -- The breakout, or stage:turn_on:session.
        asked.trigger, -- decided or confirmed.
        asked.trigger_at, -- Instant at which the signal was known.
        asked.target_id, -- The target.
        asked.horizon_days, -- Calendar days held.
        family.signal_id is not null as is_primary, -- Whether the question belongs to the primary family.
        coalesce(placed.n_events, 0) as n_events, -- Earlier events of the signal whose windows were complete by then.
        coalesce(placed.n_episodes, 0) as n_episodes, -- Episodes of them.
        0.5 * (
            placed.responses[(placed.n_events + 1) // 2] + placed.responses[placed.n_events // 2 + 1]
        ) as median, -- Median of their responses [fraction]; of the altseason index of the differences.
        case
            when placed.below >= 1
                then placed.responses[placed.below]
                    + (placed.place - placed.below)
                    * (placed.responses[placed.below + 1] - placed.responses[placed.below])
        end as low, -- Low end of the range [fraction]; null where there are too few responses for one.
        case
            when placed.below >= 1
                then placed.responses[placed.n_events + 1 - placed.below]
                    - (placed.place - placed.below)
                    * (placed.responses[placed.n_events + 1 - placed.below] - placed.responses[placed.n_events - placed.below])
        end as high, -- High end of the range [fraction].
        coalesce(placed.responses, []) as responses, -- The responses, from the lowest on [fraction].
    from asked
    left join placed on placed.question = asked.question
    left join family
        on family.signal_id = asked.signal_id
        and family.target_id = asked.target_id
        and family.horizon_days = asked.horizon_days
)

select * from final
order by event_id, trigger, target_id, horizon_days
