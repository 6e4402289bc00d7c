-- description: One row per instrument and session, the last version that the run's clock may see, with the two prices
--   that everything else is made of.
-- grain: instrument_id, session_date
-- known_at: known_at, the close of the session, or when a later correction of the price, or a bar that came after newer
--   ones, was captured
-- slices: instrument_id by intermediate.instrument_bases.instrument_id
with clock as (
    select as_of_at from reference.clock
),

instrument_bases as (
    select
        instrument_id,
        price_basis,
        has_vendor_adj_close,
        has_total_return,
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
        closes_at,
        is_final,
        known_at,
    from intermediate.visible_bars
),

growth as (
    select
        instrument_id,
        session_date,
        growth,
    from intermediate.dividend_growth
),

newer_versions as (
    select
        instrument_id,
        session_date,
        version,
    from versions
    where version > 1
),

visible_versions as (
    select versions.*
    from versions
    cross join clock
    left join newer_versions
        on newer_versions.version = versions.version + 1
        and newer_versions.instrument_id = versions.instrument_id
        and newer_versions.session_date = versions.session_date
    where versions.known_at <= clock.as_of_at
        and newer_versions.version is null
),

-- Growth that dividends add, multiplied up from the first bar, so that a new dividend changes no earlier row.
adjusted as (
    select
        visible_versions.instrument_id,
        visible_versions.session_date,
        visible_versions.open,
        visible_versions.high,
        visible_versions.low,
        visible_versions.close,
        if(
            instrument_bases.has_vendor_adj_close,
            visible_versions.adj_close,
            visible_versions.close * exp(sum(coalesce(ln(growth.growth), 0)) over history)
        ) as adj_close,
        visible_versions.volume,
        visible_versions.source,
        visible_versions.is_final,
        visible_versions.closes_at,
        visible_versions.known_at,
        visible_versions.captured_at,
        visible_versions.version,
        row_number() over history as bar_number,
        instrument_bases.price_basis,
        instrument_bases.has_total_return,
    from visible_versions
    inner join instrument_bases on instrument_bases.instrument_id = visible_versions.instrument_id
    left join growth
        on growth.instrument_id = visible_versions.instrument_id
        and growth.session_date = visible_versions.session_date
    window history as (
        partition by visible_versions.instrument_id
        order by visible_versions.session_date
        rows between unbounded preceding and current row
    )
),

final as (
    select
        instrument_id, -- The instrument, a row of core.instruments.
        session_date, -- Exchange-local date of the session; UTC day for coins.
        bar_number, -- Position among the instrument's bars, from 1 for the first.
        open, -- First price of the session, split-adjusted.
        high, -- Highest price of the session, split-adjusted.
        low, -- Lowest price of the session, split-adjusted.
        close, -- Last price of the session, split-adjusted, not adjusted for dividends.
        adj_close, -- Total-return close: close times the growth that dividends added since the first bar, or the vendor's.
        volume, -- Shares (equity) or US dollars (crypto) traded.
        if(price_basis = 'price', close, adj_close) as signal_price, -- The price that signals look at, on the instrument's price_basis.
        if(price_basis = 'price', low, null) as signal_low, -- The session's low on the same basis; null where only closes are.
        if(has_total_return, adj_close, close) as return_price, -- The price that returns are measured on: total return, for an index its level.
        source, -- Where the row came from: vendor and symbol, or file.
        is_final, -- Whether the session was over when the bar was captured; only final bars feed signals.
        closes_at, -- Instant at which the session ends, UTC.
        known_at, -- When the row could first be known: the close, or when a correction or late fill was captured, UTC.
        captured_at, -- When this version was first seen, UTC.
        version, -- 1 for the first value seen, one more for each change.
    from adjusted
)

select * from final
order by instrument_id, session_date
