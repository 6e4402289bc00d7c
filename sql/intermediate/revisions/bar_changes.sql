-- description: What each later version of a bar changed, compared with the version before it.
-- grain: instrument_id, session_date, version
-- known_at: the run's clock
with bars as (
    select
        instrument_id,
        session_date,
        open,
        high,
        low,
        close,
        adj_close,
        volume,
        captured_at,
        version,
        is_final,
    from intermediate.bar_versions
),

restated as (
    select distinct
        instrument_id,
        session_date,
    from bars
    where version > 1
),

versions as (
    select bars.*
    from bars
    inner join restated
        on restated.instrument_id = bars.instrument_id
        and restated.session_date = bars.session_date
),

final as (
    select
        later.instrument_id, -- The instrument.
        later.session_date, -- The session.
        later.version, -- The version that brought the change.
        later.captured_at, -- When it was first seen.
        earlier.is_final as was_final, -- Whether the session was over when the version before was captured.
        -- No signal uses open, high or volume.
        (
            later.close is distinct from earlier.close
            or later.adj_close is distinct from earlier.adj_close
            or later.low is distinct from earlier.low
        ) as is_moved, -- Whether a price that signals use changed.
        (
            later.close is not distinct from earlier.close
            and later.low is not distinct from earlier.low
            and later.adj_close is distinct from earlier.adj_close
        ) as is_adjusted, -- Whether only the total-return close changed.
        coalesce(
            later.close / nullif(earlier.close, 0),
            later.adj_close / nullif(earlier.adj_close, 0)
        ) as rescaling, -- New price over old price [factor].
        later.adj_close / nullif(earlier.adj_close, 0) as adjustment, -- New total-return close over the old one [factor].
        earlier.open as old_open, -- The value before.
        later.open, -- The value since.
        earlier.high as old_high, -- The value before.
        later.high, -- The value since.
        earlier.low as old_low, -- The value before.
        later.low, -- The value since.
        earlier.close as old_close, -- The value before.
        later.close, -- The value since.
        earlier.adj_close as old_adj_close, -- The value before.
        later.adj_close, -- The value since.
        earlier.volume as old_volume, -- The value before.
        later.volume, -- The value since.
    from versions as later
    inner join versions as earlier
        on earlier.instrument_id = later.instrument_id
        and earlier.session_date = later.session_date
        and earlier.version = later.version - 1
)

select * from final
order by instrument_id, session_date, version
