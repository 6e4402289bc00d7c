-- description: How strongly each index, fund, coin and basket moves with the S&P 500: its beta, its correlation, and
--   its share in the index's gains and losses.
-- grain: instrument_id, benchmark_id, session_date
-- known_at: known_at, when the later of the two bars was known
with returns as (
    select
        instrument_id,
        benchmark_id,
        session_date,
        session_number,
        growth,
        benchmark_growth,
        known_at,
    from intermediate.benchmark_returns
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
    from returns
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
        benchmark_id, -- What it is compared with: SPX, by its level.
        session_date, -- Session of the exchange on which both have a final bar; for a coin, Friday to Monday is one interval.
        if(session_number > $beta_sessions, covariance / nullif(benchmark_deviation * benchmark_deviation, 0), null) as beta_126, -- Slope of its log returns against the benchmark's, over the last $beta_sessions common sessions; null while there are fewer.
        if(session_number > $beta_sessions, covariance / nullif(deviation * benchmark_deviation, 0), null) as correlation_126, -- Correlation of the same returns, -1 to 1; null if one of the two did not move.
        if(session_number > $capture_sessions, up_capture, null) as up_capture_252, -- Mean return on those of the last $capture_sessions common sessions on which the benchmark rose, over the benchmark's own mean return on them [ratio].
        if(session_number > $capture_sessions, down_capture, null) as down_capture_252, -- The same for sessions on which the benchmark fell [ratio]; above 1 if it lost more than the benchmark.
        known_at, -- When the later of the two bars could first be known, UTC.
    from measured
)

select * from final
order by instrument_id, benchmark_id, session_date
