-- description: Captures in which a source delivered an instrument's whole history on a new price scale, as after a
--   split.
-- grain: instrument_id, captured_at
-- known_at: captured_at, when the history on the new scale was first seen
with clock as (
    select as_of_at from reference.clock
),

rescalings as (
    select
        instrument_id,
        captured_at,
        factor,
    from intermediate.rescalings
),

final as (
    select
        rescalings.instrument_id, -- The instrument, a row of core.instruments.
        rescalings.captured_at, -- When the history on the new scale was first seen, UTC.
        rescalings.factor, -- New price over old price of the same session [factor]; 0.25 for a split of four for one.
    from rescalings
    cross join clock
    where rescalings.captured_at <= clock.as_of_at
)

select * from final
order by instrument_id, captured_at
