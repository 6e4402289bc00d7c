-- description: The versions of bars that a later one has replaced; with core.bars all that was ever known of a session.
-- grain: instrument_id, session_date, version
-- known_at: known_at, the close of the session, or when the version was captured if it was unfinished or corrected one
with clock as (
    select as_of_at from reference.clock
),

bars as (
    select
        instrument_id,
        session_date,
        close,
        adj_close,
        version,
    from core.bars
    where version > 1
),

listings as (
    select
        instrument_id,
        has_vendor_adj_close,
    from intermediate.listings
),

revisions as (
    select
        instrument_id,
        session_date,
        version,
        corrected_at,
    from intermediate.bar_revisions
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
    from intermediate.bar_versions
),

dated as (
    select
        versions.* replace (
            -- What dividends add to a price does not depend on the scale that a split puts it on.
            if(
                listings.has_vendor_adj_close,
                versions.adj_close,
                versions.close * bars.adj_close / nullif(bars.close, 0)
            ) as adj_close
        ),
        if(
            versions.is_final,
            coalesce(revisions.corrected_at, versions.closes_at),
            versions.captured_at
        ) as known_at,
    from versions
    inner join listings on listings.instrument_id = versions.instrument_id
    inner join bars
        on bars.instrument_id = versions.instrument_id
        and bars.session_date = versions.session_date
        and bars.version > versions.version
    left join revisions
        on revisions.instrument_id = versions.instrument_id
        and revisions.session_date = versions.session_date
        and revisions.version = versions.version
),

final as (
    select
        dated.instrument_id, -- The instrument, a row of core.instruments.
        dated.session_date, -- Exchange-local date of the session; UTC day for coins.
        dated.open, -- First price of the session, on the share count of its time.
        dated.high, -- Highest price of the session.
        dated.low, -- Lowest price of the session.
        dated.close, -- Last price of the session.
        dated.adj_close, -- Total-return close, on the same share count.
        dated.volume, -- Shares (equity) or US dollars (crypto) traded.
        dated.source, -- Where the row came from: vendor and symbol, or file.
        dated.is_final, -- Whether the session was over when the version was captured.
        dated.known_at, -- When the version could first be known, UTC.
        dated.captured_at, -- When it was first seen, UTC.
        dated.version, -- 1 for the first value seen, one more for each change.
    from dated
    cross join clock
    where dated.known_at <= clock.as_of_at
)

select * from final
order by instrument_id, session_date, version
