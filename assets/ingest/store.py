"""Storing one asset class in the raw tables.

Here: check what was fetched, compare it with what is stored, validate it and store what changed, in one transaction. A
row is rejected (it goes to meta.quarantine with the reason), equal to the stored one (nothing happens), or it becomes a
new version. No stored row is ever changed or removed. Fetching is in `stage`, the checks are in `row_checks` and
`history_checks`, what a row must satisfy is in the contracts.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from assets.config import calendars
from assets.contracts.expectations import RuleOutcome, validate
from assets.contracts.queries import query
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.table import Table
from assets.ingest import fetch_plan
from assets.ingest.deliveries import fail_missing_ids, fail_rejected_ids, record_deliveries, record_states
from assets.ingest.history_checks import check_history, fetch_rescaled
from assets.ingest.quarantine import quarantine_rows, quarantine_unparsed
from assets.ingest.row_checks import check_rows
from assets.ingest.stage import ClassResult, Fetched, fetch, staging, stored
from assets.sources.base import AssetClass
from assets.warehouse.connection import transaction
from assets.warehouse.run import Run


class ContractBroken(Exception):
    """Rows that passed the row checks fail validation, so the class is not stored."""

    def __init__(self, outcomes: list[RuleOutcome]) -> None:
        broken = [outcome for outcome in outcomes if outcome.rows_failed]
        super().__init__("; ".join(f"{o.table_name}: {o.rule_name} fails on {o.rows_failed} rows" for o in broken))
        self.outcomes = outcomes


def ingest(run: Run, asset_class: AssetClass) -> ClassResult:
    """Fetch one asset class and store what changed. Raises SourceError and ContractBroken."""
    return compare_and_store(fetch(run, fetch_plan.request(run, asset_class)))


def compare_and_store(fetched: Fetched) -> ClassResult:
    """Check what was fetched, and store what changed.

    Raises:
        SourceError: Histories on a new scale could not be fetched again.
        ContractBroken: Validation found what the row checks did not; the warehouse is then as it was before.
    """
    for table in fetched.tables:
        check_rows(fetched.run, table)
    fetch_rescaled(fetched)
    return _store(fetched)


def _store(fetched: Fetched) -> ClassResult:
    run, result, connection = fetched.run, fetched.result, fetched.run.connection
    with run.locks.storing(), transaction(connection):
        captured_at = run.started_at if run.source.has_clock else _end_of_last_day(fetched)
        check_history(fetched, captured_at)
        verdicts = [validate(_changed_rows(connection, table, captured_at), table) for table in fetched.tables]
        for table in fetched.tables:
            _store_changes(connection, table, captured_at, result)
            quarantine_rows(connection, table, captured_at, result)
        quarantine_unparsed(connection, fetched.unparsed, captured_at, result)
        result.usable = _usable_ids(fetched)
        fail_rejected_ids(fetched)
        fail_missing_ids(fetched)
        record_deliveries(fetched)
        record_states(fetched)
        for table in fetched.tables:
            for temporary in (staging(table), stored(table), _changes(table)):
                connection.execute(f"drop table {temporary}")
        connection.execute("drop table temp.delivered_ranges")
        # Validation runs in another process meanwhile. Nothing is committed before its verdicts are in.
        result.outcomes = [outcome for verdict in verdicts for outcome in verdict()]
        if any(outcome.rows_failed for outcome in result.outcomes):
            raise ContractBroken(result.outcomes)
    run.source.on_stored(result.asset_class)
    return result


def already_stored(run: Run, asset_class: AssetClass) -> ClassResult:
    """The result of a run that may not fetch: the rows per id that are stored, and nothing new."""
    result = ClassResult(asset_class)
    for name in TABLES_OF_CLASS[asset_class]:
        table = RAW_TABLE[name]
        result.rows_new[table.full_name] = result.rows_restated[table.full_name] = 0
        for id_, rows in run.connection.execute(
            f"select {table.key[0]}, count(*) from {table.full_name} group by all order by all"
        ).fetchall():
            result.rows_delivered[id_] = result.rows_delivered.get(id_, 0) + rows
            if name == TABLES_OF_CLASS[asset_class][0]:
                result.usable.append(id_)
    return result


def _changes(table: Table) -> str:
    return f"temp.changed_{table.name}"


def _end_of_last_day(fetched: Fetched) -> datetime:
    """The capture time of a source without a clock: the end of the last day that has a row, at most now.

    That day may be stored already, as a source may send only what is new.
    """
    run, table = fetched.run, fetched.tables[0]
    day = table.date_column
    row = run.connection.execute(
        f"select max({day}) from (select {day} from {staging(table)} union all select {day} from {table.full_name}) "
        f"where {day} <= ?",
        [run.started_at.date()],
    ).fetchone()
    return min(calendars.end_of_day(row[0]), run.started_at) if row and row[0] else run.started_at


def _usable_ids(fetched: Fetched) -> list[str]:
    """The ids with good data in the first table of the class: accepted now, or stored and still in the source."""
    connection, table = fetched.run.connection, fetched.tables[0]
    key = table.key[0]
    accepted = connection.execute(
        f"select distinct {key} from {staging(table)} where rejected_because is null"
    ).fetchall()
    continued = connection.execute(
        f"select distinct {key} from {table.full_name} where list_contains(?, {key})",
        [sorted(fetched.result.continued.get(table.name, ()))],
    ).fetchall()
    return sorted({id_ for (id_,) in accepted + continued})


def _changed_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime
) -> duckdb.DuckDBPyRelation:
    """The accepted rows that differ from the latest stored version, each with the version that it becomes."""
    differs = [f"staged.{name} is distinct from stored.{name}" for name in table.value_columns]
    if table.is_bars:
        # A bar that merely knows less than the stored one, say no volume, is no change.
        differs = [f"(staged.{name} is not null and {d})" for name, d in zip(table.value_columns, differs, strict=True)]
    statement = query(
        "checks/changed_rows",
        changed_rows=_changes(table),
        staged_rows=staging(table),
        stored_rows=stored(table),
        columns=", ".join(f"staged.{name}" for name in table.own_columns),
        key=", ".join(f"staged.{name}" for name in table.key),
        is_same_key=" and ".join(f"staged.{name} is not distinct from stored.{name}" for name in table.key),
        stored_day=f"stored.{table.date_column}" if table.date_column else "null::date",
        differs=" or ".join(differs) or "false",
    )
    connection.execute(statement, {"captured_at": captured_at, "calendar": table.calendar})
    return connection.table(_changes(table))


def _store_changes(
    connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime, result: ClassResult
) -> None:
    connection.execute(
        f"insert into {table.full_name} by name select *, ?::timestamptz as captured_at from {_changes(table)}",
        [captured_at],
    )
    row = connection.execute(
        f"select count(*) filter (version = 1), count(*) filter (version > 1) from {_changes(table)}"
    ).fetchone()
    result.rows_new[table.full_name], result.rows_restated[table.full_name] = row or (0, 0)
