-- description: For each close of the exchange, the latest observation of every macro series known at that time.
-- grain: series_id, session_date
-- known_at: closes_at
with clock as (
    select as_of_at from reference.clock
),

sessions as (
    select
        session_date,
        closes_at,
    from core.sessions
    where calendar = 'XNYS'
),

series as (
    select
        series_id,
        stale_after_days,
        is_restated,
    from core.series
),

versions as (
    select
        series_id,
        observation_date,
        value,
        version,
        vintage_quality,
        known_at,
    from intermediate.macro_versions
),

-- Observations that were the latest when they became known. A revision of an older observation does not change the
-- latest value.
news as (
    select *
    from versions
    qualify observation_date = max(observation_date) over (
        partition by series_id
        order by known_at, observation_date, version
        rows between unbounded preceding and current row
    )
    -- Of several that became known at the same instant, the last.
    and known_at is distinct from lead(known_at) over (
        partition by series_id
        order by known_at, observation_date, version
        rows between unbounded preceding and current row
    )
),

first_news as (
    select
        series_id,
        min(known_at) as known_at,
    from news
    group by series_id
),

closes as (
    select
        series.series_id,
        series.stale_after_days,
        series.is_restated,
        sessions.session_date,
        sessions.closes_at,
    from series
    inner join first_news on first_news.series_id = series.series_id
    inner join sessions on sessions.closes_at >= first_news.known_at
    cross join clock
    where sessions.closes_at <= clock.as_of_at
),

final as (
    select
        closes.series_id, -- The series, a row of core.series.
        closes.session_date, -- The session of the exchange.
        news.observation_date, -- The day that the value is about.
        news.value, -- The value, in the series' unit.
        closes.session_date - news.observation_date > closes.stale_after_days + $release_grace_days as is_stale, -- Whether a newer observation was overdue, so that the current value is unknown.
        closes.is_restated and news.vintage_quality != 'captured' as is_hindsight, -- Whether the series revises its whole history and this value was not captured at its release, so that it may contain later information.
        closes.closes_at, -- The close, UTC.
    from closes
    asof join news
        on news.series_id = closes.series_id
        and news.known_at <= closes.closes_at
)

select * from final
order by series_id, session_date
