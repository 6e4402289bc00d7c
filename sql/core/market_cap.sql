-- description: Market value of each coin's circulating supply, in the latest version known as of the run.
-- grain: instrument_id, session_date
-- known_at: known_at, the end of the UTC day; for a later version, when it was captured
with clock as (
    select as_of_at from reference.clock
),

market_caps as (
    select
        instrument_id,
        session_date,
        market_cap_usd,
        source,
        captured_at,
        version,
    from raw.crypto_market_caps
),

dated as (
    select
        market_caps.*,
        greatest(
            (market_caps.session_date + 1)::timestamptz,
            if(market_caps.version > 1, market_caps.captured_at, null)
        ) as known_at,
    from market_caps
),

final as (
    select
        dated.instrument_id, -- The coin, a row of core.instruments.
        dated.session_date, -- The UTC day.
        dated.market_cap_usd, -- Market value of the circulating supply, US dollars.
        dated.source, -- Where the row came from: vendor and symbol, or file.
        dated.known_at, -- When the row could first be known, UTC.
        dated.captured_at, -- When this version was first seen, UTC.
        dated.version, -- Version number: 1 for the first value seen, plus one for each change.
    from dated
    cross join clock
    where dated.known_at <= clock.as_of_at
    qualify row_number() over (
        partition by dated.instrument_id, dated.session_date
        order by dated.version desc
    ) = 1
)

select * from final
order by instrument_id, session_date
