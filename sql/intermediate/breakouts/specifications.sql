-- description: The alternative definitions of a small-cap breakout: index or fund, kind of high, length of the quiet
--   period, and margin above the level.
-- grain: specification_id
-- known_at: the run's clock
-- form: view
with signals as (
    select distinct
        subject_id,
        kind,
    from reference.signals
    where trigger = 'decided'
),

instruments as (
    select instrument_id from core.instruments
    where calendar = 'XNYS'
),

quiets as (
    select unnest([$equity_year_high_quiet, $specification_half_year, $equity_all_time_high_quiet]) as quiet_sessions
),

margins as (
    select unnest([$breakout_margin, $specification_small_margin, $specification_large_margin])::double as margin
),

final as (
    select
        concat_ws(':', signals.subject_id, signals.kind, quiets.quiet_sessions, margins.margin) as specification_id, -- price:kind:quiet:margin.
        signals.subject_id as price_id, -- The index or fund that breaks out.
        signals.kind, -- all_time_high or year_high.
        quiets.quiet_sessions, -- Length of the quiet period: sessions without a new high before the breakout.
        margins.margin, -- How far above the level the close must be [fraction].
    from signals
    inner join instruments on instruments.instrument_id = signals.subject_id
    cross join quiets
    cross join margins
)

select * from final
