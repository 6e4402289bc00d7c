-- description: Growth of each index, fund, coin and basket next to that of the benchmark, from one common session to
--   the next.
-- grain: instrument_id, benchmark_id, session_date
-- known_at: known_at, when the later of the two bars was known
-- form: view
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

-- Both bars have the same date: an as-of join would compare a coin's previous day with the exchange's current one. If
-- one of the two has no bar, the interval reaches to their next common session.
final as (
    select
        bars.instrument_id, -- The index, fund, coin or basket.
        benchmark_bars.benchmark_id, -- The benchmark.
        bars.session_date, -- Session on which both have a final bar.
        row_number() over in_order as session_number, -- Position among the common sessions, from 1.
        bars.return_price / nullif(lag(bars.return_price) over in_order, 0) as growth, -- Price over the price of the common session before [factor].
        benchmark_bars.return_price / nullif(lag(benchmark_bars.return_price) over in_order, 0) as benchmark_growth, -- The same of the benchmark [factor].
        greatest(bars.known_at, benchmark_bars.known_at) as known_at, -- When the later of the two bars could first be known, UTC.
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
)

select * from final
