-- description: The factor that converts prices captured after the run's as-of time to the share count of that time.
--   The two scales differ if a split was first seen in between.
-- grain: instrument_id, captured_at
-- known_at: the run's clock
with clock as (
    select as_of_at from reference.clock
),

versions as (
    select
        instrument_id,
        captured_at,
    from intermediate.bar_versions
),

rescalings as (
    select
        instrument_id,
        captured_at,
        factor,
    from intermediate.rescalings
),

later_captures as (
    select distinct
        versions.instrument_id,
        versions.captured_at,
    from versions
    cross join clock
    where versions.captured_at > clock.as_of_at
        and versions.instrument_id in (select rescalings.instrument_id from rescalings)
),

final as (
    select
        later_captures.instrument_id, -- The instrument.
        later_captures.captured_at, -- The capture.
        1 / nullif(product(rescalings.factor), 0) as factor, -- Price on the share count of the as-of time over price of that capture [factor].
    from later_captures
    cross join clock
    inner join rescalings
        on rescalings.instrument_id = later_captures.instrument_id
        and rescalings.captured_at > clock.as_of_at
        and rescalings.captured_at <= later_captures.captured_at
    group by later_captures.instrument_id, later_captures.captured_at
)

select * from final
order by instrument_id, captured_at
