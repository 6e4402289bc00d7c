-- description: The versions of bars that a run may use, converted to the share count of its as-of time.
-- grain: instrument_id, session_date, version
-- known_at: the run's clock
-- form: view
with clock as (
    select as_of_at from reference.clock
),

versions as (
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
        captured_at,
        version,
        closes_at,
        is_final,
        known_at,
    from intermediate.bars_with_known_at
),

price_scale_factors as (
    select
        instrument_id,
        captured_at,
        factor,
    from intermediate.price_scale_factors
),

final as (
    select
        versions.instrument_id, -- The instrument.
        versions.session_date, -- The session.
        versions.open * coalesce(price_scale_factors.factor, 1) as open, -- First price.
        versions.high * coalesce(price_scale_factors.factor, 1) as high, -- Highest price.
        versions.low * coalesce(price_scale_factors.factor, 1) as low, -- Lowest price.
        versions.close * coalesce(price_scale_factors.factor, 1) as close, -- Last price.
        versions.adj_close * coalesce(price_scale_factors.factor, 1) as adj_close, -- The vendor's total-return close.
        versions.volume / nullif(coalesce(price_scale_factors.factor, 1), 0) as volume, -- Shares or US dollars traded.
        versions.source, -- Where the row came from.
        versions.captured_at, -- When this version was first seen.
        versions.version, -- Version number: 1 for the first value seen, plus one for each change.
        versions.closes_at, -- Instant at which the session ends.
        versions.is_final, -- Whether the session was over when the version was captured.
        versions.known_at, -- When the version could first be known.
    from versions
    cross join clock
    left join price_scale_factors
        on price_scale_factors.instrument_id = versions.instrument_id
        and price_scale_factors.captured_at = versions.captured_at
    -- Bars captured after the as-of time count in their first version: no earlier one is stored.
    where versions.version = 1 or versions.captured_at <= clock.as_of_at
)

select * from final
