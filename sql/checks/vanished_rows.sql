-- The stored rows that a delivery covers and lacks, and that meta.vanished does not have yet.
-- Values: table_name; captured_at, the time of this delivery; excepted, the ids that were rejected as a whole.
create or replace temp table vanished_rows as
select distinct
    $table_name::varchar as table_name,
    stored.$id_column as id,
    stored.$date_column as session_date,
    $captured_at::timestamptz as captured_at
from $stored_rows as stored
where
    stored.is_covered
    and not list_contains($excepted, stored.$id_column)
    and not exists (
        select staged.$id_column
        from $staged_rows as staged
        where $is_same_key
    )
    and not exists (
        select 1
        from meta.vanished as known
        where
            known.table_name = $table_name
            and known.id = stored.$id_column
            and known.session_date = stored.$date_column
    )
