"""What a run requests from its source: only what may have changed since the last run.

Here: from the stored rows to a `FetchRequest`. From a live market only the last and the missing sessions are requested,
so the cost of a refresh grows with the number of symbols and not with the length of their histories. Whether the answer
agrees with what is stored is decided in `history_checks`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date

from assets.config import calendars
from assets.contracts.queries import query
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.table import Table
from assets.sources.base import AssetClass, FetchRequest
from assets.warehouse.run import Run


def request(run: Run, asset_class: AssetClass) -> FetchRequest:
    """The request of this run for a class. With --full or --symbol it covers full histories."""
    only = frozenset(run.symbols) if run.symbols else None
    if run.is_full:
        return FetchRequest(asset_class, only=only)
    since: dict[str, date] = {}
    # Files are read as they are; only from a live market less can be requested.
    if run.source.has_clock:
        table = RAW_TABLE[TABLES_OF_CLASS[asset_class][0]]
        since = _first_observations(run, table) if asset_class == "macro" else _first_sessions(run, table)
    seen = dict(
        run.connection.execute(
            "select origin, state from meta.source_states where asset_class = ? and rules = ?",
            [asset_class, rules_hash(run)],
        ).fetchall()
    )
    return FetchRequest(asset_class, since, only, seen)


def rules_hash(run: Run) -> str:
    """A hash of everything that decides whether a row is accepted. If it changes, unchanged files are read again."""
    rules = [
        run.code_version,
        calendars.library_version(),
        run.universe.model_dump_json(),
        json.dumps({name: parameter.value for name, parameter in sorted(run.parameters.items())}),
    ]
    return hashlib.sha256("\n".join(rules).encode()).hexdigest()[:16]


def _first_sessions(run: Run, table: Table) -> dict[str, date]:
    """Per instrument, the first session to fetch again. An instrument without a final bar is left out: fetch it all."""
    names = ("refresh_sessions", "gap_retry_sessions")
    rows = run.connection.execute(
        query("checks/first_sessions_to_fetch", raw_table=table.full_name),
        {"calendar": table.calendar, **{name: run.parameters[name].value for name in names}},
    ).fetchall()
    return dict(rows)


def _first_observations(run: Run, table: Table) -> dict[str, date]:
    """Per series, the first observation to fetch again. A series that every release restates is left out."""
    rows = run.connection.execute(
        query("checks/first_observations_to_fetch", raw_table=table.full_name),
        {"refresh_sessions": run.parameters["refresh_sessions"].value},
    ).fetchall()
    return dict(rows)
