-- description: Claim 5: in which years the Russell 2000 broke out to an all-time high before the article.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with index_levels as (
    select
        moment,
        day,
        history_start,
    from intermediate.claim_index_levels
),

breakouts as (
    select session_date
    from marts.breakouts
    where subject_id = 'RUT' and kind = 'all_time_high' and not is_left_censored
),

earlier_breakouts as (
    select
        index_levels.moment,
        count(breakouts.session_date) as breakouts,
        string_agg(strftime(breakouts.session_date, '%Y-%m'), ', ' order by breakouts.session_date) as months,
        list(year(breakouts.session_date) order by breakouts.session_date) filter (
            where breakouts.session_date is not null
        ) as years,
    from index_levels
    left join breakouts on breakouts.session_date <= index_levels.day
    -- A shorter history cannot show the breakouts that the article names.
    where year(index_levels.history_start) < $article_first_year
    group by index_levels.moment
),

final as (
    select
        5 as claim_id, -- Number of the claim.
        'breakouts' as part, -- Part of the claim.
        moment, -- article.
        coalesce(months, 'none') as measured, -- What was measured, in words.
        printf('in %d and %d, in no other year', $article_first_year, $article_second_year) as expected, -- What the claim says it should be.
        breakouts as n, -- Breakouts.
        coalesce(years, []) = [$article_first_year, $article_second_year] as agrees, -- Whether these are the years.
    from earlier_breakouts
)

select * from final
order by claim_id, part, moment
