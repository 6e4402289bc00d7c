-- description: Claim 12: half-years in which crypto had a higher beta than the Russell 2000, and whether Bitcoin moves after
--   small caps or before them.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

instruments as (
    select
        instrument_id,
        reconstructed_before,
    from core.instruments
    where instrument_id in ('RUT', 'BTC', 'ALTS')
),

betas as (
    select
        betas.instrument_id,
        betas.session_date,
        betas.beta_126,
        betas.known_at,
    from marts.beta as betas
    inner join instruments on instruments.instrument_id = betas.instrument_id
    where betas.beta_126 is not null
        -- From the first beta on whose window has no reconstructed price.
        and betas.session_date >= coalesce(instruments.reconstructed_before, '0001-01-01'::date) + $crypto_year
),

leads as (
    select
        signal_id,
        best_lag * aggregation as lag_sessions,
        correlation,
        n_eff,
        q_value,
    from marts.lead_lag_best
    where q_value is not null
        and ((signal_id = 'IWM' and target_id = 'BTC') or (signal_id = 'BTC' and target_id = 'IWM'))
    qualify row_number() over (partition by signal_id order by q_value, aggregation) = 1
),

-- A beta looks back half a year, so the windows of two half-year ends do not overlap.
halves as (
    select
        instrument_id,
        (date_trunc('year', session_date) + to_months(if(month(session_date) > 6, 6, 0)))::date as half_start,
        (half_start + to_months(6))::date as next_start,
        max(session_date) as session_date,
        arg_max(beta_126, session_date) as beta,
        arg_max(known_at, session_date) as known_at,
    from betas
    group by all
),

-- A half-year counts once it is over.
compared as (
    select
        if(coins.instrument_id = 'BTC', 'beta_of_bitcoin', 'beta_of_altcoins') as part,
        coins.beta > small.beta as is_higher,
        greatest(small.known_at, coins.known_at, small.next_start::timestamptz) as decided_at,
    from halves as small
    inner join halves as coins on coins.half_start = small.half_start
    where small.instrument_id = 'RUT'
        and coins.instrument_id in ('BTC', 'ALTS')
        and coins.session_date >= small.next_start - $exit_tolerance_days
),

answers as (
    select
        compared.part,
        moments.moment,
        count(*) as n,
        count_if(compared.is_higher) as agreeing,
        $half_of_members as chance,
    from compared
    inner join moments on moments.moment_at >= compared.decided_at
    group by compared.part, moments.moment
    union all by name
    select
        'lag' as part,
        'clock' as moment,
        printf(
            'behind IWM by %d sessions at best (q %.2f), ahead by %d (q %.2f)',
            behind.lag_sessions, behind.q_value, ahead.lag_sessions, ahead.q_value
        ) as measured,
        'behind' as expected,
        floor(if(behind.q_value <= ahead.q_value, behind.n_eff, ahead.n_eff))::bigint as n,
        least(behind.q_value, ahead.q_value) as p_value,
        behind.q_value <= ahead.q_value and behind.correlation > 0 as agrees,
    from leads as behind
    inner join leads as ahead on ahead.signal_id = 'BTC'
    where behind.signal_id = 'IWM'
),

final as (
    select
        12 as claim_id, -- Number of the claim.
        part, -- Part of the claim: beta_of_bitcoin, beta_of_altcoins or lag.
        moment, -- article or clock; lag: clock, as its evidence is as of the run's clock.
        measured, -- What was measured, in words; null for counts.
        expected, -- What the claim says it should be; null for counts.
        n, -- Half-years; lag: independent pairs of sessions.
        agreeing, -- Half-years in which the beta was above the Russell 2000's.
        chance, -- Share of them by chance [fraction].
        p_value, -- q of the best lag; null for counts.
        agrees, -- lag: whether Bitcoin behind IWM is the more certain direction; null for counts.
    from answers
)

select * from final
order by claim_id, part, moment
