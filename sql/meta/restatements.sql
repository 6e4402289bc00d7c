-- description: Every value that a later delivery changed, filled in late or no longer had, with what kind of change it was.
-- grain: table_name, id, session_date, captured_at, field
-- known_at: captured_at, when the change was first seen
with clock as (
    select as_of_at from reference.clock
),

instrument_bases as (
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

late_fills as (
    select
        instrument_id,
        session_date,
    from intermediate.late_fills
),

bar_versions as (
    select
        instrument_id,
        session_date,
        close,
        adj_close,
        captured_at,
        version,
    from intermediate.bar_versions
),

macro_versions as (
    select
        series_id,
        observation_date,
        value,
        captured_at,
        version,
        is_late,
    from intermediate.macro_versions
),

actions as (
    select
        instrument_id,
        ex_date,
        kind,
        value,
        captured_at,
        version,
    from raw.equity_actions
),

market_caps as (
    select
        instrument_id,
        session_date,
        market_cap_usd,
        captured_at,
        version,
    from raw.crypto_market_caps
),

vanished as (
    select
        table_name,
        id,
        session_date,
        captured_at,
    from meta.vanished
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
    -- What completes an unfinished bar restates nothing.
    where bar_changes.was_final
),

changed_bars as (
    select
        'raw.' || instrument_bases.asset_class || '_bars' as table_name,
        bar_fields.instrument_id as id,
        bar_fields.session_date,
        bar_fields.captured_at,
        bar_fields.change.field,
        bar_fields.change.old_value,
        bar_fields.change.new_value,
        if(bar_revisions.kind = 'dividend' and bar_fields.change.field <> 'adj_close', 'correction', bar_revisions.kind) as kind,
    from bar_fields
    inner join instrument_bases on instrument_bases.instrument_id = bar_fields.instrument_id
    inner join bar_revisions
        on bar_revisions.instrument_id = bar_fields.instrument_id
        and bar_revisions.session_date = bar_fields.session_date
        and bar_revisions.version = bar_fields.version
    where bar_fields.change.old_value is distinct from bar_fields.change.new_value
),

filled_bars as (
    select
        'raw.' || instrument_bases.asset_class || '_bars' as table_name,
        bar_versions.instrument_id as id,
        bar_versions.session_date,
        bar_versions.captured_at,
        if(bar_versions.close is null, 'adj_close', 'close') as field,
        null::double as old_value,
        coalesce(bar_versions.close, bar_versions.adj_close) as new_value,
        'late_fill' as kind,
    from late_fills
    inner join bar_versions
        on bar_versions.instrument_id = late_fills.instrument_id
        and bar_versions.session_date = late_fills.session_date
        and bar_versions.version = 1
    inner join instrument_bases on instrument_bases.instrument_id = bar_versions.instrument_id
),

split_captures as (
    select distinct
        instrument_id,
        captured_at,
    from actions
    where kind = 'split'
),

-- The other tables have one value per row.
values_over_time as (
    select
        'raw.macro_observations' as table_name,
        series_id as id,
        observation_date as session_date,
        captured_at,
        version,
        'value' as field,
        value,
        is_late,
        false as is_split,
    from macro_versions
    union all
    select
        'raw.crypto_market_caps' as table_name,
        instrument_id as id,
        session_date,
        captured_at,
        version,
        'market_cap_usd' as field,
        market_cap_usd as value,
        false as is_late,
        false as is_split,
    from market_caps
    union all
    select
        'raw.equity_actions' as table_name,
        actions.instrument_id as id,
        actions.ex_date as session_date,
        actions.captured_at,
        actions.version,
        actions.kind as field,
        actions.value,
        false as is_late,
        split_captures.captured_at is not null as is_split,
    from actions
    left join split_captures
        on split_captures.instrument_id = actions.instrument_id
        and split_captures.captured_at = actions.captured_at
),

changed_values as (
    select
        later.table_name,
        later.id,
        later.session_date,
        later.captured_at,
        later.field,
        earlier.value as old_value,
        later.value as new_value,
        case when later.is_late then 'late_fill' when later.is_split then 'split' else 'correction' end as kind,
    from values_over_time as later
    left join values_over_time as earlier
        on earlier.table_name = later.table_name
        and earlier.id = later.id
        and earlier.session_date = later.session_date
        and earlier.field = later.field
        and earlier.version = later.version - 1
    where later.version > 1 or later.is_late
),

vanished_rows as (
    select
        table_name,
        id,
        session_date,
        captured_at,
        'row' as field,
        null::double as old_value,
        null::double as new_value,
        'vanished' as kind,
    from vanished
),

restatements as (
    select * from changed_bars
    union all
    select * from filled_bars
    union all
    select * from changed_values
    union all
    select * from vanished_rows
),

final as (
    select
        restatements.table_name, -- The raw table.
        restatements.id, -- The instrument or series.
        restatements.session_date, -- The day that the value is about.
        restatements.captured_at, -- When the change was first seen, UTC.
        restatements.field, -- The column that changed; row where the whole row has vanished.
        restatements.old_value, -- The value before [unit of the field]; null where there was none.
        restatements.new_value, -- The value since [unit of the field]; null where the row has vanished. What is stored stays all the same.
        restatements.kind, -- split, dividend, correction, late_fill (came after newer ones) or vanished (no longer delivered).
    from restatements
    cross join clock
    where restatements.captured_at <= clock.as_of_at
)

select * from final
order by table_name, id, session_date, captured_at, field
