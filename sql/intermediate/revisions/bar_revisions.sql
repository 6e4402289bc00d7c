-- description: Every later version of a bar and every late fill, with the kind of change and when its price could first
--   be known.
-- grain: instrument_id, session_date, version
-- known_at: the run's clock
with changes as (
    select
        instrument_id,
        session_date,
        version,
        captured_at,
        was_final,
        is_moved,
        is_adjusted,
        rescaling,
        adjustment,
        adj_close,
    from intermediate.bar_changes
),

late_fills as (
    select
        instrument_id,
        session_date,
        captured_at,
    from intermediate.late_fills
),

-- A split moves a whole history by one factor. That does not correct any session.
splits as (
    select
        instrument_id,
        captured_at,
        factor,
    from intermediate.rescalings
),

-- A dividend moves the vendor's earlier total-return closes by one factor and leaves the closes as they are.
dividends as (
    select
        instrument_id,
        captured_at,
        median(adjustment) as factor,
    from changes
    where was_final and is_adjusted and adjustment is not null
    group by instrument_id, captured_at
    having count(*) >= $split_rows
),

later_versions as (
    select
        changes.instrument_id,
        changes.session_date,
        changes.version,
        changes.captured_at,
        changes.is_moved,
        case
            when not changes.was_final then null
            when changes.is_moved
                and abs(changes.rescaling / nullif(splits.factor, 0) - 1) <= $split_rounding
                then 'split'
            when changes.is_adjusted
                and abs(changes.adjustment / nullif(dividends.factor, 0) - 1)
                <= $dividend_rounding + 0.01 / nullif(changes.adj_close, 0)
                then 'dividend'
            else 'correction'
        end as kind,
    from changes
    left join splits
        on splits.instrument_id = changes.instrument_id
        and splits.captured_at = changes.captured_at
    left join dividends
        on dividends.instrument_id = changes.instrument_id
        and dividends.captured_at = changes.captured_at
),

revisions as (
    select * from later_versions
    union all
    select
        instrument_id,
        session_date,
        1 as version,
        captured_at,
        true as is_moved,
        'late_fill' as kind,
    from late_fills
),

final as (
    select
        instrument_id, -- The instrument.
        session_date, -- The session.
        version, -- The version that brought the change.
        captured_at, -- When it was first seen.
        kind, -- split, dividend, correction or late_fill; null for a version that completed an unfinished bar.
        max(if(is_moved and kind in ('correction', 'late_fill'), captured_at, null)) over (
            partition by instrument_id, session_date
            order by version
            rows between unbounded preceding and current row
        ) as corrected_at, -- When the price of this version was last corrected or filled in; null if it never was.
    from revisions
)

select * from final
order by instrument_id, session_date, version
