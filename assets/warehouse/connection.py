"""The one writer's connection to the warehouse.

Here: how a connection is set up and how much memory it takes, transactions, and the creation of the stored tables from
the contracts. What is written is the business of `ingest`, `models` and `publish`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from assets.contracts.stored import SCHEMAS, STORED_TABLE, STORED_TABLES
from assets.warehouse.home import Home, Opened, WarehouseError, first_line, unwritable
from assets.warehouse.lock import SingleProcessLocks, locked

if TYPE_CHECKING:
    import pandas as pd

# What DuckDB may take before it puts rows aside on the disk. With more no run was faster, of the usual size or of 5,000
# symbols (docs/performance.md).
MEMORY_LIMIT = "320MiB"
# What each of those may take who work beside the warehouse while it rests, and what it keeps then.
EXPORT_MEMORY_LIMIT, RESTING_MEMORY_LIMIT = "200MiB", "100MiB"
# The connections that are in a transaction; to begin another one would abort the first.
_WITHIN: set[int] = set()


@contextmanager
def writing(home: Home, as_of: date | None, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[Opened]:
    """The only way to write: the lock, the connection, and the stored tables in place.

    With `as_of` the connection is to a copy, which is gone afterwards, so that a look at the past changes nothing.
    `tell` hears once that another run is being waited for. Raises WarehouseError when the folder cannot be written,
    the lock is not free within `wait_seconds`, or another program holds the database.
    """
    try:
        home.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(f"{home.folder} cannot be created: {error.strerror}; choose another --home") from error
    if home.shared is not None and as_of is None:
        with home.shared.opened(home, wait_seconds, tell) as opened:
            yield opened
        return
    with locked(home.lock, wait_seconds, tell):
        clear(home)
        if as_of is None:
            with _opened(home.warehouse) as connection:
                yield Opened(connection, SingleProcessLocks())
            return
        scratch = home.scratch(as_of)
        try:
            if home.shared is not None:
                home.shared.copy(scratch)
            elif home.warehouse.exists():
                _copy_closed(home.warehouse, scratch)
            with _opened(scratch) as connection:
                yield Opened(connection, SingleProcessLocks())
        finally:
            _remove(scratch)


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect(str(path), _spill(path))
    # What a killed run had to put aside. Only now is it sure that no other program has the database open.
    shutil.rmtree(_spill(path), ignore_errors=True)
    try:
        prepare(connection)
        yield connection
    finally:
        connection.close()


def _spill(path: Path) -> Path:
    return Path(f"{path}.tmp")


def connect(path: str, spill: Path) -> duckdb.DuckDBPyConnection:
    """A connection set up as every run needs it; what does not fit into memory is put aside in the folder `spill`.

    Raises WarehouseError when the database cannot be opened.
    """
    # Nothing is fetched from a network at run time, and every instant is shown in UTC.
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": str(spill),
        "memory_limit": MEMORY_LIMIT,
        # A run writes its tables once; folding the log into the file after each few of them is work for nothing.
        "checkpoint_threshold": "256MiB",
    }
    try:
        connection = duckdb.connect(path, config=config)
    except duckdb.IOException as error:
        holder = re.search(r"held in (.+?) \(PID (\d+)\)", str(error))
        if holder:
            raise WarehouseError(
                f"{path} is held by {holder[1]} (PID {holder[2]}); close it there, and read the published file instead"
            ) from error
        said = first_line(error)
        raise WarehouseError(unwritable(Path(path).parent, said) or f"{path} cannot be opened: {said}") from error
    connection.execute("set global timezone = 'UTC'")
    return connection


@contextmanager
def resting(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Give back the memory that the database holds for later, while others work. What it needs now, it keeps."""
    with suppress(duckdb.OutOfMemoryException):
        connection.execute(f"set memory_limit = '{RESTING_MEMORY_LIMIT}'")
    try:
        yield
    finally:
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")


def describes_all(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether views and macros can have comments. A lake keeps those of tables only."""
    kind = connection.execute("select type from duckdb_databases() where database_name = current_database()")
    return kind.fetchall() != [("ducklake",)]


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schemas and the stored tables that are not there yet, and settle how as-of joins are planned."""
    # The loop that DuckDB takes for a few rows is quadratic, and behind a few CTEs it takes thousands for a few.
    connection.execute("set global asof_loop_join_threshold = 0")
    there = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
    }
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for table in STORED_TABLES:
        if table.full_name not in there:
            for statement in table.ddl():
                connection.execute(statement)


def open_published(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a published file as readers do: read-only, and with instants in UTC. Raises duckdb.Error if it cannot."""
    reader = duckdb.connect(str(path), read_only=True)
    reader.execute("set timezone = 'UTC'")
    return reader


def replace_file(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader gets the old or the new content, and a failure leaves the old one."""
    new = path.with_name(path.name + ".tmp")
    try:
        new.write_bytes(content)
        swap_in(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def swap_in(new: Path, path: Path) -> None:
    """Put a finished file in the place of another one. A power cut leaves one of the two."""
    sync(new)
    new.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the disk has the file, or the names in the folder, so that a power cut takes neither."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_rows(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> None:
    """Put the frame's rows in place of those of a stored table, by column name."""
    columns = ", ".join(column.name for column in STORED_TABLE[name].columns)
    connection.execute(f"delete from {name}")
    connection.register("replacement", frame)
    connection.execute(f"insert into {name} by name select {columns} from replacement")
    connection.unregister("replacement")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of it, or nothing of it. Within another transaction it is a part of that one."""
    if id(connection) in _WITHIN:
        yield
        return
    connection.begin()
    _WITHIN.add(id(connection))
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    finally:
        _WITHIN.discard(id(connection))
    connection.commit()


def _copy_closed(source: Path, target: Path) -> None:
    """Copy a database that nobody writes to, with what its last writer may have left in the log beside it."""
    # A write-ahead log is there only after a crash; opening the database once folds it in.
    if source.with_name(source.name + ".wal").exists():
        connect(str(source), _spill(source)).close()
    shutil.copyfile(source, target)


def clear(home: Home) -> None:
    """Remove what killed runs left: copies for a past day, and files that were to be published."""
    for leftover in (*home.folder.glob(".warehouse-asof-*.duckdb"), *home.folder.glob("cascade*.duckdb.tmp")):
        _remove(leftover)


def _remove(path: Path) -> None:
    for leftover in (path, path.with_name(path.name + ".wal")):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(_spill(path), ignore_errors=True)
