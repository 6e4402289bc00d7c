"""The file that readers open: built next to the old one, checked, and swapped in at once.

Here: what is published and how it is put in place. A reader that has the old file open keeps it. A reader that opens
the path gets the old file or the new one, never a part of one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from assets.contracts.stored import PUBLISHED_SCHEMAS
from assets.contracts.table import literal
from assets.models.data_dictionary import write_catalog
from assets.publish.snapshots import keep_snapshot, note_snapshot, snapshots_kept
from assets.warehouse.connection import STORAGE_VERSION, open_published, swap_in, transaction
from assets.warehouse.run import Run


class PublishError(Exception):
    """The new file does not hold what the warehouse holds, so the old one stays."""


@dataclass(frozen=True)
class Published:
    """The file that was swapped in: its path, its numbers of tables and rows, its size in bytes, a hash of its data."""

    path: Path
    tables: int
    rows: int
    size: int
    content_hash: str


def publish(run: Run, status: str) -> Published:
    """Write the published file of the run.

    After any error the new file is removed, so that a full disk does not become fuller.

    Args:
        run: The run whose warehouse is published.
        status: The status of the run in the file's meta.runs.

    Returns:
        The file that was swapped in.

    Raises:
        PublishError: The new file does not hold what the warehouse holds.
    """
    new = run.published.with_name(run.published.name + ".tmp")
    _remove(new)
    write_catalog(run.connection, PUBLISHED_SCHEMAS, run.parameters)
    content_hash = note_snapshot(run).content_hash
    try:
        counts = _build(run, new, status)
        _check(new, counts)
        # The old file is a snapshot already, unless the run that published it was killed before that.
        _keep(run)
        run.locks.serve(new)
        swap_in(new, run.published)
        _keep(run)
    except BaseException:
        _remove(new)
        raise
    finish(run.connection, run.id, status)
    return Published(run.published, len(counts), sum(counts.values()), run.published.stat().st_size, content_hash)


def finish(connection: duckdb.DuckDBPyConnection, run_id: str, status: str, database: str | None = None) -> None:
    """Mark a run as ended in meta.runs.

    Args:
        connection: A connection to the warehouse.
        run_id: The run.
        status: How it ended: published or published_with_failures.
        database: The attached database that holds meta.runs. None: the warehouse.
    """
    table = "meta.runs" if database is None else f"{database}.meta.runs"
    connection.execute(f"update {table} set status = ?, finished_at = now() where run_id = ?", [status, run_id])


def settle(run: Run) -> None:
    """Mark as published the runs that were killed after their file was swapped in and before meta.runs said so.

    The published file, or the shared warehouse, has their status.
    """
    running = run.connection.execute("select list(run_id) from meta.runs where status = 'running'").fetchall()[0][0]
    for row in {*_ends(run.published, running), *run.locks.ends(running)} if running else ():
        run.connection.execute("update meta.runs set status = ?, finished_at = ? where run_id = ?", row)


def _ends(path: Path, run_ids: list[str]) -> list[tuple[str, datetime, str]]:
    """Status, end and id of the given runs, as far as a published file has them."""
    # A file that cannot be read is ignored, and will be replaced.
    with suppress(duckdb.Error), open_published(path) as reader:
        return reader.execute(
            "select status, finished_at, run_id from meta.runs where status <> 'running' and list_contains(?, run_id)",
            [run_ids],
        ).fetchall()
    return []


def _build(run: Run, path: Path, status: str) -> dict[str, int]:
    """Copy the published schemas with their comments into a new database file. Returns the rows of each table."""
    connection = run.connection
    listed = ", ".join(f"'{schema}'" for schema in PUBLISHED_SCHEMAS)
    tables = connection.execute(
        f"select schema_name, table_name, comment from duckdb_tables() where database_name = current_database() "
        f"and schema_name in ({listed}) order by all"
    ).fetchall()
    columns = connection.execute(
        f"select schema_name, table_name, column_name, comment from duckdb_columns() "
        f"where database_name = current_database() and schema_name in ({listed}) and comment is not null"
    ).fetchall()
    macros = connection.execute(
        f"select schema_name, function_name, macro_definition, comment from duckdb_functions() "
        f"where function_type = 'table_macro' and not internal and database_name = current_database() "
        f"and schema_name in ({listed}) order by all"
    ).fetchall()
    connection.execute(f"attach {literal(str(path))} as snapshot (storage_version '{STORAGE_VERSION}')")
    try:
        for schema in PUBLISHED_SCHEMAS:
            connection.execute(f"create schema snapshot.{schema}")
        counts = _copy(run, [f"{schema}.{table}" for schema, table, _ in tables])
        comments = [f"table snapshot.{schema}.{table} is {literal(comment or '')}" for schema, table, comment in tables]
        with transaction(connection):
            for schema, macro, definition, comment in macros:
                name = f"snapshot.{schema}.{macro}"
                connection.execute(f"create macro {name}(as_of_at) as table {definition}")
                comments.append(f"macro table {name} is {literal(comment or '')}")
            for schema, table, column, comment in columns:
                comments.append(f"column snapshot.{schema}.{table}.{column} is {literal(comment)}")
            connection.execute(";".join(f"comment on {comment}" for comment in comments))
            finish(connection, run.id, status, "snapshot")
        # Detaching writes the file as well, but reports no reason if that fails.
        connection.execute("checkpoint snapshot")
    except BaseException:
        # If writing failed, detaching fails as well; the first error is the one to report.
        with suppress(duckdb.Error):
            connection.execute("detach snapshot")
        raise
    connection.execute("detach snapshot")
    return counts


def _copy(run: Run, names: list[str]) -> dict[str, int]:
    """Copy tables into the attached `snapshot`, as many at a time as models are built. Returns the rows of each.

    Most of the time goes into compression, which uses one core unless the table is large.
    """
    with run.locks.building(run.connection) as builders, ThreadPoolExecutor(builders.number) as threads:

        def copy(name: str) -> int:
            with builders.connection() as connection:
                return int(connection.execute(f"create table snapshot.{name} as from {name}").fetchall()[0][0])

        return dict(zip(names, threads.map(copy, names), strict=True))


def _check(path: Path, counts: dict[str, int]) -> None:
    """Open the new file as a reader would and count."""
    with open_published(path) as reader:
        asked = " union all ".join(f"select '{name}', count(*) from {name}" for name in counts)
        for name, found in reader.execute(asked).fetchall():
            if found != counts[name]:
                raise PublishError(f"{name} has {found} rows in the new file but {counts[name]} in the warehouse")


def _keep(run: Run) -> None:
    """Keep the file that readers open now as a snapshot, unless it is a historical view."""
    if run.as_of is None:
        keep_snapshot(run.home, snapshots_kept(run))


def _remove(path: Path) -> None:
    for leftover in (path, path.with_name(path.name + ".wal")):
        leftover.unlink(missing_ok=True)
