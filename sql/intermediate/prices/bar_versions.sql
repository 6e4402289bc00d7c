-- description: Every version of every bar, equity and crypto together, with the close of its session.
-- grain: instrument_id, session_date, version
-- known_at: the run's clock
-- form: view
with instrument_bases as (
    select
        instrument_id,
        asset_class,
        calendar,
    from intermediate.instrument_bases
),

sessions as (
    select
        calendar,
        session_date,
        closes_at,
    from reference.sessions
),

equity_bars as (
    select
        instrument_id,
        'equity' as asset_class,
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
    from raw.equity_bars
),

crypto_bars as (
    select
        instrument_id,
        'crypto' as asset_class,
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
    from raw.crypto_bars
),

bars as (
    select * from equity_bars
    union all
    select * from crypto_bars
),

final as (
    select
        bars.instrument_id, -- The instrument.
        bars.session_date, -- The session.
        bars.open, -- First price.
        bars.high, -- Highest price.
        bars.low, -- Lowest price.
        bars.close, -- Last price.
        bars.adj_close, -- The vendor's total-return close.
        bars.volume, -- Shares or US dollars traded.
        bars.source, -- Where the row came from.
        bars.captured_at, -- When this version was first seen.
        bars.version, -- Version number: 1 for the first value seen, plus one for each change.
        sessions.closes_at, -- Instant at which the session ends.
        bars.captured_at >= sessions.closes_at as is_final, -- Whether the session was over when the version was captured.
    from bars
    -- If one id has bars in two asset classes, those of the class in the universe file count.
    inner join instrument_bases
        on instrument_bases.instrument_id = bars.instrument_id
        and instrument_bases.asset_class = bars.asset_class
    inner join sessions
        on sessions.calendar = instrument_bases.calendar
        and sessions.session_date = bars.session_date
)

select * from final
