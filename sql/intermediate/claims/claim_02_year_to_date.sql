-- description: Claim 2: how much the Russell 2000 was up in the year to date at the article's last close.
-- grain: claim_id, part, moment
-- known_at: the run's clock
with moments as (
    select
        moment,
        day,
    from intermediate.claim_moments
    where moment = 'article'
),

bars as (
    select
        session_date,
        signal_price,
    from core.bars
    where is_final and instrument_id = 'RUT'
),

levels as (
    select
        moments.moment,
        moments.day,
        max(bars.session_date) as last_session,
        arg_max(bars.signal_price, bars.session_date) as last_close,
        arg_max(bars.signal_price, bars.session_date) filter (
            where bars.session_date < date_trunc('year', moments.day)
        ) as year_before_close,
    from bars
    inner join moments on moments.day >= bars.session_date
    group by moments.moment, moments.day
),

changes as (
    select
        moment,
        if(last_session = day, last_close / nullif(year_before_close, 0) - 1, null) as year_to_date,
    from levels
),

final as (
    select
        2 as claim_id, -- Number of the claim.
        'year_to_date' as part, -- Part of the claim.
        moment, -- article.
        printf('%+.1f %%', 100 * year_to_date) as measured, -- What was measured, in words; null if a close is missing.
        printf('about %+.0f %%', 100 * $article_year_to_date) as expected, -- What the claim says it should be.
        abs(year_to_date - $article_year_to_date) <= $article_tolerance as agrees, -- Whether it is within the tolerance; null if a close is missing.
    from changes
)

select * from final
order by claim_id, part, moment
