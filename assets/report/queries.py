"""What the report asks of the published file: one function per question, rows as dictionaries.

Here: SQL on tables that readers have as well, thinned to what a chart can show. Not here: how it is drawn or worded. No
number is worked out that the tables do not hold, but for the spread of returns from any day, which the fan charts
compare events with.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import duckdb

# A day is text as in 2026-08-21, an instant text to the minute in UTC; numbers are as the data dictionary says.
Row = dict[str, Any]

# Series are daily for this long before the end, and weekly before that.
DAILY_DAYS = 730


class NothingPublished(LookupError):
    """The file holds no run that was published."""


def ask(reader: duckdb.DuckDBPyConnection, sql: str, **values: object) -> list[Row]:
    """The answer to one question, row by row."""
    result = reader.execute(sql, values or None)
    names = [column[0] for column in result.description or []]
    return [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in result.fetchall()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    return value


def run(reader: duckdb.DuckDBPyConnection) -> Row:
    """The run that published the file. Raises NothingPublished where there is none."""
    rows = ask(
        reader,
        """
        select run_id, source, as_of, finished_at, status, code_version
        from meta.runs
        where status like 'published%'
        order by started_at desc
        limit 1
        """,
    )
    if not rows:
        raise NothingPublished("the file holds no published run")
    return rows[0]


def cascade_now(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each stage on the last session: score, on or off and since when, and the last session with a known score."""
    return ask(
        reader,
        """
        with last_scores as (
            select
                stage,
                max(session_date) as score_date,
                max_by(score, session_date) as last_score,
            from marts.cascade
            where score is not null
            group by stage
        )
        select
            cascade.session_date,
            cascade.stage,
            cascade.stage_name,
            cascade.score,
            cascade.is_on,
            cascade.state_since as since,
            last_scores.score_date,
            last_scores.last_score,
        from marts.cascade as cascade
        left join last_scores on last_scores.stage = cascade.stage
        where cascade.session_date = (select max(session_date) from marts.cascade)
        order by cascade.stage
        """,
    )


