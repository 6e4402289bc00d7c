-- description: What each forecast that is due rests on: the responses of its target to the signal's earlier events, as far
--   as they were known when the signal triggered.
-- grain: event_id, trigger, target_id, horizon_days
-- known_at: trigger_at
with questions as (
    select
        signal_id,
        event_id,
        trigger,
        trigger_at,
        target_id,
        horizon_days,
        is_primary,
        -- Thousands of groups with as many rows each are gathered faster by a number.
        row_number() over (order by event_id, trigger, target_id, horizon_days) as question,
    from intermediate.forecast_questions
),

responses as (
    select
        pattern_id,
        target_id,
        horizon_days,
        forward_return,
        episode,
        known_at,
    from intermediate.pattern_windows
),

known as (
    select
        questions.question,
        count(*) as n_events,
        count(distinct responses.episode) as n_episodes,
        list_sort(list(responses.forward_return)) as responses,
    from questions
    inner join responses
        on responses.pattern_id = questions.signal_id
        and responses.target_id = questions.target_id
        and responses.horizon_days = questions.horizon_days
        and responses.known_at <= questions.trigger_at
    group by questions.question
),

-- The place p (n + 1) among the n responses, from either end. A share p of future draws from the same distribution lies
-- beyond it, whatever the distribution (Hyndman and Fan 1996, definition 6).
placed as (
    select
        *,
        $forecast_tail * (n_events + 1) as place,
        floor($forecast_tail * (n_events + 1))::integer as below,
    from known
),

final as (
    select
        questions.signal_id, -- subject:kind:trigger.
        questions.event_id, -- The breakout, or stage:turn_on:session.
        questions.trigger, -- decided or confirmed.
        questions.trigger_at, -- Instant at which the signal was known, UTC.
        questions.target_id, -- The target.
        questions.horizon_days, -- Calendar days held.
        questions.is_primary, -- Whether the question belongs to the primary family.
        coalesce(placed.n_events, 0) as n_events, -- Earlier events of the signal whose windows were complete by then.
        coalesce(placed.n_episodes, 0) as n_episodes, -- Episodes of these events.
        0.5 * (
            placed.responses[(placed.n_events + 1) // 2] + placed.responses[placed.n_events // 2 + 1]
        ) as median, -- Median of the responses [fraction]; for ALTSEASON of the differences.
        case
            when placed.below >= 1
                then placed.responses[placed.below]
                    + (placed.place - placed.below)
                    * (placed.responses[placed.below + 1] - placed.responses[placed.below])
        end as low, -- Low end of the range [fraction]; null if there are too few responses for a range.
        case
            when placed.below >= 1
                then placed.responses[placed.n_events + 1 - placed.below]
                    - (placed.place - placed.below)
                    * (placed.responses[placed.n_events + 1 - placed.below] - placed.responses[placed.n_events - placed.below])
        end as high, -- High end of the range [fraction]; null if there are too few responses for a range.
        coalesce(placed.responses, []) as responses, -- The responses, in ascending order [fraction].
    from questions
    left join placed on placed.question = questions.question
)

select * from final
order by event_id, trigger, target_id, horizon_days
