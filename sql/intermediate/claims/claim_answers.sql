-- description: What the tables of evidence answer to the claims that ask them. They are as of the clock; what they
--   answered at the article's close, a run as of that day tells.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        moment_at,
    from intermediate.claim_moments
),

pullbacks as (
    select deep_at
    from marts.pullbacks
    where instrument_id = 'RUT'
),

breakouts as (
    select
        session_date,
        decided_at,
    from marts.breakouts
    where subject_id = 'RUT' and kind = 'all_time_high' and not is_left_censored
),

rotation as (
    select
        signal_id,
        target_id,
        horizon_days,
        n_episodes,
        excess_mean,
        p_value,
        q_value,
        evidence,
    from marts.rotation_summary
),

leads as (
    select
        signal_id,
        target_id,
        aggregation,
        best_lag,
        correlation,
        n_eff,
        q_value,
    from marts.lead_lag_best
    where q_value is not null
),

-- How long a rise lasted: to the first fall that was deep.
rises as (
    select
        moments.moment,
        breakouts.session_date,
        min(pullbacks.deep_at)::date - breakouts.session_date as days,
    from breakouts
    inner join pullbacks on pullbacks.deep_at > breakouts.decided_at
    inner join moments on moments.moment_at >= pullbacks.deep_at
    group by moments.moment, breakouts.session_date
),

-- Of what was asked of each coin the most certain answer: its q has paid for the choice among all questions.
responses as (
    select
        if(target_id = 'ETH', 'ether', 'altcoins') as part,
        translate(signal_id, ':_', '  ') as signal,
        horizon_days,
        n_episodes,
        excess_mean,
        q_value,
        evidence,
        count(*) over (partition by target_id) as questions,
    from rotation
    where signal_id in ('RUT:all_time_high:confirmed', 'RUT:year_high:confirmed', 'small_caps:turn_on:decided')
        and target_id in ('ETH', 'ALTS')
        and horizon_days in (30, 60, 90)
        and n_episodes > 0
    qualify row_number() over (
        partition by target_id
        order by n_episodes < $minimum_episodes, coalesce(q_value, 1), p_value, signal_id, horizon_days
    ) = 1
),

advances as (
    select
        count(*) as targets,
        count(*) filter (where excess_mean > 0) as risen,
        min(n_episodes) as n,
        max(p_value) as p_value,
        string_agg(printf('%s %+.1f %%', target_id, 100 * excess_mean), ', ' order by excess_mean desc) as measured,
    from rotation
    where signal_id = 'RUT:all_time_high:decided'
        and target_id in ('SPX', 'QQQ', 'HYG', 'BTC', 'ETH', 'ALTS')
        and horizon_days = 90
        and n_episodes > 0
    having count(*) > 0
),

forward_leads as (
    select *
    from leads
    where signal_id = 'IWM' and target_id = 'BTC'
    qualify row_number() over (order by q_value, aggregation) = 1
),

backward_leads as (
    select *
    from leads
    where signal_id = 'BTC' and target_id = 'IWM'
    qualify row_number() over (order by q_value, aggregation) = 1
),

answers as (
    select
        12 as claim_id,
        'lag' as part,
        'clock' as moment,
        printf(
            'behind IWM by %d sessions at best (q %.2f), ahead by %d (q %.2f)',
            forward_leads.best_lag * forward_leads.aggregation,
            forward_leads.q_value,
            backward_leads.best_lag * backward_leads.aggregation,
            backward_leads.q_value
        ) as measured,
        'behind' as expected,
        floor(if(forward_leads.q_value <= backward_leads.q_value, forward_leads.n_eff, backward_leads.n_eff))::bigint as n,
        least(forward_leads.q_value, backward_leads.q_value) as p_value,
        $claim_p_value as p_limit,
        forward_leads.q_value <= backward_leads.q_value and forward_leads.correlation > 0 as agrees,
    from forward_leads
    cross join backward_leads
    union all
    select
        13 as claim_id,
        part,
        'clock' as moment,
        printf(
            '%+.1f %% above usual %d days after %s (best of %d)',
            100 * excess_mean, horizon_days, signal, questions
        ) as measured,
        'above 0 %' as expected,
        n_episodes as n,
        q_value as p_value,
        $supporting_q as p_limit,
        case
            when evidence = 'supports' then true
            when evidence = 'contradicts' then false
            -- Certain as a whole, but not without one of its events.
            when n_episodes >= $minimum_episodes and q_value <= $supporting_q then null
            else excess_mean > 0
        end as agrees,
    from responses
    union all
    select
        15 as claim_id,
        'too_late' as part,
        'clock' as moment,
        printf('ALTS %+.1f %% above usual in 90 days after crypto majors turned on', 100 * excess_mean) as measured,
        'below 0 %' as expected,
        n_episodes as n,
        p_value,
        $claim_p_value as p_limit,
        excess_mean < 0 as agrees,
    from rotation
    where signal_id = 'crypto_majors:turn_on:decided'
        and target_id = 'ALTS'
        and horizon_days = 90
        and n_episodes > 0
    union all
    select
        20 as claim_id,
        'advance' as part,
        'clock' as moment,
        measured,
        'each above 0 %' as expected,
        n,
        p_value,
        $claim_p_value as p_limit,
        risen = targets as agrees,
    from advances
    union all
    select
        21 as claim_id,
        'duration' as part,
        moment,
        printf('median %.0f days to the next fall, %d to %d', median(days), min(days), max(days)) as measured,
        null::varchar as expected,
        count(*) as n,
        null::double as p_value,
        null::double as p_limit,
        null::boolean as agrees,
    from rises
    group by moment
),

final as (
    select
        claim_id, -- The claim.
        part, -- The part of it.
        moment, -- article or clock.
        measured, -- What was measured, in words.
        expected, -- What should have been.
        n, -- Cases: episodes, or independent pairs of sessions.
        p_value, -- Two-sided p, or the q of a family of questions; null where there is none.
        p_limit, -- Up to which it is more than chance: a q may be larger than a p.
        agrees, -- Whether the one points where the other does; null where it is not known.
    from answers
)

select * from final
order by claim_id, part, moment
