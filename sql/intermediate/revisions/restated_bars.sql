-- description: Every field of a finished bar that a later version changed, with the kind of change.
-- grain: table_name, id, session_date, captured_at, field
-- known_at: captured_at
-- form: view
with instrument_bases as (
    select
        instrument_id,
        asset_class,
    from intermediate.instrument_bases
),

bar_changes as (
    select
        instrument_id,
        session_date,
        version,
        captured_at,
        was_final,
        old_open,
        open,
        old_high,
        high,
        old_low,
        low,
        old_close,
        close,
        old_adj_close,
        adj_close,
        old_volume,
        volume,
    from intermediate.bar_changes
),

bar_revisions as (
    select
        instrument_id,
        session_date,
        version,
        kind,
    from intermediate.bar_revisions
),

bar_fields as (
    select
        bar_changes.instrument_id,
        bar_changes.session_date,
        bar_changes.version,
        bar_changes.captured_at,
        unnest([
            struct_pack(field := 'open', old_value := bar_changes.old_open, new_value := bar_changes.open),
            struct_pack(field := 'high', old_value := bar_changes.old_high, new_value := bar_changes.high),
            struct_pack(field := 'low', old_value := bar_changes.old_low, new_value := bar_changes.low),
            struct_pack(field := 'close', old_value := bar_changes.old_close, new_value := bar_changes.close),
            struct_pack(field := 'adj_close', old_value := bar_changes.old_adj_close, new_value := bar_changes.adj_close),
            struct_pack(field := 'volume', old_value := bar_changes.old_volume, new_value := bar_changes.volume)
        ]) as change,
    from bar_changes
    -- A version that completes an unfinished bar is not a restatement.
    where bar_changes.was_final
),

final as (
    select
        'raw.' || instrument_bases.asset_class || '_bars' as table_name, -- The raw table.
        bar_fields.instrument_id as id, -- The instrument.
        bar_fields.session_date, -- The session.
        bar_fields.captured_at, -- When the change was first seen, UTC.
        bar_fields.change.field, -- The column that changed.
        bar_fields.change.old_value, -- The value before.
        bar_fields.change.new_value, -- The value since.
        if(bar_revisions.kind = 'dividend' and bar_fields.change.field <> 'adj_close', 'correction', bar_revisions.kind) as kind, -- split, dividend or correction.
    from bar_fields
    inner join instrument_bases on instrument_bases.instrument_id = bar_fields.instrument_id
    inner join bar_revisions
        on bar_revisions.instrument_id = bar_fields.instrument_id
        and bar_revisions.session_date = bar_fields.session_date
        and bar_revisions.version = bar_fields.version
    where bar_fields.change.old_value is distinct from bar_fields.change.new_value
)

select * from final
