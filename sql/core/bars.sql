-- description: One row per instrument and session, the last version that the run's clock may see, with the two prices
--   that everything else is made of.
-- grain: instrument_id, session_date
-- known_at: known_at, the close of the session, or when a later correction of the price was captured
with clock as (
    select as_of_at from reference.clock
),

listings as (
    select
        instrument_id,
        asset_class,
        calendar,
        price_basis,
        has_vendor_adj_close,
        has_total_return,
    from intermediate.listings
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

growth as (
    select
        instrument_id,
        session_date,
        growth,
    from intermediate.dividend_growth
),

all_versions as (
    select * from equity_bars
    union all
    select * from crypto_bars
),

timed_versions as (
    select
        all_versions.*,
        sessions.closes_at,
        -- A bar that was captured before its session closed is not final.
        all_versions.captured_at >= sessions.closes_at as is_final,
    from all_versions
    -- Should one id ever have bars in two classes, those of its listing count.
    inner join listings
        on listings.instrument_id = all_versions.instrument_id
        and listings.asset_class = all_versions.asset_class
    inner join sessions
        on sessions.calendar = listings.calendar
        and sessions.session_date = all_versions.session_date
),

-- Nearly every bar has one version, so what later versions mean is worked out for them alone. The first final version
-- was known at the close; a later one that moves the price was known when it was captured; one that only moves the
-- volume changes nothing.
later_versions as (
    select
        later.instrument_id,
        later.session_date,
        later.version,
        later.captured_at,
        earlier.is_final
        and (
            later.close is distinct from earlier.close
            or later.adj_close is distinct from earlier.adj_close
            or later.low is distinct from earlier.low
        ) as is_moved,
        coalesce(later.close / nullif(earlier.close, 0), later.adj_close / nullif(earlier.adj_close, 0)) as rescaling,
    from timed_versions as later
    inner join timed_versions as earlier
        on earlier.instrument_id = later.instrument_id
        and earlier.session_date = later.session_date
        and earlier.version = later.version - 1
    where later.version > 1
),

-- A split moves a whole history by one factor and tells nothing new about any session.
splits as (
    select
        instrument_id,
        captured_at,
        median(rescaling) as factor,
    from later_versions
    where is_moved
    group by instrument_id, captured_at
    having count(*) >= $split_rows and abs(median(rescaling) - 1) >= $split_smallest
),

corrections as (
    select
        later_versions.instrument_id,
        later_versions.session_date,
        later_versions.version,
        max(if(
            later_versions.is_moved
            and (
                splits.factor is null
                or abs(later_versions.rescaling / nullif(splits.factor, 0) - 1) > $split_rounding
            ),
            later_versions.captured_at,
            null
        )) over (
            partition by later_versions.instrument_id, later_versions.session_date
            order by later_versions.version
            rows between unbounded preceding and current row
        ) as corrected_at,
    from later_versions
    left join splits
        on splits.instrument_id = later_versions.instrument_id
        and splits.captured_at = later_versions.captured_at
),

-- History that was captured later than the clock is taken in its first version: nothing tells what came before it.
seen_versions as (
    select
        timed_versions.*,
        if(
            timed_versions.is_final,
            coalesce(corrections.corrected_at, timed_versions.closes_at),
            timed_versions.captured_at
        ) as known_at,
    from timed_versions
    cross join clock
    left join corrections
        on corrections.instrument_id = timed_versions.instrument_id
        and corrections.session_date = timed_versions.session_date
        and corrections.version = timed_versions.version
    where timed_versions.version = 1 or timed_versions.captured_at <= clock.as_of_at
),

visible_versions as (
    select seen_versions.*
    from seen_versions
    cross join clock
    left join seen_versions as newer
        on newer.version = seen_versions.version + 1
        and newer.instrument_id = seen_versions.instrument_id
        and newer.session_date = seen_versions.session_date
    where seen_versions.known_at <= clock.as_of_at
        and newer.version is null
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
            listings.has_vendor_adj_close,
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
        listings.price_basis,
        listings.has_total_return,
    from visible_versions
    inner join listings on listings.instrument_id = visible_versions.instrument_id
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
        known_at, -- When the row could first be known: the close, or when a correction of the price was captured, UTC.
        captured_at, -- When this version was first seen, UTC.
        version, -- 1 for the first value seen, one more for each change.
    from adjusted
)

select * from final
order by instrument_id, session_date
