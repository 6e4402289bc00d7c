-- description: Claim 4: how many small caps were above their mean of $long_mean sessions on the day of the Russell 2000's
--   first close above $article_level.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with index_levels as (
    select
        moment,
        first_close_on,
    from intermediate.claim_index_levels
),

breadth as (
    select
        breadth.session_date,
        breadth.members,
        breadth.share_above_sma200,
        breadth.is_proxy,
        median(breadth.share_above_sma200) over history as median_share,
    from marts.breadth as breadth
    -- The preferred group of small caps among those that have members.
    where breadth.group_id = (
        select arg_min(reference_groups.group_id, reference_groups.preference)
        from reference.breadth_groups as reference_groups
        where reference_groups.role = 'small_cap'
            and reference_groups.group_id in (select core_groups.group_id from core.groups as core_groups)
    )
    window history as (
        order by breadth.session_date
        rows between unbounded preceding and 1 preceding
    )
),

final as (
    select
        4 as claim_id, -- Number of the claim.
        'breadth' as part, -- Part of the claim.
        index_levels.moment, -- article.
        printf(
            '%.0f %% above their %d-session mean, median %.0f %%',
            100 * breadth.share_above_sma200,
            $long_mean,
            100 * breadth.median_share
        ) || if(breadth.is_proxy, ' (of the present members)', '') as measured, -- What was measured, in words; null if breadth is not known.
        printf('at least %.0f %%, above the median', 100 * $broad_share) as expected, -- What the claim says it should be.
        breadth.members as n, -- Small caps in the group.
        breadth.share_above_sma200 >= $broad_share
        and breadth.share_above_sma200 > breadth.median_share as agrees, -- Whether participation was broad, and broader than the median session before; null if it is not known.
    from index_levels
    left join breadth on breadth.session_date = index_levels.first_close_on
)

select * from final
order by claim_id, part, moment
