-- description: Every instrument with stored bars, with its entry in the universe file. An instrument without an entry
--   has the role other.
-- grain: instrument_id
-- known_at: the run's clock
with equity_bars as (
    select
        instrument_id,
        'equity' as asset_class,
        session_date,
        close,
        adj_close,
        version,
    from raw.equity_bars
),

crypto_bars as (
    select
        instrument_id,
        'crypto' as asset_class,
        session_date,
        close,
        adj_close,
        version,
    from raw.crypto_bars
),

bars as (
    select * from equity_bars
    union all
    select * from crypto_bars
),

universe as (
    select
        instrument_id,
        name,
        asset_class,
        kind,
        role,
        calendar,
        currency,
        volume_proxy,
        tracks,
        price_basis,
        is_required,
        reconstructed_before,
        valid_to,
    from reference.instruments
),

-- The first bar decides the price basis, so it never depends on later data.
first_bars as (
    select
        instrument_id,
        min(asset_class) as asset_class,
        arg_min(close is not null, (session_date, version)) as has_close,
        arg_min(adj_close is not null, (session_date, version)) as has_vendor_adj_close,
    from bars
    group by instrument_id
),

final as (
    select
        first_bars.instrument_id, -- Short name used everywhere, for instance RUT.
        coalesce(universe.name, first_bars.instrument_id) as name, -- Full name; the instrument_id if the universe file has none.
        coalesce(universe.asset_class, first_bars.asset_class) as asset_class, -- equity or crypto.
        coalesce(universe.kind, if(first_bars.asset_class = 'crypto', 'coin', 'share')) as kind, -- index, fund, share or coin.
        coalesce(universe.role, 'other') as role, -- Place on the risk curve; other if the universe file does not list the instrument.
        coalesce(universe.calendar, if(first_bars.asset_class = 'crypto', 'CRYPTO', 'XNYS')) as calendar, -- Calendar of its sessions.
        coalesce(universe.currency, 'USD') as currency, -- ISO code of the currency that prices are in.
        universe.volume_proxy, -- Instrument whose volume is used for this one; null for its own.
        universe.tracks, -- Index that a fund tracks.
        if(first_bars.has_close, coalesce(universe.price_basis, 'price'), 'total_return') as price_basis, -- Price that signals use: price or total_return.
        first_bars.has_vendor_adj_close, -- Whether the total return is the vendor's instead of derived from dividends.
        coalesce(universe.kind, '') != 'index' as has_total_return, -- Whether adj_close includes dividends and other payouts.
        coalesce(universe.is_required, false) as is_required, -- Whether a run without it publishes nothing.
        universe.reconstructed_before, -- Bars before this day are reconstructions with a close only.
        universe.valid_to, -- Last day of trading; null while it trades.
    from first_bars
    left join universe on universe.instrument_id = first_bars.instrument_id
    -- Baskets are computed here. Bars that a source delivers under the same id are ignored.
    where universe.kind is distinct from 'basket'
)

select * from final
