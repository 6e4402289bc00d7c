-- description: Every ratio whose two legs there are bars of.
-- grain: pair_id
-- known_at: the run's clock
with pairs as (
    select
        pair_id,
        numerator,
        denominator,
    from reference.pairs
),

instruments as (
    select
        instrument_id,
        calendar,
        has_total_return,
    from core.instruments
),

final as (
    select
        pairs.pair_id, -- Numerator/denominator.
        pairs.numerator, -- Instrument above the line, a row of core.instruments.
        pairs.denominator, -- Instrument below the line, a row of core.instruments.
        if(numerators.calendar = 'CRYPTO' and denominators.calendar = 'CRYPTO', 'CRYPTO', 'XNYS') as calendar, -- Calendar of its sessions; with one equity leg that of the exchange, so that Friday to Monday is one interval.
        if(numerators.has_total_return and denominators.has_total_return, 'total_return', 'price') as price_basis, -- What both legs are measured on: total_return where both have it, else price.
    from pairs
    inner join instruments as numerators on numerators.instrument_id = pairs.numerator
    inner join instruments as denominators on denominators.instrument_id = pairs.denominator
)

select * from final
order by pair_id
