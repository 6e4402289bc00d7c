-- description: The age of each instrument's and series' last value, compared with what its calendar or release rule
--   expects.
-- grain: id
-- known_at: the run's clock
with instrument_ages as (
    select
        id,
        asset_class,
        last_session,
        expected_session,
        age_sessions,
        status,
        missing_sessions,
    from intermediate.instrument_ages
),

series_ages as (
    select
        id,
        'macro' as asset_class,
        last_session,
        expected_session,
        age_sessions,
        status,
        null::bigint as missing_sessions,
    from intermediate.series_ages
),

ages as (
    select * from instrument_ages
    union all
    select * from series_ages
),

final as (
    select
        id, -- The instrument or series.
        asset_class, -- equity, crypto or macro.
        last_session, -- Last session with a final bar, or last public observation.
        expected_session, -- Last finished session, or last observation due, as of the run.
        age_sessions, -- Sessions or observations missing since last_session.
        status, -- fresh; stale (more than $stale_after_sessions sessions missing, a release missed by more than $release_grace_days days, or older than the series' stale_after_days); or ended (no longer trades, with the reason in the universe file).
        missing_sessions, -- Sessions missing between the first and the last bar, each a row of meta.gaps; null for a series.
    from ages
)

select * from final
order by asset_class, id
