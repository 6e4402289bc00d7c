-- The last delivery of each symbol of an asset class, with the newest rejected row of it.
-- Values: asset_class. id_column and stored_rows are those of the first raw table of the class.
with newest_rejections as (
    select
        id,
        max_by(session_date, captured_at) as session_date,
        max_by(reason, captured_at) as reason,
    from meta.quarantine
    group by id
),

final as (
    select
        deliveries.id,
        deliveries.rows_delivered,
        deliveries.rows_quarantined,
        deliveries.failure,
        rejections.session_date,
        rejections.reason,
        deliveries.id in (select $id_column from $stored_rows) as is_stored,
    from meta.deliveries as deliveries
    left join newest_rejections as rejections on rejections.id = deliveries.id
    where deliveries.asset_class = $asset_class
)

select * from final
order by id