def cascade_ingredients(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Why each stage is on or off on the last session."""
    return ask(
        reader,
        """
        select
            ingredients.stage,
            coalesce(series.name, instruments.name, split_part(ingredient, ':', 1)) as subject,
            split_part(ingredient, ':', 2) as measure,
            ingredients.value,
            ingredients.signal_date,
        from marts.cascade_ingredients as ingredients
        left join core.series as series on series.series_id = split_part(ingredient, ':', 1)
        left join core.instruments as instruments on instruments.instrument_id = split_part(ingredient, ':', 1)
        where session_date = (select max(session_date) from marts.cascade)
        order by ingredients.stage, ingredient
        """,
    )


def cascade_order(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """How often each stage was followed by the next, and how often chance would do that."""
    return ask(
        reader,
        """
        select from_stage_name, to_stage_name, turn_ons, share_in_order, share_by_chance, as_of
        from marts.cascade_order
        where to_stage = from_stage + 1 and share_in_order is not null and share_by_chance is not null
        order by from_stage
        """,
    )


def cascade_spans(reader: duckdb.DuckDBPyConnection, years: int) -> list[Row]:
    """The spans of the last years in which each stage was on, or off, or not known."""
    return ask(
        reader,
        """
        with days as (
            select
                stage,
                stage_name,
                session_date,
                case when score is null or is_on is null then 'unknown' when is_on then 'on' else 'off' end as state,
                row_number() over (partition by stage order by session_date) as n,
            from marts.cascade
            where session_date > (select max(session_date) from marts.cascade) - to_years($years::integer)
        ),
        numbered as (
            select *, n - row_number() over (partition by stage, state order by session_date) as span
            from days
        )
        select
            stage,
            stage_name,
            state,
            min(session_date) as first_day,
            max(session_date) as last_day,
            max(session_date) + 1 as next_day,
            count(*) as sessions,
        from numbered
        group by stage, stage_name, state, span
        order by stage, first_day
        """,
        years=years,
    )


def claims(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """The ledger of claims."""
    return ask(reader, "from marts.claims order by claim_id")


def prices(reader: duckdb.DuckDBPyConnection, subject: str) -> list[Row]:
    """Price of an instrument, or ratio of a pair: daily to the end, weekly before the last two years."""
    return ask(
        reader,
        """
        with prices as (
            select session_date, signal_price as price from core.bars where instrument_id = $subject and is_final
            union all
            select session_date, ratio from marts.relative_strength where pair_id = $subject
        )
        select session_date, price, session_date > max(session_date) over () - $daily::integer as is_recent
        from prices
        where price is not null
        qualify is_recent
            or session_date = max(session_date) over (partition by date_trunc('week', session_date))
        order by session_date
        """,
        subject=subject,
        daily=DAILY_DAYS,
    )


def breakouts(reader: duckdb.DuckDBPyConnection, subject: str) -> list[Row]:
    """Breakouts of a subject, the newest first, with the days on which each state was decided."""
    return ask(
        reader,
        """
        with states as (
            select event_id, string_agg(state || ' ' || session_date, ', ' order by session_date, state) as life
            from marts.breakout_states
            group by event_id
        )
        select breakouts.*, states.life
        from marts.breakouts as breakouts
        left join states on states.event_id = breakouts.event_id
        where breakouts.subject_id = $subject
        order by breakouts.session_date desc, breakouts.kind
        """,
        subject=subject,
    )


def breakout_states(reader: duckdb.DuckDBPyConnection, subjects: list[str], events: int) -> list[Row]:
    """The states of the newest breakouts of some subjects, in sessions after each."""
    return ask(
        reader,
        """
        with newest as (
            select event_id, subject_id, kind, session_date as event_date
            from marts.breakouts
            where list_contains($subjects, subject_id) and not is_left_censored
            order by session_date desc, event_id
            limit $events
        )
        select newest.*, states.state, states.session_date, states.sessions_after
        from newest
        inner join marts.breakout_states as states on states.event_id = newest.event_id
        order by newest.event_date desc, newest.event_id, states.sessions_after, states.state
        """,
        subjects=subjects,
        events=events,
    )


def rotation_tails(reader: duckdb.DuckDBPyConnection, pairs: list[str], weeks: int) -> list[Row]:
    """The last weeks of pairs on the relative rotation graph; without pairs that ended over five weeks before."""
    return ask(
        reader,
        """
        select
            pair_id,
            week_end,
            rs_ratio,
            rs_momentum,
            quadrant,
            row_number() over (partition by pair_id order by week_end desc) as weeks_back,
        from marts.relative_rotation
        where list_contains($pairs, pair_id)
        qualify weeks_back <= $weeks and max(week_end) over (partition by pair_id) >= max(week_end) over () - 35
        order by pair_id, week_end
        """,
        pairs=pairs,
        weeks=weeks,
    )


def responses(reader: duckdb.DuckDBPyConnection, subject: str, kind: str, target: str) -> list[Row]:
    """What a target did after each event, as far as it is known; without days of reconstructed prices."""
    return ask(
        reader,
        """
        select responses.event_id, responses.entry_date, responses.horizon_days, responses.forward_return
        from marts.rotation_responses as responses
        left join core.instruments as instruments on instruments.instrument_id = responses.target_id
        where responses.event_id like $events
            and responses.trigger = 'decided'
            and responses.target_id = $target
            and responses.is_complete
            and (instruments.reconstructed_before is null or responses.entry_date >= instruments.reconstructed_before)
        order by responses.entry_date, responses.event_id, responses.horizon_days
        """,
        events=f"{subject}:{kind}:%",
        target=target,
    )


def usual_returns(reader: duckdb.DuckDBPyConnection, target: str) -> list[Row]:
    """How far a target moved from any day, by horizon: the middle, and the ends between which four in five lie."""
    return ask(
        reader,
        """
        with horizons as (
            select distinct horizon_days from marts.rotation_summary where target_id = $target
        ),
        prices as (
            select bars.session_date, bars.return_price as price
            from core.bars as bars
            inner join core.instruments as instruments on instruments.instrument_id = bars.instrument_id
            where bars.instrument_id = $target
                and bars.is_final
                and (instruments.reconstructed_before is null or bars.session_date >= instruments.reconstructed_before)
            union all
            select session_date, numerator
            from marts.relative_strength
            where pair_id = $target || '/BTC' and $target not in (select instrument_id from core.bars)
        ),
        returns as (
            select horizons.horizon_days, later.price / nullif(prices.price, 0) - 1 as forward_return
            from horizons
            cross join prices
            inner join prices as later on later.session_date = prices.session_date + horizons.horizon_days
        )
        select
            horizon_days,
            count(*) as days,
            quantile_cont(forward_return, 0.1) as low,
            median(forward_return) as middle,
            quantile_cont(forward_return, 0.9) as high,
        from returns
        where forward_return is not null
        group by horizon_days
        order by horizon_days
        """,
        target=target,
    )


def rotation_table(reader: duckdb.DuckDBPyConnection, target: str) -> list[Row]:
    """The rotation table of a target: every signal at every horizon."""
    return ask(
        reader,
        "from marts.rotation_summary where target_id = $target order by signal_id, horizon_days",
        target=target,
    )


def lead_lag(reader: duckdb.DuckDBPyConnection, target: str) -> list[Row]:
    """Correlations of each signal's daily moves with those of a target, by lag; the instruments before the series."""
    return ask(
        reader,
        """
        select signal_id, coalesce(series.name, signal_id) as signal_name, lag, correlation, n, n_eff, p_value, as_of
        from marts.lead_lag
        left join core.series as series on series.series_id = lead_lag.signal_id
        where target_id = $target and aggregation = 1 and correlation is not null and n_eff > 0
        order by series.name is not null, signal_id, lag
        """,
        target=target,
    )


def best_leads(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Of each signal and target, in both directions, the lead with the largest correlation; daily moves."""
    return ask(
        reader,
        """
        select signal_id, target_id, best_lag, correlation, n, p_value, q_value, share_by_chance, as_of
        from marts.lead_lag_best
        where aggregation = 1
        order by p_value, signal_id, target_id
        """,
    )


def liquidity(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Net liquidity and its change over 13 weeks: daily to the end, weekly before the last two years."""
    return ask(
        reader,
        """
        select
            session_date,
            balance_sheet_musd,
            treasury_account_musd,
            reverse_repo_musd,
            net_liquidity_musd,
            change_28d_musd,
            change_91d_musd,
            regime,
            session_date > max(session_date) over () - $daily::integer as is_recent,
        from marts.liquidity
        where net_liquidity_musd is not null
        qualify is_recent
            or session_date = max(session_date) over (partition by date_trunc('week', session_date))
        order by session_date
        """,
        daily=DAILY_DAYS,
    )


def altseason(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """The altseason index: the last day of each week, and the last day on which it is known; unknown days as nulls."""
    return ask(
        reader,
        """
        select session_date, index_pct, known, members, regime
        from marts.altseason
        qualify session_date = max(session_date) over (partition by date_trunc('week', session_date))
            or session_date = max(session_date) filter (where index_pct is not null) over ()
        order by session_date
        """,
    )


def pullbacks(reader: duckdb.DuckDBPyConnection, instruments: list[str]) -> list[Row]:
    """Pullbacks of some instruments, the newest first, with the last session of each instrument."""
    return ask(
        reader,
        """
        select pullbacks.*, instruments.last_session
        from marts.pullbacks as pullbacks
        left join core.instruments as instruments on instruments.instrument_id = pullbacks.instrument_id
        where list_contains($instruments, pullbacks.instrument_id)
        order by pullbacks.peak_date desc, pullbacks.instrument_id
        """,
        instruments=instruments,
    )


def checks(reader: duckdb.DuckDBPyConnection, run_id: str) -> list[Row]:
    """The checks of a run, those that failed first."""
    return ask(reader, "from meta.checks where run_id = $run_id order by passed, table_name, check_name", run_id=run_id)


def freshness(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """How fresh every instrument and series is, the oldest first."""
    return ask(reader, "from meta.freshness order by status desc, age_sessions desc nulls first, id")


def gaps(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Sessions that are missing inside a history, by instrument."""
    return ask(
        reader,
        """
        select
            instrument_id,
            count(*) as sessions,
            min(session_date) as first_day,
            max(session_date) as last_day,
            max(missing_in_a_row) as longest,
        from meta.gaps
        group by instrument_id
        order by sessions desc, instrument_id
        """,
    )


def quarantine(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Refused rows by table, instrument and reason."""
    return ask(
        reader,
        """
        select
            table_name,
            id,
            reason,
            count(*) as refused,
            min(session_date) as first_day,
            max(session_date) as last_day,
        from meta.quarantine
        group by table_name, id, reason
        order by refused desc, table_name, id, reason
        """,
    )


def deliveries(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """What the source delivered, by class."""
    return ask(
        reader,
        """
        select
            asset_class,
            count(*) as symbols,
            sum(rows_delivered)::bigint as delivered,
            sum(rows_quarantined)::bigint as refused,
            count(failure) as failed,
            string_agg(id || ' (' || failure || ')', ', ' order by id) as failures,
        from meta.deliveries
        group by asset_class
        order by asset_class
        """,
    )
