-- Sessions that are missing inside a history, by instrument.
select
    instrument_id,
    count(*) as sessions,
    min(session_date) as first_day,
    max(session_date) as last_day,
    max(missing_in_a_row) as longest,
from meta.gaps
group by instrument_id
order by sessions desc, instrument_id asc
