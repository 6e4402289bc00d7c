-- description: Every version of the volume of each bar that was corrected at least once.
-- grain: instrument_id, bar_number, version
-- known_at: known_at
-- Few bars are ever corrected. All others have one version, the one in core.bars.
with corrected_bars as materialized (
    select
        instrument_id,
        session_date,
        bar_number,
    from core.bars
    where is_final and version > 1
),

versions as (
    select
        instrument_id,
        session_date,
        volume,
        version,
        captured_at,
        known_at,
    from intermediate.visible_bars
    where is_final
),

final as (
    select
        versions.instrument_id, -- The instrument, a row of core.instruments.
        corrected_bars.bar_number, -- Position among the instrument's bars, as in core.bars.
        versions.version, -- 1 for the first value seen, one more for each correction.
        nullif(versions.volume, 0) as volume, -- Volume of this version [shares, or USD for crypto]; null if the vendor does not know it (it then delivers 0).
        versions.captured_at, -- When this version was first seen, UTC.
        versions.known_at, -- When this version could first be known, UTC.
    from versions
    inner join corrected_bars
        on corrected_bars.instrument_id = versions.instrument_id
        and corrected_bars.session_date = versions.session_date
)

select * from final
order by instrument_id, bar_number, version
