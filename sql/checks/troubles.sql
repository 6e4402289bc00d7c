-- The instruments and series that failed or are stale, each with the reason.
with failed as (
    select
        id,
        failure as reason,
    from meta.deliveries
    where failure is not null
),

stale as (
    select
        id,
        'stale, last value of ' || last_session as reason,
    from meta.freshness
    where status = 'stale'
),

final as (
    select id || ': ' || reason as trouble from failed
    union all
    select id || ': ' || reason as trouble from stale
)

select * from final
order by trouble
