-- description: What each dividend adds to the total return, on the session that first trades without it.
-- grain: instrument_id, ex_date
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

dividends as (
    select
        instrument_id,
        ex_date,
        value,
        version,
        captured_at,
    from raw.equity_actions
    where kind = 'dividend'
),

bars as (
    select
        instrument_id,
        session_date,
        close,
        version,
    from raw.equity_bars
    where close is not null
),

last_dividends as (
    select dividends.*
    from dividends
    cross join clock
    where dividends.ex_date <= clock.as_of
    qualify row_number() over (partition by dividends.instrument_id, dividends.ex_date order by dividends.version desc) = 1
),

last_bars as (
    select *
    from bars
    where instrument_id in (select instrument_id from last_dividends)
    qualify row_number() over (partition by instrument_id, session_date order by version desc) = 1
),

previous_closes as (
    select
        instrument_id,
        session_date,
        lag(close) over (partition by instrument_id order by session_date) as previous_close,
    from last_bars
),

final as (
    select
        last_dividends.instrument_id, -- The instrument.
        last_dividends.ex_date, -- First session without the dividend.
        1 / nullif(1 - last_dividends.value / nullif(previous_closes.previous_close, 0), 0) as growth, -- Total return over price return on that session, 1/(1 - D/previous close) [factor].
    from last_dividends
    inner join previous_closes
        on previous_closes.instrument_id = last_dividends.instrument_id
        and previous_closes.session_date = last_dividends.ex_date
    where last_dividends.value < previous_closes.previous_close
)

select * from final
order by instrument_id, ex_date
