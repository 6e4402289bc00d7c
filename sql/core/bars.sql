-- description: Daily bars in the latest version known as of the run, with the price that signals use and the price that
--   returns use.
-- grain: instrument_id, session_date
-- known_at: known_at, the close of the session; for a corrected price or a late fill, when it was captured
-- slices: instrument_id by intermediate.instrument_bases.instrument_id
with instrument_bases as (
    select
        instrument_id,
        price_basis,
        has_vendor_adj_close,
        has_total_return,
    from intermediate.instrument_bases
),

bars as (
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
        closes_at,
        known_at,
        captured_at,
        version,
    from intermediate.latest_bars
),

growth as (
    select
        instrument_id,
        session_date,
        growth,
    from intermediate.dividend_growth
),

-- Dividend growth is multiplied up from the first bar, so a new dividend changes no earlier row.
adjusted as (
    select
        bars.* replace (
            if(
                instrument_bases.has_vendor_adj_close,
                bars.adj_close,
                bars.close * exp(sum(coalesce(ln(growth.growth), 0)) over history)
            ) as adj_close
        ),
        row_number() over history as bar_number,
        instrument_bases.price_basis,
        instrument_bases.has_total_return,
    from bars
    inner join instrument_bases on instrument_bases.instrument_id = bars.instrument_id
    left join growth
        on growth.instrument_id = bars.instrument_id
        and growth.session_date = bars.session_date
    window history as (
        partition by bars.instrument_id
        order by bars.session_date
        rows between unbounded preceding and current row
    )
),

final as (
    select
        instrument_id, -- The instrument, a row of core.instruments.
        session_date, -- Exchange-local date of the session; UTC day for coins.
        bar_number, -- Position of the bar in the instrument's history, from 1.
        open, -- First price of the session, split-adjusted.
        high, -- Highest price of the session, split-adjusted.
        low, -- Lowest price of the session, split-adjusted.
        close, -- Last price of the session, split-adjusted, not adjusted for dividends.
        adj_close, -- Total-return close: the vendor's, or close times the growth from dividends since the first bar.
        volume, -- Shares (equity) or US dollars (crypto) traded.
        if(price_basis = 'price', close, adj_close) as signal_price, -- Price that signals use: close or adj_close, by the instrument's price_basis.
        if(price_basis = 'price', low, null) as signal_low, -- Low of the session on the same basis; null for total_return, which has closes only.
        if(has_total_return, adj_close, close) as return_price, -- Price that returns use: adj_close; close for an index.
        source, -- Where the row came from: vendor and symbol, or file.
        is_final, -- Whether the session was over when the bar was captured; signals use final bars only.
        closes_at, -- Instant at which the session ends, UTC.
        known_at, -- When the row could first be known, UTC: at the close, or when a correction or late fill was captured.
        captured_at, -- When this version was first seen, UTC.
        version, -- Version number: 1 for the first value seen, plus one for each change.
    from adjusted
)

select * from final
order by instrument_id, session_date
