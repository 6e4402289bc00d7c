-- Rejects bars whose total-return close is adjusted to another base than the bars before them.
-- Value: base_tolerance, a share. The factor adj_close/close only grows with time, by each dividend. If it falls, newer
-- adjusted closes were appended to older ones.
with factors as (
    select
        rowid as place,
        adj_close / close as factor,
        max(adj_close / close) over (
            partition by instrument_id
            order by session_date
            rows between unbounded preceding and 1 preceding
        ) as highest
    from $staged_rows
    where rejected_because is null and close is not null and adj_close is not null
)

update $staged_rows as staged
set rejected_because = 'adj_close/close falls by ' || format('{:.2f}', 100 * (1 - factors.factor / factors.highest))
    || ' %: adjusted to another base than the bars before it'
from factors
where staged.rowid = factors.place and factors.factor < factors.highest * (1 - $base_tolerance)
