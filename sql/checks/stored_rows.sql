-- The latest stored version of every row that a delivery covers, and of the last row before the covered days.
-- Value: table_name. stored_day and earlier_day are the table's date column, or a null if it has none.
create or replace temp table $stored_rows as
with ids as (
    select $id_column as id
    from $staged_rows
    where $id_column is not null
    union
    select id
    from temp.delivered_ranges
    where table_name = $table_name
),

-- An id may be delivered more than once; a delivery without a first day covers its whole history.
covered as (
    select
        ids.id,
        if(bool_or(ranges.since is null), null, min(ranges.since)) as since
    from ids
    left join temp.delivered_ranges as ranges on ranges.table_name = $table_name and ranges.id = ids.id
    group by ids.id
),

-- The first delivered row is compared with the row before it. A join, not a subquery per id: that would hold the whole
-- stored table in memory.
days_before as (
    select
        covered.id,
        max($earlier_day) as day
    from covered
    inner join $raw_table as earlier on earlier.$id_column = covered.id and $earlier_day < covered.since
    group by covered.id
),

-- Few rows ever got another version. A window over the versions of all rows would hold all of them in memory.
newer as (
    select
        $key,
        version
    from $raw_table
    where version > 1
)

select
    $columns,
    coalesce($stored_day >= covered.since, true) as is_covered
from $raw_table as stored
inner join covered on covered.id = stored.$id_column
left join days_before on days_before.id = covered.id
left join newer on newer.version = stored.version + 1 and $is_same_key
where newer.version is null and (coalesce($stored_day >= covered.since, true) or $stored_day = days_before.day)
