-- Rejects rows that break the contract's rules, each with all its reasons.
-- Values: today, and for bars calendar. is_broken lists the rules' conditions as columns, reasons the text of each
-- broken rule or null, any_broken is true if a row breaks one. A row that was rejected before is judged again, as more
-- rows may have been requested since. Only rows that break a rule are written to.
with judged as (
    select
        rowid as place,
        rejected_because as rejected_before,
        $is_broken
    from $staged_rows
),

rejected as (
    select
        place,
        nullif(concat_ws('; ', $reasons), '') as reason
    from judged
    where rejected_before is not null or $any_broken
)

update $staged_rows
set rejected_because = rejected.reason
from rejected
where rowid = rejected.place
