-- description: Every fall from a high, and whether a new high came soon and without a deep fall in between.
-- grain: instrument_id, peak_date
-- known_at: decided_at, the first close far enough under the peak
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
        peak_date, -- First session at the high that it fell from, the highest close since its history_start.
        peak, -- That close, on the instrument's price basis [currency of the instrument].
        trough / nullif(peak, 0) - 1 as depth_so_far, -- Lowest close since the peak against it, until the new high or the run's clock [fraction, negative]: the one number here that later closes change.
        trough_date, -- First session at that lowest close; changes with it.
        decided_at, -- First close 5 % (coins: 20 %) or more under the peak, UTC.
        recovered_at, -- First close above the peak, UTC; null until then.
        if(deep_at is null, recovered_at, null) as absorbed_at, -- The same close where it came within 63 sessions of the decision and no close was more than 10 % (coins: 40 %) under the peak; null until then.
        deep_at, -- First close more than 10 % (coins: 40 %) under the peak, or the 64th session after the decision without a new high before it, UTC; null until then.
        sessions_to_recover, -- Sessions from the decision to the new high; null until recovered_at.
        case
            when recovered_at is null then if(deep_at is null, 'open', 'deep')
            else if(deep_at is null, 'absorbed', 'recovered')
        end as status, -- What was known last as of the run's clock: open, absorbed, deep (no new high yet), or recovered (a new high after it had been deep).
    from fallen
)

select * from final
order by instrument_id, peak_date
