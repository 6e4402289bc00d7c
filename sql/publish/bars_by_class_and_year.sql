-- The bars of the attached published file with the two columns by which their Parquet files are partitioned: every
-- column that the table has, which is why none is listed here.
with bars as (
    select * from published.core.bars
),

instruments as (
    select
        instrument_id,
        asset_class,
    from published.core.instruments
),

final as (
    select
        bars.*,
        coalesce(instruments.asset_class, 'other') as asset_class,
        year(bars.session_date) as year,
    from bars
    left join instruments on instruments.instrument_id = bars.instrument_id
)

select * from final -- noqa: AM04
