-- description: The breakouts under each specification. The specifications with the project's own parameters give the
--   events of marts.breakouts.
-- grain: specification_id, session_date
-- known_at: decided_at
with specifications as (
    select
        specification_id,
        price_id,
        kind,
        quiet_sessions,
        margin,
    from intermediate.specifications
),

quiets as (
    select distinct
        price_id,
        quiet_sessions,
    from specifications
),

paths as (
    select
        subject_id,
        session_number,
        session_date,
        price,
        known_at,
    from intermediate.price_paths
),

-- Window functions are fast enough for a few subjects; intermediate.breakout_events covers all subjects with arrays. The
-- first session of the quiet period is in both windows. That changes nothing, because it is no higher than the level.
highs as (
    select
        quiets.price_id,
        quiets.quiet_sessions,
        paths.session_number,
        paths.session_date,
        paths.price,
        paths.known_at,
        max(paths.price) over ever as high_ever,
        max(paths.price) over year as high_of_year,
        max(paths.price) over quiet as high_of_quiet,
    from quiets
    inner join paths on paths.subject_id = quiets.price_id
    window
        ever as (
            partition by quiets.price_id, quiets.quiet_sessions
            order by paths.session_number
            rows between unbounded preceding and quiets.quiet_sessions preceding
        ),
        year as (
            partition by quiets.price_id, quiets.quiet_sessions
            order by paths.session_number
            rows between $equity_year preceding and quiets.quiet_sessions preceding
        ),
        quiet as (
            partition by quiets.price_id, quiets.quiet_sessions
            order by paths.session_number
            rows between quiets.quiet_sessions preceding and 1 preceding
        )
),

levels as (
    select
        specifications.specification_id,
        specifications.margin,
        highs.session_date,
        highs.price,
        if(specifications.kind = 'year_high', highs.high_of_year, highs.high_ever) as level,
        highs.high_of_quiet,
        highs.known_at,
    from specifications
    inner join highs
        on highs.price_id = specifications.price_id
        and highs.quiet_sessions = specifications.quiet_sessions
    where highs.session_number > $equity_year
),

final as (
    select
        specification_id, -- The specification, a row of intermediate.specifications.
        session_date, -- Session of the breakout.
        known_at as decided_at, -- The close that decided it, UTC.
    from levels
    where price > level * (1 + margin) and high_of_quiet <= level * (1 + margin)
)

select * from final
order by specification_id, session_date
