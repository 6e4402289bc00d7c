-- description: Every version of every bar, with when it could first be known.
-- grain: instrument_id, session_date, version
-- known_at: the run's clock
-- form: view
with versions as (
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
    from intermediate.bar_versions
),

revisions as (
    select
        instrument_id,
        session_date,
        version,
        corrected_at,
    from intermediate.bar_revisions
    where corrected_at is not null
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
        if(
            versions.is_final,
            coalesce(revisions.corrected_at, versions.closes_at),
            versions.captured_at
        ) as known_at, -- The close; for a corrected price, a late fill or an unfinished session, when it was captured.
    from versions
    left join revisions
        on revisions.instrument_id = versions.instrument_id
        and revisions.session_date = versions.session_date
        and revisions.version = versions.version
)

select * from final
