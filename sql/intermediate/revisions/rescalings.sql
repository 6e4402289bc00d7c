-- description: Captures in which a source delivered an instrument's whole history on a new price scale, as after a
--   split.
-- grain: instrument_id, captured_at
-- known_at: the run's clock
with changes as (
    select
        instrument_id,
        captured_at,
        was_final,
        is_moved,
        rescaling,
    from intermediate.bar_changes
),

final as (
    select
        instrument_id, -- The instrument.
        captured_at, -- When the history on the new scale was first seen.
        median(rescaling) as factor, -- New price over old price of the same session [factor]; 0.25 for a split of four for one.
    from changes
    where was_final and is_moved
    group by instrument_id, captured_at
    having count(*) >= $split_rows and abs(median(rescaling) - 1) >= $split_smallest
)

select * from final
order by instrument_id, captured_at
