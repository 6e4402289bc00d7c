"""The run log: meta.runs and meta.checks.

Here: recording that a run began, what it stored, what was checked and how it ended, so that a reader of the published
file can judge its content without Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from assets.contracts.queries import query
from assets.warehouse.connection import transaction
from assets.warehouse.home import WarehouseError
from assets.warehouse.results import Check
from assets.warehouse.run import Run


def open_run(run: Run) -> None:
    """Record the run as running, and the killed runs that are still listed as running as not published.

    Raises WarehouseError when the home holds the data of another source.
    """
    others = run.connection.execute(
        "select distinct source from meta.runs where source <> ?", [run.source.name]
    ).fetchall()
    if others:
        raise WarehouseError(
            f"{run.home.folder} holds data of the source {others[0][0]}; give {run.source.name} another --home"
        )
    running = run.connection.execute("select run_id from meta.runs where status = 'running'").fetchall()
    run.connection.execute(
        "update meta.runs set status = 'not_published' where list_contains(?, run_id)",
        [[run_id for (run_id,) in running if run.locks.is_over(run_id)]],
    )
    run.connection.execute(
        "insert into meta.runs by name select ? as run_id, ? as source, ?::timestamptz as started_at, "
        "'running' as status, 0 as rows_new, 0 as rows_restated, ? as code_version",
        [run.id, run.source.name, run.started_at, run.code_version],
    )


def close_run(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Record that a run ended without publishing."""
    connection.execute(
        "update meta.runs set status = 'not_published', finished_at = now() where run_id = ? and status = 'running'",
        [run_id],
    )


def note_rows(run: Run, rows_new: int, rows_restated: int) -> None:
    """Add the rows that a step stored to the run's totals.

    Args:
        run: The run.
        rows_new: Rows with new keys.
        rows_restated: New versions of stored rows.
    """
    with run.locks.storing():
        run.connection.execute(
            "update meta.runs set rows_new = rows_new + ?, rows_restated = rows_restated + ? where run_id = ?",
            [rows_new, rows_restated, run.id],
        )


def note_as_of(run: Run) -> None:
    """Record the run's as_of day."""
    run.connection.execute(
        "update meta.runs set as_of = (select as_of from reference.clock) where run_id = ?", [run.id]
    )


def note_checks(run: Run, checks: Sequence[Check]) -> None:
    """Record verdicts, in place of earlier ones of the same run on the same checks."""
    rows = [
        (run.id, c.name, c.table_name, c.passed, c.severity, c.rows_checked, c.rows_failed, c.detail) for c in checks
    ]
    if not rows:
        return
    with run.locks.storing(), transaction(run.connection):
        run.connection.execute(
            "delete from meta.checks where run_id = ? and list_contains(?, check_name || ' of ' || table_name)",
            [run.id, [f"{c.name} of {c.table_name}" for c in checks]],
        )
        values = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(rows))
        run.connection.execute(f"insert into meta.checks values {values}", [value for row in rows for value in row])


def troubles(run: Run) -> list[str]:
    """The instruments and series that failed or are stale, each with the reason."""
    return [trouble for (trouble,) in run.connection.execute(query("checks/troubles")).fetchall()]
