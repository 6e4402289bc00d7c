-- description: The growth that dividends add to the total return, on the first session that trades without them.
-- grain: instrument_id, session_date
-- known_at: the run's clock
with dividends as (
    select
        instrument_id,
        ex_date,
        value,
    from core.actions
    where kind = 'dividend'
),

bars as (
    select
        instrument_id,
        session_date,
        close,
        version,
    from intermediate.visible_bars
    where close is not null
),

-- Dividends are on the share count of the latest capture as of the run, so they are compared with closes of the same
-- one.
last_bars as (
    select bars.*
    from bars
    where bars.instrument_id in (select dividends.instrument_id from dividends)
    qualify row_number() over (partition by bars.instrument_id, bars.session_date order by bars.version desc) = 1
),

previous_closes as (
    select
        instrument_id,
        session_date,
        lag(close) over (partition by instrument_id order by session_date) as previous_close,
    from last_bars
),

-- If the session of the ex-date has no bar, the dividend counts on the next session with one.
paid as (
    select
        dividends.instrument_id,
        previous_closes.session_date,
        sum(dividends.value) as dividend,
        any_value(previous_closes.previous_close) as previous_close,
    from dividends
    asof join previous_closes
        on previous_closes.instrument_id = dividends.instrument_id
        and previous_closes.session_date >= dividends.ex_date
    group by dividends.instrument_id, previous_closes.session_date
),

final as (
    select
        instrument_id, -- The instrument.
        session_date, -- First session with a bar that trades without the dividend.
        1 / nullif(1 - dividend / nullif(previous_close, 0), 0) as growth, -- Total return over price return on that session, 1/(1 - D/previous close) [factor].
    from paid
    where dividend < previous_close
)

select * from final
order by instrument_id, session_date
