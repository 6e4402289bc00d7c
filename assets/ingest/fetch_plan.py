"""What a refresh asks for: only what may have changed since the last one.

Here: from what is stored to the question for the source. A market that goes on is asked for its last sessions and for
those that are missing, so that a refresh costs by the number of symbols and not by the length of their histories.
What the answer means for what is stored is decided in `history_checks`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date

from assets.config import calendars
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.table import Table
from assets.sources.base import AssetClass, FetchRequest
from assets.warehouse.run import Run


def request(run: Run, asset_class: AssetClass) -> FetchRequest:
    """The question of this run for a class. With --full, and for symbols that are named, everything is wanted."""
    only = frozenset(run.symbols) if run.symbols else None
    if run.is_full:
        return FetchRequest(asset_class, only=only)
    since: dict[str, date] = {}
    # A folder is read as it is; only a market that goes on can be asked for less.
    if run.source.has_clock:
        table = RAW_TABLE[TABLES_OF_CLASS[asset_class][0]]
        since = _first_observations(run, table) if asset_class == "macro" else _first_sessions(run, table)
    seen = dict(
        run.connection.execute(
            "select origin, state from meta.source_states where asset_class = ? and rules = ?",
            [asset_class, rules(run)],
        ).fetchall()
    )
    return FetchRequest(asset_class, since, only, seen)


def rules(run: Run) -> str:
    """A hash of everything that judges a row: when it changes, what was read before is read again."""
    judges = [
        run.code_version,
        calendars.library_version(),
        run.universe.model_dump_json(),
        json.dumps({name: parameter.value for name, parameter in sorted(run.parameters.items())}),
    ]
    return hashlib.sha256("\n".join(judges).encode()).hexdigest()[:16]


def _first_sessions(run: Run, table: Table) -> dict[str, date]:
    """Per instrument the first session to ask for again: the trailing window, or the first recent gap before it.

    An instrument without a final bar is not in it and so is wanted whole; one that has ended and is complete is asked
    for nothing more.
    """
    rows = run.connection.execute(
        f"""
        with sessions as (
            select session_date, closes_at, row_number() over (order by session_date) as n
            from reference.sessions
            where calendar = $calendar
        ),
        final_bars as (
            select distinct bars.instrument_id, sessions.n
            from {table.full_name} as bars
            inner join sessions on sessions.session_date = bars.session_date
            where bars.captured_at >= sessions.closes_at
        ),
        spans as (
            select instrument_id, min(n) as first_n, max(n) as last_n
            from final_bars
            group by instrument_id
        ),
        gaps as (
            select spans.instrument_id, min(sessions.n) as n
            from spans
            inner join sessions
                on sessions.n between greatest(spans.first_n, spans.last_n - $gap_retry_sessions) and spans.last_n
            left join final_bars on final_bars.instrument_id = spans.instrument_id and final_bars.n = sessions.n
            where final_bars.n is null
            group by spans.instrument_id
        )
        select
            spans.instrument_id,
            if(
                instruments.valid_to <= last_sessions.session_date,
                last_sessions.session_date + 1,
                first_sessions.session_date
            ) as first_day
        from spans
        left join gaps on gaps.instrument_id = spans.instrument_id
        left join reference.instruments as instruments on instruments.instrument_id = spans.instrument_id
        inner join sessions as last_sessions on last_sessions.n = spans.last_n
        inner join sessions as first_sessions
            on first_sessions.n
            = greatest(1, least(spans.last_n - $refresh_sessions + 1, coalesce(gaps.n, spans.last_n)))
        order by spans.instrument_id
        """,
        {
            "calendar": table.calendar,
            "refresh_sessions": run.parameters["refresh_sessions"].value,
            "gap_retry_sessions": run.parameters["gap_retry_sessions"].value,
        },
    ).fetchall()
    return dict(rows)


def _first_observations(run: Run, table: Table) -> dict[str, date]:
    """Per series the first observation to ask for again. A series that every release restates is wanted whole."""
    rows = run.connection.execute(
        f"""
        with dates as (
            select distinct series_id, observation_date
            from {table.full_name}
            where series_id not in (select series_id from reference.series where is_restated)
        )
        select series_id, observation_date
        from dates
        qualify row_number() over (partition by series_id order by observation_date desc) = $refresh_sessions
        """,
        {"refresh_sessions": run.parameters["refresh_sessions"].value},
    ).fetchall()
    return dict(rows)
