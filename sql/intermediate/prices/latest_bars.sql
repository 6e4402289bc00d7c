-- description: The latest version of every bar that is known as of the run.
-- grain: instrument_id, session_date
-- known_at: known_at
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
    from intermediate.visible_bars
),

newer_versions as (
    select
        instrument_id,
        session_date,
        version,
    from versions
    where version > 1
),

final as (
    select
        versions.instrument_id, -- The instrument.
        versions.session_date, -- The session.
        versions.open, -- First price.
        versions.high, -- Highest price.
        versions.low, -- Lowest price.
        versions.close, -- Last price.
        versions.adj_close, -- The vendor's total-return close.
        versions.volume, -- Shares or US dollars traded.
        versions.source, -- Where the row came from.
        versions.captured_at, -- When this version was first seen.
        versions.version, -- Version number: 1 for the first value seen, plus one for each change.
        versions.closes_at, -- Instant at which the session ends.
        versions.is_final, -- Whether the session was over when the version was captured.
        versions.known_at, -- When the version could first be known.
    from versions
    cross join clock
    left join newer_versions
        on newer_versions.version = versions.version + 1
        and newer_versions.instrument_id = versions.instrument_id
        and newer_versions.session_date = versions.session_date
    where versions.known_at <= clock.as_of_at
        and newer_versions.version is null
)

select * from final
