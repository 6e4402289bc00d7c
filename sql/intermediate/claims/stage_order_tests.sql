-- description: How often the next stage of the cascade followed in order, with a p over shifts of the turn-ons.
-- grain: from_stage, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        day,
        moment_at,
    from intermediate.claim_moments
),

stages as (
    select
        stage,
        session_date,
        is_turn_on,
    from marts.cascade
    where is_on is not null
),

orders as (
    select
        from_stage,
        to_stage,
        session_date,
        is_in_order,
        decided_at,
    from intermediate.stage_orders
    where to_stage = from_stage + 1 and is_in_order is not null
),

-- As in marts.cascade_order the last year is left out, because only some of its turn-ons are decided.
sessions as (
    select
        moments.moment,
        orders.from_stage,
        orders.session_date,
        orders.is_in_order,
        stages.is_turn_on,
        row_number() over ordered - 1 as number,
        count(*) over all_sessions as sessions,
    from orders
    inner join stages
        on stages.stage = orders.from_stage
        and stages.session_date = orders.session_date
    inner join moments
        on moments.moment_at >= orders.decided_at
        and moments.day > orders.session_date + $lag_days
    window
        ordered as (
            partition by moments.moment, orders.from_stage
            order by orders.session_date
            rows between unbounded preceding and current row
        ),
        all_sessions as (
            partition by moments.moment, orders.from_stage
            order by orders.session_date
            rows between unbounded preceding and unbounded following
        )
),

turn_ons as (
    select
        moment,
        from_stage,
        number,
        sessions,
        unnest(range(0, sessions, $claim_shift_sessions)) as shift,
    from sessions
    where is_turn_on
),

shifted as (
    select
        turn_ons.moment,
        turn_ons.from_stage,
        turn_ons.shift,
        count(*) as turn_ons,
        avg(sessions.is_in_order::integer) as share,
    from turn_ons
    inner join sessions
        on sessions.moment = turn_ons.moment
        and sessions.from_stage = turn_ons.from_stage
        and sessions.number = (turn_ons.number + turn_ons.shift) % turn_ons.sessions
    group by turn_ons.moment, turn_ons.from_stage, turn_ons.shift
),

expected as (
    select
        moment,
        from_stage,
        avg(is_in_order::integer) as share,
    from sessions
    group by moment, from_stage
),

final as (
    select
        observed.from_stage, -- Number of the stage that turned on.
        observed.moment, -- article or clock.
        any_value(observed.turn_ons) as n, -- Its turn-ons at least a year before, with the state of the next stage known.
        any_value(observed.share) as share, -- Share of them that the next stage followed in order [fraction].
        any_value(expected.share) as chance, -- The same over all sessions, which is the mean over all shifts [fraction].
        count_if(
            abs(shifted.share - expected.share) >= abs(observed.share - expected.share) - 1e-12
        ) / nullif(count(*), 0) as p_value, -- Two-sided: share of the shifts by whole months, shift 0 included, that are as far from chance.
    from shifted as observed
    inner join shifted
        on shifted.moment = observed.moment
        and shifted.from_stage = observed.from_stage
    inner join expected
        on expected.moment = observed.moment
        and expected.from_stage = observed.from_stage
    where observed.shift = 0
    group by observed.from_stage, observed.moment
)

select * from final
order by from_stage, moment
