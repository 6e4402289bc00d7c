"""The one writer's connection to the warehouse.

Here: how a connection is set up and how much memory it takes, when a run holds the file of its warehouse,
transactions, the creation of the stored tables from the contracts, and how files are opened and replaced. What is
written is decided in `ingest`, `models` and `publish`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from assets.contracts.errors import first_line
from assets.contracts.stored import SCHEMAS, STORED_TABLE, STORED_TABLES
from assets.contracts.table import literal
from assets.warehouse.home import Builders, Home, Opened, WarehouseBusy, WarehouseError, unwritable
from assets.warehouse.lock import BUILDERS, SingleProcessLocks, locked

if TYPE_CHECKING:
    import pandas as pd

# The memory that DuckDB may take before it spills rows to the disk. More did not make a run faster, whether of the
# default universe or of 5,000 symbols (docs/performance.md).
MEMORY_LIMIT = "320MiB"
# During the exports: the limit of each export's own connection, and the limit of the warehouse's.
EXPORT_MEMORY_LIMIT, RESTING_MEMORY_LIMIT = "200MiB", "100MiB"
# The name under which a run attaches the file of its warehouse.
WAREHOUSE = "warehouse"
# The format of all database files. DuckDB 1.4 and later can open it.
STORAGE_VERSION = "v1.4.0"
# The connections that are in a transaction. Beginning another one would abort the first.
_WITHIN: set[int] = set()


@contextmanager
def writing(home: Home, as_of: date | None, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[Opened]:
    """The only way to write: take the locks, open the warehouse, and create missing stored tables.

    One run at a time works in a home. It gives up the warehouse while it waits for a vendor.

    Args:
        home: The home.
        as_of: The day of a historical view, which works on a temporary copy and changes no stored data. None: now.
        wait_seconds: How long to wait for each lock.
        tell: Called with one line if another run must be waited for.

    Yields:
        The connection and the locks.

    Raises:
        WarehouseError: The folder cannot be written, a lock is not free in time, or another program has the database
            open.
    """
    try:
        home.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(f"{home.folder} cannot be created: {error.strerror}; choose another --home") from error
    if home.shared is not None and as_of is None:
        with home.shared.opened(home, wait_seconds, tell) as opened:
            yield opened
        return
    with locked(home.run_lock, wait_seconds, tell):
        if as_of is None:
            with _opened(":memory:", _spill(home.warehouse)) as connection:
                locks = WarehouseFile(home, connection, wait_seconds, tell)
                with locks.attached():
                    clear(home)
                    prepare(connection)
                    yield Opened(connection, locks)
            return
        with locked(home.lock, wait_seconds, tell):
            clear(home)
            yield from _historical(home, as_of)


def _historical(home: Home, as_of: date) -> Iterator[Opened]:
    """Open a copy of the warehouse, which is removed at the end."""
    scratch = home.scratch(as_of)
    try:
        if home.shared is not None:
            home.shared.copy(scratch)
        elif home.warehouse.exists():
            _copy_closed(home.warehouse, scratch)
        with _opened(str(scratch), _spill(scratch)) as connection:
            prepare(connection)
            yield Opened(connection, SingleProcessLocks())
    finally:
        _remove(scratch)


@contextmanager
def _opened(path: str, spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    # What a killed run spilled. This run holds the lock, so no other one uses it.
    shutil.rmtree(spill, ignore_errors=True)
    connection = connect(path, spill)
    try:
        yield connection
    finally:
        connection.close()


class WarehouseFile(SingleProcessLocks):
    """The warehouse of a home: a file that is locked and attached, except while the run waits for a vendor."""

    def __init__(
        self, home: Home, connection: duckdb.DuckDBPyConnection, wait_seconds: float, tell: Callable[[str], None]
    ) -> None:
        self._home = home
        self._connection = connection
        self._wait_seconds = wait_seconds
        self._tell = tell
        self._held = ExitStack()
        self._is_attached = False

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hold the lock and the file. Raises WarehouseError if one of them is not free."""
        self._attach()
        try:
            yield
        finally:
            # If the file cannot be written any more, its log has what was committed.
            with suppress(duckdb.Error):
                self._detach()

    @contextmanager
    def waiting(self, *connections: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """See `WarehouseLocks`."""
        for connection in connections:
            connection.execute("use memory")
        self._detach()
        try:
            yield
        finally:
            self._attach()
        for connection in connections:
            self.use(connection)

    def step(self, name: str) -> AbstractContextManager[datetime | None]:
        """See `WarehouseLocks`. An earlier step may have failed because the warehouse was not free in time."""
        self._attach()
        return nullcontext()

    def storing(self) -> AbstractContextManager[None]:
        """See `WarehouseLocks`."""
        self._attach()
        return nullcontext()

    def use(self, connection: duckdb.DuckDBPyConnection) -> None:
        """See `WarehouseLocks`."""
        connection.execute(f"use {WAREHOUSE}")

    def building(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[Builders]:
        """See `WarehouseLocks`."""
        return nullcontext(Builders(BUILDERS, self._cursor))

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connection.cursor() as cursor:
            self.use(cursor)
            yield cursor

    def _attach(self) -> None:
        if self._is_attached:
            return
        with ExitStack() as stack:
            stack.enter_context(locked(self._home.lock, self._wait_seconds, self._tell))
            with _opening(self._home.warehouse):
                self._connection.execute(f"attach {literal(str(self._home.warehouse))} as {WAREHOUSE}")
            stack.callback(self._write_and_detach)
            self.use(self._connection)
            self._held = stack.pop_all()
        self._is_attached = True

    def _write_and_detach(self) -> None:
        # After a checkpoint that failed, DuckDB could not leave the database any more.
        self._connection.execute("use memory")
        try:
            # Detaching writes the file as well, but reports no reason if that fails. The log has what was committed.
            self._connection.execute(f"checkpoint {WAREHOUSE}")
        finally:
            with suppress(duckdb.Error):
                self._connection.execute(f"detach {WAREHOUSE}")

    def _detach(self) -> None:
        self._is_attached = False
        self._held.close()


def _spill(path: Path) -> Path:
    return Path(f"{path}.tmp")


def connect(path: str, spill: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the settings that every run needs; DuckDB spills to the folder `spill`.

    Raises WarehouseError when the database cannot be opened.
    """
    # A run downloads no extensions, and shows every instant in UTC.
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": str(spill),
        "storage_compatibility_version": STORAGE_VERSION,
        "memory_limit": MEMORY_LIMIT,
        # A run writes each table once, so a checkpoint after every few of them would be wasted work.
        "checkpoint_threshold": "256MiB",
    }
    with _opening(Path(path)):
        connection = duckdb.connect(path, config=config)
    connection.execute("set global timezone = 'UTC'")
    return connection


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    """Turn DuckDB's errors about a file that it cannot open into a WarehouseError."""
    try:
        yield
    except duckdb.IOException as error:
        holder = re.search(r"held in (.+?) \(PID (\d+)\)", str(error))
        if holder:
            raise WarehouseBusy(
                f"{path} is held by {holder[1]} (PID {holder[2]}); close it there, and read the published file instead"
            ) from error
        reason = first_line(error)
        raise WarehouseError(unwritable(path.parent, reason) or f"{path} cannot be opened: {reason}") from error


@contextmanager
def resting(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Lower the memory limit while other connections work, which frees the database's cache."""
    with suppress(duckdb.OutOfMemoryException):
        connection.execute(f"set memory_limit = '{RESTING_MEMORY_LIMIT}'")
    try:
        yield
    finally:
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")


def describes_all(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether views and macros can have comments. A DuckLake keeps only those of tables."""
    kind = connection.execute("select type from duckdb_databases() where database_name = current_database()")
    return kind.fetchall() != [("ducklake",)]


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create missing schemas and stored tables, and set how as-of joins are planned."""
    # For a few rows DuckDB uses a quadratic loop, and behind a few CTEs it mistakes thousands of rows for a few.
    connection.execute("set global asof_loop_join_threshold = 0")
    existing = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
    }
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for table in STORED_TABLES:
        if table.full_name not in existing:
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
    """Wait until a file's content, or the names in a folder, are on the disk, so that a power cut loses neither."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_rows(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> None:
    """Replace all rows of a stored table by those of a frame, by column name.

    Args:
        connection: A connection to the warehouse.
        name: The stored table, with its schema.
        frame: The new rows, with all columns of the table.
    """
    columns = ", ".join(column.name for column in STORED_TABLE[name].columns)
    connection.execute(f"delete from {name}")
    connection.register("replacement", frame)
    connection.execute(f"insert into {name} by name select {columns} from replacement")
    connection.unregister("replacement")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit all of the block, or nothing if it raises. Within another transaction, the block is a part of that one."""
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
    """Copy a database that no process has open, including its write-ahead log."""
    # A log exists only after a crash. Opening the database once applies it.
    if source.with_name(source.name + ".wal").exists():
        connect(str(source), _spill(source)).close()
    shutil.copyfile(source, target)


def clear(home: Home) -> None:
    """Remove what killed runs left: the copies of historical views, and unfinished published files."""
    for leftover in (*home.folder.glob(".warehouse-asof-*.duckdb"), *home.folder.glob("cascade*.duckdb.tmp")):
        _remove(leftover)


def _remove(path: Path) -> None:
    for leftover in (path, path.with_name(path.name + ".wal")):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(_spill(path), ignore_errors=True)
