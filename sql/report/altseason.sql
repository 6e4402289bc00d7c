-- The altseason index on the last day of each week and on the last day on which it is known; null while it is unknown.
select
    session_date,
    index_pct,
    known,
    members,
    regime,
from marts.altseason
qualify session_date = max(session_date) over (partition by date_trunc('week', session_date))
    or session_date = max(session_date) filter (where index_pct is not null) over ()
order by session_date
