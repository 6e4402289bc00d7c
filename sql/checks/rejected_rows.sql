-- The rejected rows of a staging table, in the columns of meta.quarantine.
-- Value: table_name. day is the date column, or a null; payload packs the row into a struct.
create or replace temp table rejected_rows as
select distinct
    $table_name::varchar as table_name,
    coalesce($id_column, '') as id,
    $day as session_date,
    rejected_because as reason,
    to_json($payload)::varchar as payload
from $staged_rows
where rejected_because is not null
