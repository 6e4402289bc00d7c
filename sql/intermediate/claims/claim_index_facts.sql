-- description: What was so with the Russell 2000 at the close before the article, beside what the article says.
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
        instrument_id,
        session_date,
        signal_price,
        nullif(volume, 0) as volume,
    from core.bars
    where is_final and instrument_id in ('RUT', 'IWM')
),

breadth as (
    select
        breadth.session_date,
        breadth.members,
        breadth.share_above_sma200,
        breadth.is_proxy,
        median(breadth.share_above_sma200) over history as usual_share,
    from marts.breadth as breadth
    -- The first of the small caps' groups that is there.
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

breakouts as (
    select
        breakouts.session_date,
        year(breakouts.session_date) as year,
    from marts.breakouts as breakouts
    cross join moments
    where breakouts.subject_id = 'RUT'
        and breakouts.kind = 'all_time_high'
        and not breakouts.is_left_censored
        and breakouts.session_date <= moments.day
),

index_levels as (
    select
        moments.moment,
        moments.day,
        min(bars.session_date) as history_start,
        min(if(bars.signal_price > $article_level, bars.session_date, null)) as first_close_on,
        arg_max(bars.signal_price, bars.session_date) as last_close,
        max(bars.session_date) as last_session,
        arg_max(bars.signal_price, bars.session_date) filter (
            where bars.session_date < date_trunc('year', moments.day)
        ) as year_before_close,
    from bars
    inner join moments on moments.day >= bars.session_date
    where bars.instrument_id = 'RUT'
    group by moments.moment, moments.day
),

volumes as (
    select
        session_date,
        volume,
        median(volume) over earlier as usual_volume,
        count(volume) over earlier as known_volumes,
    from bars
    where instrument_id = 'IWM'
    window earlier as (
        order by session_date
        rows between $relative_volume_sessions preceding and 1 preceding
    )
),

measured as (
    select
        index_levels.*,
        if(
            index_levels.last_session = index_levels.day,
            index_levels.last_close / nullif(index_levels.year_before_close, 0) - 1,
            null
        ) as year_to_date,
        if(
            volumes.known_volumes >= $relative_volume_known,
            volumes.volume / nullif(volumes.usual_volume, 0),
            null
        ) as relative_volume,
        breadth.members,
        breadth.share_above_sma200,
        breadth.usual_share,
        breadth.is_proxy,
    from index_levels
    left join volumes on volumes.session_date = index_levels.first_close_on
    left join breadth on breadth.session_date = index_levels.first_close_on
),

earlier_breakouts as (
    select
        count(*) as breakouts,
        string_agg(strftime(session_date, '%Y-%m'), ', ' order by session_date) as months,
        list(year order by session_date) as years,
    from breakouts
),

facts as (
    select
        1 as claim_id,
        'first_close' as part,
        moment,
        coalesce(
            printf('first close above %d on %s', $article_level, first_close_on::varchar),
            printf('no close above %d', $article_level)
        ) as measured,
        strftime(day, 'in %B %Y') as expected,
        null::bigint as n,
        coalesce(date_trunc('month', first_close_on) = date_trunc('month', day), false) as agrees,
    from measured
    -- Before the index was followed nobody here knows what it did.
    where year(history_start) < year(day)
    union all
    select
        2 as claim_id,
        'year_to_date' as part,
        moment,
        printf('%+.1f %%', 100 * year_to_date) as measured,
        printf('about %+.0f %%', 100 * $article_year_to_date) as expected,
        null::bigint as n,
        abs(year_to_date - $article_year_to_date) <= $article_tolerance as agrees,
    from measured
    union all
    select
        3 as claim_id,
        'volume' as part,
        moment,
        printf('%.2f times the usual on %s', relative_volume, first_close_on::varchar) as measured,
        printf('at least %.1f times', $heavy_volume) as expected,
        null::bigint as n,
        relative_volume >= $heavy_volume as agrees,
    from measured
    union all
    select
        4 as claim_id,
        'breadth' as part,
        moment,
        printf('%.0f %% above their 200-session mean, usual %.0f %%', 100 * share_above_sma200, 100 * usual_share)
        || if(is_proxy, ' (of the present members)', '') as measured,
        printf('at least %.0f %%, above usual', 100 * $broad_share) as expected,
        members as n,
        share_above_sma200 >= $broad_share and share_above_sma200 > usual_share as agrees,
    from measured
    union all
    select
        5 as claim_id,
        'breakouts' as part,
        measured.moment,
        coalesce(earlier_breakouts.months, 'none') as measured,
        printf('in %d and %d, in no other year', $article_first_year, $article_second_year) as expected,
        earlier_breakouts.breakouts as n,
        coalesce(earlier_breakouts.years, []) = [$article_first_year, $article_second_year] as agrees,
    from measured
    cross join earlier_breakouts
    where year(measured.history_start) < $article_first_year
),

final as (
    select
        claim_id, -- The claim.
        part, -- The part of it.
        moment, -- article: the facts are those of its day.
        measured, -- What was, in words; null where it is not known.
        expected, -- What should have been.
        n, -- Cases that it rests on; null where it is one number.
        agrees, -- Whether the one is the other; null where it is not known.
    from facts
)

select * from final
order by claim_id, part, moment
