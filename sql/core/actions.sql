-- description: Dividends and splits, in the latest version known as of the run.
-- grain: instrument_id, ex_date, kind
-- known_at: known_at, the close of the ex-date's session; for a later version, when it was captured
with clock as (
    select as_of_at from reference.clock
),

actions as (
    select
        instrument_id,
        ex_date,
        kind,
        value,
        source,
        captured_at,
        version,
    from raw.equity_actions
),

sessions as (
    select
        session_date,
        closes_at,
    from reference.sessions
    where calendar = 'XNYS'
),

-- A split also rescales the dividends before it. That is no correction, so their known_at does not change.
splits as (
    select distinct
        instrument_id,
        captured_at,
    from actions
    where kind = 'split'
),

price_scale_factors as (
    select
        instrument_id,
        captured_at,
        factor,
    from intermediate.price_scale_factors
),

dated as (
    select
        actions.* replace (
            if(actions.kind = 'dividend', actions.value * coalesce(price_scale_factors.factor, 1), actions.value) as value
        ),
        greatest(
            coalesce(sessions.closes_at, (actions.ex_date + 1)::timestamptz),
            if(actions.version > 1 and splits.captured_at is null, actions.captured_at, null)
        ) as known_at,
    from actions
    left join splits
        on splits.instrument_id = actions.instrument_id
        and splits.captured_at = actions.captured_at
    left join sessions on sessions.session_date = actions.ex_date
    left join price_scale_factors
        on price_scale_factors.instrument_id = actions.instrument_id
        and price_scale_factors.captured_at = actions.captured_at
),

visible_versions as (
    select dated.*
    from dated
    cross join clock
    where dated.known_at <= clock.as_of_at
        and (dated.version = 1 or dated.captured_at <= clock.as_of_at)
    qualify row_number() over (
        partition by dated.instrument_id, dated.ex_date, dated.kind
        order by dated.version desc
    ) = 1
),

final as (
    select
        instrument_id, -- The instrument, a row of core.instruments.
        ex_date, -- First session that trades without the dividend, or at the new share count.
        kind, -- dividend or split.
        value, -- Dividend per share in split-adjusted currency units, or new shares per old share [per share].
        source, -- Where the row came from: vendor and symbol, or file.
        known_at, -- When the row could first be known, UTC.
        captured_at, -- When this version was first seen, UTC.
        version, -- Version number: 1 for the first value seen, plus one for each change.
    from visible_versions
)

select * from final
order by instrument_id, ex_date, kind
