-- The breakouts that were added or removed or changed status between two attached published files, `one` and `other`,
-- the newest first; at most $listed of them.
with old as (
    select
        event_id,
        session_date,
        status,
    from one.marts.breakouts
),

new as (
    select
        event_id,
        session_date,
        status,
    from other.marts.breakouts
),

final as (
    select
        coalesce(new.event_id, old.event_id) as event_id,
        coalesce(new.session_date, old.session_date) as session_date,
        old.status as old_status,
        new.status as new_status,
    from old
    full outer join new on new.event_id = old.event_id
    where new.status is distinct from old.status
)

select
    event_id,
    old_status,
    new_status,
from final
order by session_date desc, event_id asc
limit $listed
