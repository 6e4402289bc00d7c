-- description: Earlier versions of bars that a later one known as of the run replaced. Together with core.bars they are
--   every version.
-- grain: instrument_id, session_date, version
-- known_at: known_at, the close of the session; for an unfinished or corrected bar, when it was captured
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

instrument_bases as (
    select
        instrument_id,
        has_vendor_adj_close,
    from intermediate.instrument_bases
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
        is_final,
        known_at,
    from intermediate.bars_with_known_at
),

adjusted as (
    select
        versions.* replace (
            -- Growth from dividends is a factor, so it holds for prices before and after a split.
            if(
                instrument_bases.has_vendor_adj_close,
                versions.adj_close,
                versions.close * bars.adj_close / nullif(bars.close, 0)
            ) as adj_close
        ),
    from versions
    inner join instrument_bases on instrument_bases.instrument_id = versions.instrument_id
    inner join bars
        on bars.instrument_id = versions.instrument_id
        and bars.session_date = versions.session_date
        and bars.version > versions.version
),

final as (
    select
        adjusted.instrument_id, -- The instrument, a row of core.instruments.
        adjusted.session_date, -- Exchange-local date of the session; UTC day for coins.
        adjusted.open, -- First price of the session, on the share count of that time.
        adjusted.high, -- Highest price of the session.
        adjusted.low, -- Lowest price of the session.
        adjusted.close, -- Last price of the session.
        adjusted.adj_close, -- Total-return close, on the same share count.
        adjusted.volume, -- Shares (equity) or US dollars (crypto) traded.
        adjusted.source, -- Where the row came from: vendor and symbol, or file.
        adjusted.is_final, -- Whether the session was over when the version was captured.
        adjusted.known_at, -- When the version could first be known, UTC.
        adjusted.captured_at, -- When it was first seen, UTC.
        adjusted.version, -- Version number: 1 for the first value seen, plus one for each change.
    from adjusted
    cross join clock
    where adjusted.known_at <= clock.as_of_at
)

select * from final
order by instrument_id, session_date, version
