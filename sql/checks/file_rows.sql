-- The rows of data files of one shape, typed; a row that cannot be read is kept as JSON in payload.
-- Values: paths, the files as patterns; files, their names as the reader reports them. The identifiers come from the
-- files' shape: lines reads the cells as text, numbers casts them to doubles, is_unreadable is true if one is no number.
with typed as (
    select
        *,
        -- A date may have a time: midnight in New York, written in UTC.
        coalesce(try_cast($day_cell as date), try_cast($day_cell as timestamptz)::date) as any_day,
        $numbers
    from $lines
),

judged as (
    select
        *,
        -- DuckDB also reads "infinity" and the year 20250 as dates.
        if(any_day between date '0001-01-01' and date '9999-12-31', any_day, null) as day,
        day is null or $is_unreadable as is_bad
    from typed
)

select
    list_position($files, file)::integer - 1 as place,
    day as $date_column,
    $values,
    if(is_bad, to_json($payload)::varchar, null) as payload
from judged
where is_bad or not ($is_skipped)
