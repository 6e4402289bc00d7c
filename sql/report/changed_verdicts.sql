-- The claims whose verdicts differ between two attached published files, `one` and `other`; at most $listed of them.
with old as (
    select
        claim_id,
        claim,
        verdict,
    from one.marts.claims
),

new as (
    select
        claim_id,
        claim,
        verdict,
    from other.marts.claims
),

final as (
    select
        coalesce(new.claim_id, old.claim_id) as claim_id,
        coalesce(new.claim, old.claim) as claim,
        old.verdict as old_verdict,
        new.verdict as new_verdict,
    from old
    full outer join new on new.claim_id = old.claim_id
    where new.verdict is distinct from old.verdict
)

select * from final
order by claim_id
limit $listed
