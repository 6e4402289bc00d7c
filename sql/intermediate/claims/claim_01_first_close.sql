-- description: Claim 1: whether the Russell 2000 first closed above $article_level in the month of the article.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with index_levels as (
    select
        moment,
        day,
        history_start,
        first_close_on,
    from intermediate.claim_index_levels
),

final as (
    select
        1 as claim_id, -- Number of the claim.
        'first_close' as part, -- Part of the claim.
        moment, -- article.
        coalesce(
            printf('first close above %d on %s', $article_level, first_close_on::varchar),
            printf('no close above %d', $article_level)
        ) as measured, -- What was measured, in words.
        strftime(day, 'in %B %Y') as expected, -- What the claim says it should be.
        coalesce(date_trunc('month', first_close_on) = date_trunc('month', day), false) as agrees, -- Whether the first close lies in that month.
    from index_levels
    -- A close is the first one only if the history is longer than the article's year.
    where year(history_start) < year(day)
)

select * from final
order by claim_id, part, moment
