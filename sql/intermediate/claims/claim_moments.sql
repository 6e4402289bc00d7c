-- description: The instants at which claims are scored: the last close before the article, and the run's clock.
-- grain: moment
-- known_at: the run's clock
-- form: view
with clock as (
    select
        as_of,
        as_of_at,
    from reference.clock
),

claims as (
    select distinct scored_on from reference.claims
),

sessions as (
    select
        session_date,
        closes_at,
    from core.sessions
    where calendar = 'XNYS'
),

moments as (
    select
        'article' as moment,
        claims.scored_on as day,
        sessions.closes_at as moment_at,
    from claims
    inner join sessions on sessions.session_date = claims.scored_on
    cross join clock
    where sessions.closes_at <= clock.as_of_at
    union all
    select
        'clock' as moment,
        as_of as day,
        as_of_at as moment_at,
    from clock
),

final as (
    select
        moment, -- article or clock.
        day, -- Its day.
        moment_at, -- The instant, UTC. Data that became known later do not count.
    from moments
)

select * from final
