-- description: What net liquidity, the breadth of groups and the altseason index say as ingredients of the cascade.
-- grain: subject_id, measure, session_date
-- known_at: known_at
-- form: view
with liquidity as (
    select
        session_date,
        change_91d_musd,
        known_at,
    from marts.liquidity
),

breadth as (
    select
        group_id,
        session_date,
        share_above_sma200,
        known_at,
    from marts.breadth
),

altseason as (
    select
        session_date,
        index_pct,
        known_at,
    from marts.altseason
),

answers as (
    select
        'net_liquidity' as subject_id,
        'rises' as measure,
        session_date,
        change_91d_musd as measured,
        0 as threshold,
        change_91d_musd > 0 as is_met,
        known_at,
    from liquidity
    union all
    select
        group_id as subject_id,
        'half_above_mean' as measure,
        session_date,
        share_above_sma200 as measured,
        $half_of_members as threshold,
        share_above_sma200 >= $half_of_members as is_met,
        known_at,
    from breadth
    union all
    select
        'altcoins' as subject_id,
        'half_beat_bitcoin' as measure,
        session_date,
        index_pct as measured,
        $half_of_altcoins as threshold,
        index_pct >= $half_of_altcoins as is_met,
        known_at,
    from altseason
),

final as (
    select
        subject_id, -- net_liquidity, a group, or altcoins.
        measure, -- rises, half_above_mean or half_beat_bitcoin.
        session_date, -- Session of the subject's own calendar.
        measured, -- The number that is compared.
        threshold, -- What it is compared with.
        is_met, -- Whether the ingredient is met; null if unknown.
        known_at, -- When that could first be known, UTC.
    from answers
)

select * from final
