-- How far each staged price is from the level of the prices around it (1: on the level). Only instruments with a jump
-- beyond unit_jump are in it. Value: unit_jump, a ratio.
-- Each jump beyond it starts a new level. The right level is that of the last stored bar before the delivery. If stored
-- bars are delivered again, it is the level that most rows are on, as a split may have moved them all.
create or replace temp table price_levels as
with prices as (
    select
        instrument_id,
        session_date,
        coalesce(close, adj_close) as price,
        rowid as place
    from $staged_rows
    where rejected_because is null
    union all
    select
        instrument_id,
        session_date,
        coalesce(close, adj_close) as price,
        null as place
    from $stored_rows
    where not is_covered
),

jumps as (
    select
        instrument_id,
        session_date,
        place,
        ln(price / lag(price) over by_day) as jump
    from prices
    window by_day as (
        partition by instrument_id
        order by session_date
    )
),

jumping as (
    select distinct instrument_id
    from jumps
    where abs(jump) > ln($unit_jump)
),

levels as (
    select
        jumps.instrument_id,
        jumps.place,
        sum(if(abs(jumps.jump) > ln($unit_jump), jumps.jump, 0)) over (
            partition by jumps.instrument_id
            order by jumps.session_date
            rows between unbounded preceding and current row
        ) as level
    from jumps
    inner join jumping on jumping.instrument_id = jumps.instrument_id
),

delivered_again as (
    select distinct instrument_id
    from $stored_rows
    where is_covered
)

select
    levels.place,
    exp(
        levels.level - if(
            delivered_again.instrument_id is not null or bool_and(levels.place is not null) over of_instrument,
            median(if(levels.place is null, null, levels.level)) over of_instrument,
            0
        )
    ) as times
from levels
left join delivered_again on delivered_again.instrument_id = levels.instrument_id
window of_instrument as (partition by levels.instrument_id)
