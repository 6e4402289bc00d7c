-- description: How strongly each index, fund, coin and basket moves with the S&P 500: its beta, and what it takes part in when
--   the index rises and when it falls.
-- grain: instrument_id, benchmark_id, session_date
-- known_at: known_at, when the later of the two bars was known
with benchmarks as (
    select instrument_id as benchmark_id
    from core.instruments
    where instrument_id = 'SPX'
),

instruments as (
    select instrument_id
    from core.instruments
    where role != 'other'
),

bars as (
    select
        instrument_id,
        session_date,
        return_price,
        known_at,
    from intermediate.prices
    where return_price is not null
        and instrument_id in (
            select instrument_id from instruments
            union all
            select benchmark_id from benchmarks
        )
),

benchmark_bars as (
    select
        benchmarks.benchmark_id,
        bars.session_date,
        bars.return_price,
        bars.known_at,
    from benchmarks
    inner join bars on bars.instrument_id = benchmarks.benchmark_id
),

-- Bars of the same date, so that what moved together is seen together: an as-of join would set a coin's yesterday
-- against the exchange's today. Where one of the two has no bar, the interval reaches to the next session of both.
paired as (
    select
        bars.instrument_id,
        benchmark_bars.benchmark_id,
        bars.session_date,
        row_number() over in_order as session_number,
        bars.return_price / nullif(lag(bars.return_price) over in_order, 0) as growth,
        benchmark_bars.return_price / nullif(lag(benchmark_bars.return_price) over in_order, 0) as benchmark_growth,
        greatest(bars.known_at, benchmark_bars.known_at) as known_at,
    from instruments
    inner join bars on bars.instrument_id = instruments.instrument_id
    inner join benchmark_bars
        on benchmark_bars.session_date = bars.session_date
        and benchmark_bars.benchmark_id != bars.instrument_id
    window in_order as (
        partition by bars.instrument_id, benchmark_bars.benchmark_id
        order by bars.session_date
        rows between 1 preceding and current row
    )
),

changes as (
    select
        instrument_id,
        benchmark_id,
        session_date,
        session_number,
        known_at,
        ln(growth) as log_return,
        ln(benchmark_growth) as benchmark_log_return,
        if(benchmark_growth > 1, growth - 1, null) as return_up,
        if(benchmark_growth > 1, benchmark_growth - 1, null) as benchmark_up,
        if(benchmark_growth < 1, growth - 1, null) as return_down,
        if(benchmark_growth < 1, benchmark_growth - 1, null) as benchmark_down,
    from paired
),

measured as (
    select
        instrument_id,
        benchmark_id,
        session_date,
        session_number,
        known_at,
        covar_pop(log_return, benchmark_log_return) over half_year as covariance,
        stddev_pop(log_return) over half_year as deviation,
        stddev_pop(benchmark_log_return) over half_year as benchmark_deviation,
        sum(return_up) over year / nullif(sum(benchmark_up) over year, 0) as up_capture,
        sum(return_down) over year / nullif(sum(benchmark_down) over year, 0) as down_capture,
    from changes
    window
        half_year as (
            partition by instrument_id, benchmark_id
            order by session_number
            rows between $beta_sessions - 1 preceding and current row -- noqa: PRS
        ),
        year as (
            partition by instrument_id, benchmark_id
            order by session_number
            rows between $capture_sessions - 1 preceding and current row -- noqa: PRS
        )
),

final as (
    select
        instrument_id, -- The index, fund, coin or basket, a row of core.instruments.
        benchmark_id, -- What it is measured against: SPX, by its level.
        session_date, -- Session of the exchange on which both have a final bar; a coin's Friday to Monday is one interval.
        if(session_number > $beta_sessions, covariance / nullif(benchmark_deviation * benchmark_deviation, 0), null) as beta_126, -- Change that goes with a change of the benchmark by one: slope of the log returns of the last 126 common sessions; null while there are fewer.
        if(session_number > $beta_sessions, covariance / nullif(deviation * benchmark_deviation, 0), null) as correlation_126, -- Correlation of the same returns, -1 to 1; null where one of the two never moved.
        if(session_number > $capture_sessions, up_capture, null) as up_capture_252, -- Mean return on those of the last 252 common sessions on which the benchmark rose, over the benchmark's own mean on them [ratio].
        if(session_number > $capture_sessions, down_capture, null) as down_capture_252, -- The same on sessions on which the benchmark fell [ratio]; above 1 it lost more than the benchmark.
        known_at, -- When the later of the two bars could first be known, UTC.
    from measured
)

select * from final
order by instrument_id, benchmark_id, session_date
