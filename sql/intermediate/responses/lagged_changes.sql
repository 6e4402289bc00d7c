-- description: How far each series of the lead-lag tables moved over each session of the exchange, in units of how far it
--   usually moves, so that calm and wild years count alike.
-- grain: series_id, session_date
-- known_at: known_at, when the later of the change's two ends was known
with series as (
    select distinct series_id from reference.lagged_series
),

-- The exchange's sessions are the common clock: a coin's Friday to Monday is one interval.
sessions as (
    select
        session_date,
        row_number() over (order by session_date) as session_number,
    from core.sessions
    where calendar = 'XNYS'
),

instruments as (
    select
        instrument_id,
        reconstructed_before,
    from core.instruments
),

prices as (
    select
        instrument_id,
        session_date,
        return_price,
        known_at,
    from intermediate.prices
    where return_price > 0
),

ratios as (
    select
        pair_id,
        session_date,
        ratio,
        known_at,
    from marts.relative_strength
    where ratio > 0
),

macro_at_close as (
    select
        series_id,
        session_date,
        value,
        is_stale,
        is_hindsight,
        closes_at,
    from intermediate.macro_at_close
),

liquidity as (
    select
        session_date,
        net_liquidity_musd,
        known_at,
    from marts.liquidity
),

altseason as (
    select
        session_date,
        index_pct,
        known_at,
    from marts.altseason
),

-- What the change is taken of: of prices and ratios the logarithm, of everything else the number itself. Reconstructed
-- history is no evidence.
levels as (
    select
        prices.instrument_id as series_id,
        prices.session_date,
        ln(prices.return_price) as level,
        prices.known_at,
    from prices
    inner join instruments on instruments.instrument_id = prices.instrument_id
    where prices.session_date >= coalesce(instruments.reconstructed_before, '0001-01-01'::date)
    union all
    select
        pair_id as series_id,
        session_date,
        ln(ratio) as level,
        known_at,
    from ratios
    union all
    select
        series_id,
        session_date,
        value as level,
        closes_at as known_at,
    from macro_at_close
    where not is_stale and not is_hindsight
    union all
    select
        'net_liquidity' as series_id,
        session_date,
        net_liquidity_musd as level,
        known_at,
    from liquidity
    union all
    select
        'ALTSEASON' as series_id,
        session_date,
        index_pct as level,
        known_at,
    from altseason
),

-- From one session to the next: where the session before is unknown, so is the change.
changes as (
    select
        levels.series_id,
        sessions.session_number,
        levels.session_date,
        if(
            sessions.session_number - lag(sessions.session_number) over in_order = 1,
            levels.level - lag(levels.level) over in_order,
            null
        ) as change,
        greatest(levels.known_at, lag(levels.known_at) over in_order) as known_at,
    from series
    inner join levels on levels.series_id = series.series_id
    inner join sessions on sessions.session_date = levels.session_date
    where levels.level is not null
    window in_order as (
        partition by levels.series_id
        order by sessions.session_number
        rows between 1 preceding and current row
    )
),

-- The scale of a day was known the day before. A weekly series stands still on most days; what counts for its scale are
-- its releases, a dozen in a quarter, and the days between them.
scaled as (
    select
        *,
        count(*) over before as known_changes,
        stddev_samp(change) over before as deviation,
    from changes
    where change is not null
    window before as (
        partition by series_id
        order by session_number
        rows between $lag_scale preceding and 1 preceding
    )
),

final as (
    select
        series_id, -- Instrument, pair, macro series, net_liquidity or ALTSEASON.
        session_number, -- Position of the session among all of the exchange, so that lags skip no gap.
        session_date, -- Session of the exchange; a coin's bar is that of the same date.
        change, -- Change since the session before: of the logarithm of prices and ratios, otherwise in the series' own unit.
        change / nullif(deviation, 0) as scaled_change, -- The change in sample standard deviations of the 63 known changes before it; null where all of them were the same.
        known_at, -- When the later end could first be known, UTC.
    from scaled
    where known_changes = $lag_scale
)

select * from final
order by series_id, session_number
