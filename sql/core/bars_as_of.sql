-- description: The bars as they were known at an instant. Example: from core.bars_as_of('2024-03-05 21:00:00+00').
-- grain: instrument_id, session_date
-- known_at: known_at, the close of the session, or when a correction or late fill was captured
-- form: macro
with current_bars as (
    select
        instrument_id,
        session_date,
        open,
        high,
        low,
        close,
        adj_close,
        volume,
        source,
        is_final,
        known_at,
        captured_at,
        version,
    from core.bars
),

superseded_bars as (
    select
        instrument_id,
        session_date,
        open,
        high,
        low,
        close,
        adj_close,
        volume,
        source,
        is_final,
        known_at,
        captured_at,
        version,
    from core.superseded_bars
),

rescalings as (
    select
        instrument_id,
        captured_at,
        factor,
    from core.rescalings
    where captured_at > as_of_at::timestamptz
),

versions as (
    select * from current_bars
    union all
    select * from superseded_bars
),

captures as (
    select distinct
        instrument_id,
        captured_at,
    from versions
),

-- Prices captured after a later split are converted back to the share count of the instant.
scales as (
    select
        captures.instrument_id,
        captures.captured_at,
        1 / nullif(product(rescalings.factor), 0) as factor,
    from captures
    inner join rescalings
        on rescalings.instrument_id = captures.instrument_id
        and rescalings.captured_at <= captures.captured_at
    group by captures.instrument_id, captures.captured_at
),

scaled as (
    select
        versions.*,
        coalesce(scales.factor, 1) as scale,
    from versions
    left join scales
        on scales.instrument_id = versions.instrument_id
        and scales.captured_at = versions.captured_at
),

final as (
    select
        instrument_id, -- The instrument.
        session_date, -- The session.
        open * scale as open, -- First price, adjusted for the splits known at the instant.
        high * scale as high, -- Highest price.
        low * scale as low, -- Lowest price.
        close * scale as close, -- Last price.
        adj_close * scale as adj_close, -- Total-return close.
        volume / nullif(scale, 0) as volume, -- Shares (equity) or US dollars (crypto) traded.
        source, -- Where the row came from.
        is_final, -- Whether the session was over when the version was captured.
        known_at, -- When the version could first be known, UTC.
        captured_at, -- When it was first seen, UTC.
        version, -- Version number: 1 for the first value seen, plus one for each change.
        captured_at > as_of_at::timestamptz as is_assumed, -- Whether the row was captured after the instant, so that its first version stands in for what was known then.
    from scaled
    where known_at <= as_of_at::timestamptz
        and (version = 1 or captured_at <= as_of_at::timestamptz)
    qualify row_number() over (partition by instrument_id, session_date order by version desc) = 1
)

select * from final
