-- description: Every stored value that a later delivery changed, filled in late or no longer contained, with the kind
--   of change.
-- grain: table_name, id, session_date, captured_at, field
-- known_at: captured_at, when the change was first seen
with clock as (
    select as_of_at from reference.clock
),

restated_bars as (
    select
        table_name,
        id,
        session_date,
        captured_at,
        field,
        old_value,
        new_value,
        kind,
    from intermediate.restated_bars
),

filled_bars as (
    select
        table_name,
        id,
        session_date,
        captured_at,
        field,
        null::double as old_value,
        new_value,
        'late_fill' as kind,
    from intermediate.filled_bars
),

restated_values as (
    select
        table_name,
        id,
        session_date,
        captured_at,
        field,
        old_value,
        new_value,
        kind,
    from intermediate.restated_values
),

vanished as (
    select
        table_name,
        id,
        session_date,
        captured_at,
        'row' as field,
        null::double as old_value,
        null::double as new_value,
        'vanished' as kind,
    from meta.vanished
),

restatements as (
    select * from restated_bars
    union all
    select * from filled_bars
    union all
    select * from restated_values
    union all
    select * from vanished
),

final as (
    select
        restatements.table_name, -- The raw table.
        restatements.id, -- The instrument or series.
        restatements.session_date, -- The day that the value is about.
        restatements.captured_at, -- When the change was first seen, UTC.
        restatements.field, -- The column that changed; the kind for a dividend or split; row for a vanished row.
        restatements.old_value, -- The value before [unit of the field]; null if there was none.
        restatements.new_value, -- The value since [unit of the field]; null for a vanished row, which is kept.
        restatements.kind, -- split, dividend, correction, late_fill (arrived after newer rows) or vanished (no longer delivered).
    from restatements
    cross join clock
    where restatements.captured_at <= clock.as_of_at
)

select * from final
order by table_name, id, session_date, captured_at, field
