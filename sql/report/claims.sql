-- Every claim with its verdict and what it rests on.
select
    claim_id,
    claim,
    measured,
    expected,
    n,
    p_value,
    specification_share,
    verdict,
    reason,
    scored_on,
    as_of,
from marts.claims
order by claim_id
