-- description: Every ratio in the universe file for which both legs have prices.
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
        pairs.pair_id, -- Numerator/denominator, for instance RUT/SPX.
        pairs.numerator, -- Instrument in the numerator, a row of core.instruments.
        pairs.denominator, -- Instrument in the denominator, a row of core.instruments.
        if(numerators.calendar = 'CRYPTO' and denominators.calendar = 'CRYPTO', 'CRYPTO', 'XNYS') as calendar, -- Calendar of its sessions: CRYPTO for two coins, else XNYS, so that Friday to Monday is one interval.
        if(numerators.has_total_return and denominators.has_total_return, 'total_return', 'price') as price_basis, -- Prices that both legs use: total_return if both have it, else price.
    from pairs
    inner join instruments as numerators on numerators.instrument_id = pairs.numerator
    inner join instruments as denominators on denominators.instrument_id = pairs.denominator
)

select * from final
order by pair_id
