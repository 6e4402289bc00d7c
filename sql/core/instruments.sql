-- description: Every instrument and basket with prices as of the run.
-- grain: instrument_id
-- known_at: the run's clock
with clock as (
    select as_of from reference.clock
),

instrument_bases as (
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
    from intermediate.instrument_bases
),

baskets as (
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
        true as has_total_return,
        is_required,
        reconstructed_before,
        valid_to,
    from reference.instruments
    where kind = 'basket'
),

prices as (
    select
        instrument_id,
        session_date,
    from intermediate.prices
),

instruments as (
    select * from instrument_bases
    union all
    select * from baskets
),

spans as (
    select
        instrument_id,
        min(session_date) as history_start,
        max(session_date) as last_session,
    from prices
    group by instrument_id
),

final as (
    select
        instruments.instrument_id, -- Short name used everywhere, for instance RUT.
        instruments.name, -- Full name; the instrument_id if the universe file has none.
        instruments.asset_class, -- equity or crypto.
        instruments.kind, -- index, fund, share, coin or basket.
        instruments.role, -- Place on the risk curve: small_cap, large_cap, credit, crypto_major, altcoin, ...; other if the universe file does not list the instrument.
        instruments.calendar, -- Calendar of its sessions: XNYS (New York) or CRYPTO (UTC days).
        instruments.currency, -- ISO code of the currency that prices are in.
        coalesce(instruments.volume_proxy, instruments.instrument_id) as volume_proxy, -- Instrument whose volume is used for this one; itself by default.
        instruments.tracks, -- Index that a fund tracks.
        instruments.price_basis, -- Price that signals use: price or total_return.
        instruments.has_total_return, -- Whether adj_close includes dividends and other payouts; false for an index.
        spans.history_start, -- First session with a final bar or level.
        spans.last_session, -- Last session with a final bar or level.
        instruments.is_required, -- Whether a run without it publishes nothing.
        instruments.reconstructed_before, -- Bars before this day are reconstructions with a close only; primary evidence excludes them.
        if(instruments.valid_to <= clock.as_of, instruments.valid_to, null) as valid_to, -- Last day of trading; null while it trades.
    from instruments
    cross join clock
    inner join spans on spans.instrument_id = instruments.instrument_id
)

select * from final
order by instrument_id
