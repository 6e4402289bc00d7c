-- Rejects rows with the same key: the further copies of an equal row, and every one of rows that differ.
-- Values: none.
with repeated as (
    select $key
    from $staged_rows
    where rejected_because is null
    group by $key
    having count(*) > 1
),

copies as (
    select
        staged.rowid as place,
        row_number() over (
            partition by $key
            order by staged.rowid
        ) as copy,
        min(hash($values)) over (partition by $key) = max(hash($values)) over (partition by $key) as is_same
    from $staged_rows as staged
    semi join repeated on $is_same_key
    where rejected_because is null
)

update $staged_rows
set rejected_because = case
    when copies.is_same then 'the same row was delivered more than once'
    else 'different rows for the same key'
end
from copies
where rowid = copies.place and (copies.copy > 1 or not copies.is_same)
