-- description: Every version of every value of the raw tables with one value per row: macro observations, market values
--   of coins, dividends and splits.
-- grain: table_name, id, session_date, field, version
-- known_at: the run's clock
-- form: view
with macro_versions as (
    select
        series_id,
        observation_date,
        value,
        captured_at,
        version,
        is_late,
    from intermediate.macro_versions
),

market_caps as (
    select
        instrument_id,
        session_date,
        market_cap_usd,
        captured_at,
        version,
    from raw.crypto_market_caps
),

actions as (
    select
        instrument_id,
        ex_date,
        kind,
        value,
        captured_at,
        version,
    from raw.equity_actions
),

split_captures as (
    select distinct
        instrument_id,
        captured_at,
    from actions
    where kind = 'split'
),

versions as (
    select
        'raw.macro_observations' as table_name,
        series_id as id,
        observation_date as session_date,
        captured_at,
        version,
        'value' as field,
        value,
        is_late,
        false as is_split,
    from macro_versions
    union all
    select
        'raw.crypto_market_caps' as table_name,
        instrument_id as id,
        session_date,
        captured_at,
        version,
        'market_cap_usd' as field,
        market_cap_usd as value,
        false as is_late,
        false as is_split,
    from market_caps
    union all
    select
        'raw.equity_actions' as table_name,
        actions.instrument_id as id,
        actions.ex_date as session_date,
        actions.captured_at,
        actions.version,
        actions.kind as field,
        actions.value,
        false as is_late,
        split_captures.captured_at is not null as is_split,
    from actions
    left join split_captures
        on split_captures.instrument_id = actions.instrument_id
        and split_captures.captured_at = actions.captured_at
),

final as (
    select
        table_name, -- The raw table.
        id, -- The instrument or series.
        session_date, -- The day that the value is about.
        captured_at, -- When this version was first seen, UTC.
        version, -- Version number: 1 for the first value seen, plus one for each change.
        field, -- The column; of an action its kind.
        value, -- The value, in the unit of the field.
        is_late, -- Whether it arrived after newer values of the same series.
        is_split, -- Whether it arrived together with a split of the same instrument.
    from versions
)

select * from final
