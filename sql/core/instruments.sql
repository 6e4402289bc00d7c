-- description: Every instrument that there are bars of as of the run's clock.
-- grain: instrument_id
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

listings as (
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
        has_total_return,
        is_required,
        reconstructed_before,
        valid_to,
    from intermediate.listings
),

bars as (
    select
        instrument_id,
        session_date,
        is_final,
    from core.bars
),

spans as (
    select
        instrument_id,
        min(session_date) as history_start,
        max(session_date) as last_session,
    from bars
    where is_final
    group by instrument_id
),

final as (
    select
        listings.instrument_id, -- Short name used everywhere, for instance RUT.
        listings.name, -- Full name, where the universe file has one.
        listings.asset_class, -- equity or crypto.
        listings.kind, -- index, fund, share or coin.
        listings.role, -- Place on the risk curve: small_cap, large_cap, credit, crypto_major, altcoin, ...; other where it is unknown.
        listings.calendar, -- Calendar of its sessions: XNYS (New York) or CRYPTO (UTC days).
        listings.currency, -- ISO code of the currency that prices are in.
        coalesce(listings.volume_proxy, listings.instrument_id) as volume_proxy, -- Instrument whose volume stands for this one's; itself where no other does.
        listings.tracks, -- Index that a fund follows.
        listings.price_basis, -- What signals look at: price or total_return.
        listings.has_total_return, -- Whether adj_close includes what the instrument pays out; false for an index.
        spans.history_start, -- First session with a final bar.
        spans.last_session, -- Last session with a final bar.
        listings.is_required, -- Whether a run without it publishes nothing.
        listings.reconstructed_before, -- Bars before this day are reconstructions, close only; primary evidence leaves them out.
        if(listings.valid_to <= clock.as_of, listings.valid_to, null) as valid_to, -- Last day that it traded, once it died.
    from listings
    cross join clock
    inner join spans on spans.instrument_id = listings.instrument_id
)

select * from final
order by instrument_id
