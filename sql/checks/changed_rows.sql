-- The accepted rows that differ from the latest stored version, each with the version that it becomes.
-- Values: captured_at; calendar, null for a table without bars. differs is true if the values changed; stored_day is
-- the table's date column, or a null if it has none. A bar that was stored before its session ended gets a new
-- version when it is delivered again afterwards, even with equal values: that makes it final.
create or replace temp table $changed_rows as
select
    $columns,
    staged.source,
    coalesce(stored.version, 0) + 1 as version
from $staged_rows as staged
left join $stored_rows as stored on $is_same_key
left join reference.sessions as sessions
    on sessions.calendar = $calendar
    and sessions.session_date = $stored_day
where
    staged.rejected_because is null
    and (
        stored.version is null
        or $differs
        or (stored.captured_at < sessions.closes_at and sessions.closes_at <= $captured_at)
    )
order by $key
