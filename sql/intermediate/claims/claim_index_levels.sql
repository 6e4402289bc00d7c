-- description: Where the history of the Russell 2000 starts, and when it first closed above $article_level, as of the
--   article's last close.
-- grain: moment
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

final as (
    select
        moments.moment, -- article.
        moments.day, -- Session of the article's last close.
        min(bars.session_date) as history_start, -- First session with a bar.
        min(if(bars.signal_price > $article_level, bars.session_date, null)) as first_close_on, -- First session that closed above the level; null if none did.
    from bars
    inner join moments on moments.day >= bars.session_date
    group by moments.moment, moments.day
)

select * from final
order by moment
