-- description: Claim 13: what Ether and the altcoin basket returned in the months after the Russell 2000 entered an uptrend.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with parts as (
    select parts.*
    from (values ('ether', 'ETH'), ('altcoins', 'ALTS')) as parts (part, target_id)
),

rotation as (
    select
        target_id,
        translate(signal_id, ':_', '  ') as signal,
        signal_id,
        horizon_days,
        n_episodes,
        excess_mean,
        p_value,
        q_value,
        evidence,
    from marts.rotation_summary
    where signal_id in ('RUT:all_time_high:confirmed', 'RUT:year_high:confirmed', 'small_caps:turn_on:decided')
        and horizon_days in (30, 60, 90)
        and n_episodes > 0
),

specifications as (
    select
        target_id,
        count(*) as specifications,
        count_if(excess_mean > 0) as specifications_agreeing,
    from marts.specification_grid
    where horizon_days between 30 and 90 and excess_mean is not null
    group by target_id
),

-- The most certain answer for each coin. Its q allows for having chosen it among all of them.
responses as (
    select
        *,
        count(*) over (partition by target_id) as answers,
    from rotation
    qualify row_number() over (
        partition by target_id
        order by n_episodes < $minimum_episodes, coalesce(q_value, 1), p_value, signal_id, horizon_days
    ) = 1
),

final as (
    select
        13 as claim_id, -- Number of the claim.
        parts.part, -- Part of the claim: ether or altcoins.
        'clock' as moment, -- clock: the evidence is as of the run's clock.
        printf(
            '%+.1f %% against baseline %d days after %s (best of %d)',
            100 * responses.excess_mean, responses.horizon_days, responses.signal, responses.answers
        ) as measured, -- What was measured, in words; null if there were no episodes.
        if(responses.target_id is not null, 'above 0 %', null) as expected, -- What the claim says it should be.
        responses.n_episodes as n, -- Episodes.
        responses.q_value as p_value, -- q of the answer.
        $supporting_q as p_limit, -- Largest q that counts as more than chance.
        case
            when responses.evidence = 'supports' then true
            when responses.evidence = 'contradicts' then false
            -- The mean is certain, but not without one of its episodes.
            when responses.n_episodes >= $minimum_episodes and responses.q_value <= $supporting_q then null
            else responses.excess_mean > 0
        end as agrees, -- Whether the coin did better than its baseline; null if one episode decides that.
        specifications.specifications, -- Specifications of a breakout and a horizon that have an answer.
        specifications.specifications_agreeing, -- Those in which the coin did better than its baseline.
    from parts
    left join responses on responses.target_id = parts.target_id
    left join specifications on specifications.target_id = parts.target_id
    where responses.n_episodes > 0 or specifications.specifications > 0
)

select * from final
order by claim_id, part, moment
