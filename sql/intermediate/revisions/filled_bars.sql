-- description: Every bar that arrived after newer bars of the same instrument, with the price it brought.
-- grain: table_name, id, session_date
-- known_at: captured_at
-- form: view
with instrument_bases as (
    select
        instrument_id,
        asset_class,
    from intermediate.instrument_bases
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

final as (
    select
        'raw.' || instrument_bases.asset_class || '_bars' as table_name, -- The raw table.
        bar_versions.instrument_id as id, -- The instrument.
        bar_versions.session_date, -- The session.
        bar_versions.captured_at, -- When the bar was first seen, UTC.
        if(bar_versions.close is null, 'adj_close', 'close') as field, -- close; adj_close for a bar without a close.
        coalesce(bar_versions.close, bar_versions.adj_close) as new_value, -- The price.
    from late_fills
    inner join bar_versions
        on bar_versions.instrument_id = late_fills.instrument_id
        and bar_versions.session_date = late_fills.session_date
        and bar_versions.version = 1
    inner join instrument_bases on instrument_bases.instrument_id = bar_versions.instrument_id
)

select * from final
