-- description: The shift test of every signal on every target at every horizon, with the corrected p-value of the primary
--   family. A signal without events has rows too.
-- grain: signal_id, target_id, horizon_days
-- known_at: the run's clock
-- form: view
with signals as (
    select signal_id from reference.signals
),

targets as (
    select distinct target_id from intermediate.forward_windows
),

horizons as (
    select horizon_days from reference.horizons
),

family as (
    select
        signal_id,
        target_id,
        horizon_days,
    from reference.primary_family
),

tests as (
    select
        pattern_id,
        target_id,
        horizon_days,
        p_value,
        min_p,
    from intermediate.shift_tests
),

q_values as (
    select
        signal_id,
        target_id,
        horizon_days,
        q_value,
    from intermediate.family_q_values
),

questions as (
    select
        signals.signal_id,
        targets.target_id,
        horizons.horizon_days,
    from signals
    cross join targets
    cross join horizons
),

final as (
    select
        questions.signal_id, -- subject:kind:trigger.
        questions.target_id, -- The target.
        questions.horizon_days, -- Calendar days held.
        family.signal_id is not null as is_primary, -- Whether the question belongs to the primary family.
        tests.p_value, -- p-value of the shift test; null without events.
        tests.min_p, -- The smallest possible p_value.
        q_values.q_value, -- p_value corrected for the size of the primary family; null outside it.
    from questions
    left join family
        on family.signal_id = questions.signal_id
        and family.target_id = questions.target_id
        and family.horizon_days = questions.horizon_days
    left join tests
        on tests.pattern_id = questions.signal_id
        and tests.target_id = questions.target_id
        and tests.horizon_days = questions.horizon_days
    left join q_values
        on q_values.signal_id = questions.signal_id
        and q_values.target_id = questions.target_id
        and q_values.horizon_days = questions.horizon_days
)

select * from final
