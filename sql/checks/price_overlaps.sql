-- Per instrument with delivered and stored bars of the same sessions, how their prices relate.
-- Values: foreign_difference and split_rounding, both shares; first_id and last_id, the range of instruments. Columns:
-- the number of bars; their median ratio, and how many share it; how many bars differ, their median ratio, and how many
-- of them share it; whether only total-return closes could be compared.
with ratios as (
    select
        staged.instrument_id as id,
        coalesce(staged.close / stored.close, staged.adj_close / stored.adj_close) as ratio,
        staged.close is null or stored.close is null as is_adjusted
    from $staged_rows as staged
    inner join $stored_rows as stored
        on stored.instrument_id = staged.instrument_id
        and stored.session_date = staged.session_date
    where staged.rejected_because is null
        and staged.instrument_id between $first_id and $last_id
),

medians as (
    select
        id,
        median(ratio) as of_all,
        median(ratio) filter (abs(ratio - 1) > $foreign_difference) as of_differing
    from ratios
    where ratio is not null
    group by id
)

select
    ratios.id,
    count(*) as bars,
    any_value(medians.of_all) as ratio,
    count(*) filter (abs(ratios.ratio / medians.of_all - 1) <= $split_rounding) as agreeing,
    count(*) filter (abs(ratios.ratio - 1) > $foreign_difference) as differing,
    any_value(medians.of_differing) as differing_ratio,
    count(*) filter (
        abs(ratios.ratio - 1) > $foreign_difference
        and abs(ratios.ratio / medians.of_differing - 1) <= $split_rounding
    ) as differing_agreeing,
    bool_and(ratios.is_adjusted) as is_adjusted
from ratios
inner join medians on medians.id = ratios.id
where ratios.ratio is not null
group by ratios.id
order by ratios.id
