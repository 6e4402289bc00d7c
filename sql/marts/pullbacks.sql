-- description: Every pullback from a high, and whether a new high followed soon and without a deep fall in between.
-- grain: instrument_id, peak_date
-- known_at: decided_at, the first close far enough below the peak
-- statistic: pullbacks.pullbacks(intermediate.price_paths, core.instruments)
with fallen as (
    select
        instrument_id,
        peak_date::date as peak_date,
        peak,
        trough_date::date as trough_date,
        trough,
        decided_at,
        recovered_at,
        sessions_to_recover,
        deep_at,
    from computed
),

final as (
    select
        instrument_id, -- The instrument, a row of core.instruments.
        peak_date, -- First session at the peak, the highest close since the instrument's history_start.
        peak, -- Close at the peak, on the instrument's price basis [currency of the instrument].
        trough / nullif(peak, 0) - 1 as depth_so_far, -- Lowest close since the peak over the peak, minus 1, until the new high or the run's as-of time [fraction, negative]. Later closes can change it.
        trough_date, -- First session at that lowest close; it changes with depth_so_far.
        decided_at, -- First close below the peak by a fraction of $equity_pullback (coins: $crypto_pullback) or more, UTC.
        recovered_at, -- First close above the peak, UTC; null until then.
        if(deep_at is null, recovered_at, null) as absorbed_at, -- The same close, if it came within $pullback_sessions sessions of decided_at and the fall had not become deep; else null.
        deep_at, -- When the fall became deep, UTC: first close below the peak by a fraction of more than $equity_deep_pullback (coins: $crypto_deep_pullback), or first session more than $pullback_sessions sessions after decided_at without a new high before; null until then.
        sessions_to_recover, -- Sessions from decided_at to the new high; null until recovered_at.
        case
            when recovered_at is null then if(deep_at is null, 'open', 'deep')
            else if(deep_at is null, 'absorbed', 'recovered')
        end as status, -- Last known state as of the run: open, absorbed, deep (no new high yet) or recovered (a new high after the fall had become deep).
    from fallen
)

select * from final
order by instrument_id, peak_date
