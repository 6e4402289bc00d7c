-- Every column of an attached published file, $file, with its type and whether meta.columns calls it a part of the key.
with columns as (
    select
        schema_name || '.' || table_name as full_name,
        table_name,
        column_name,
        column_index,
        data_type,
    from duckdb_columns()
    where database_name = '$file' and not internal
),

described as (
    select
        table_name as full_name,
        column_name,
        is_key,
    from $file.meta.columns
),

final as (
    select
        columns.full_name,
        columns.column_name,
        columns.data_type,
        coalesce(described.is_key, false) as is_key,
        columns.table_name,
        columns.column_index,
    from columns
    left join described on described.full_name = columns.full_name and described.column_name = columns.column_name
)

select
    full_name,
    column_name,
    data_type,
    is_key,
from final
order by table_name, column_index
