-- What the source delivered when it was last asked, by asset class.
select
    asset_class,
    count(*) as symbols,
    sum(rows_delivered)::bigint as delivered,
    sum(rows_quarantined)::bigint as rejected,
    count(failure) as failed,
    string_agg(id || ' (' || failure || ')', ', ' order by id) as failures,
from meta.deliveries
group by asset_class
order by asset_class
