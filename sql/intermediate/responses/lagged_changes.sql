-- description: The change of each series of the lead-lag tables over each session of the exchange, also in units of its
--   recent volatility, so that calm and wild years count alike.
-- grain: series_id, session_date
-- known_at: known_at, when the later of the change's two ends was known
-- The exchange's sessions are the common clock: a coin's Friday to Monday is one interval.
with sessions as (
    select
        session_date,
        row_number() over (order by session_date) as session_number,
    from core.sessions
    where calendar = 'XNYS'
),

levels as (
    select
        series_id,
        session_date,
        level,
        known_at,
    from intermediate.lagged_levels
),

-- If the session before is unknown, so is the change.
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
    from levels
    inner join sessions on sessions.session_date = levels.session_date
    window in_order as (
        partition by levels.series_id
        order by sessions.session_number
        rows between 1 preceding and current row
    )
),

-- The window ends one session earlier, so the scale was known before the change. A weekly series does not move on most
-- days; its scale comes from its releases and the days between them.
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
        session_number, -- Position of the session among all sessions of the exchange, so that lags skip no gap.
        session_date, -- Session of the exchange; for a coin its bar of the same date.
        change, -- Change since the session before: of the logarithm for prices and ratios, otherwise in the series' own unit.
        change / nullif(deviation, 0) as scaled_change, -- The change divided by the sample standard deviation of the $lag_scale known changes before it; null if these were all the same.
        known_at, -- When the later end could first be known, UTC.
    from scaled
    where known_changes = $lag_scale
)

select * from final
order by series_id, session_number
