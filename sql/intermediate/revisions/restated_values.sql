-- description: Every macro observation, market value, dividend and split that a later delivery changed or filled in
--   late.
-- grain: table_name, id, session_date, captured_at, field
-- known_at: captured_at
-- form: view
with versions as (
    select
        table_name,
        id,
        session_date,
        captured_at,
        version,
        field,
        value,
        is_late,
        is_split,
    from intermediate.value_versions
),

final as (
    select
        later.table_name, -- The raw table.
        later.id, -- The instrument or series.
        later.session_date, -- The day that the value is about.
        later.captured_at, -- When the change was first seen, UTC.
        later.field, -- The column that changed; of an action its kind.
        earlier.value as old_value, -- The value before; null for a late fill.
        later.value as new_value, -- The value since.
        case when later.is_late then 'late_fill' when later.is_split then 'split' else 'correction' end as kind, -- late_fill, split or correction.
    from versions as later
    left join versions as earlier
        on earlier.table_name = later.table_name
        and earlier.id = later.id
        and earlier.session_date = later.session_date
        and earlier.field = later.field
        and earlier.version = later.version - 1
    where later.version > 1 or later.is_late
)

select * from final
