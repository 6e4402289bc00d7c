"""A warehouse that several machines share: a DuckLake.

Its rows are Parquet files in a folder that all machines see, and its catalog is a PostgreSQL database.

Here: everything about DuckLake and PostgreSQL, behind `home.SharedWarehouse` and `home.WarehouseLocks`. No other module
uses them, and without CASCADE_WAREHOUSE this module is never imported.

The database holds two lakes. Readers attach the one that CASCADE_WAREHOUSE names: each run adds its published tables in
one commit, so a reader sees all of a run or nothing of it, and any earlier run with `at (version => ...)`. Runs work on
the other one, which is in a schema of its own.

DuckLake rejects a commit that touches a table from which another commit has deleted in the meantime. So that a run
does not fail in this way after an hour of fetching, runs take locks in the database. PostgreSQL frees a lock when the
process that holds it ends, even if it is killed:

- one run at a time fetches a class of assets; several runs can fetch different classes at the same time;
- one run at a time writes what the classes share (meta.runs, meta.checks, meta.deliveries);
- one run at a time builds and publishes tables, while no run fetches, so that a publication has all data that was
  captured before it.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any

import duckdb

from assets.contracts.errors import first_line
from assets.contracts.stored import SCHEMAS, STORED_TABLES
from assets.contracts.table import literal
from assets.sources.base import ASSET_CLASSES
from assets.warehouse.connection import clear, connect, prepare, transaction
from assets.warehouse.home import Builders, Home, Opened, WarehouseBusy, WarehouseError
from assets.warehouse.lock import LOCK_POLL_SECONDS, locked

ADDRESS = "ducklake:postgres:"
# The names under which a run attaches the two lakes, and the PostgreSQL schema of the one that runs work on.
WORK, SERVED = "warehouse", "served"
WORK_SCHEMA = "cascade_warehouse"
# The wheels that hold the extensions. Each is for exactly one version of DuckDB.
_EXTENSIONS = ("postgres_scanner", "ducklake")
# A machine that lost its network must not hold its locks for two hours, the operating system's default.
_LOCK_OPTIONS = (
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 "
    "-c idle_in_transaction_session_timeout=0"
)
# Steps that write a few rows to stored tables. All other steps that fetch no class build tables or publish them.
_SHORT_STEPS = ("universe", "sessions")
# How long a file that no table uses any more is kept, for readers that have just started.
_KEPT = "interval 1 day"


@dataclass(frozen=True)
class DuckLake:
    """A lake: `address` is `ducklake:postgres:` and libpq's keywords (dbname=... host=...), `data` is its folder.

    The folder is needed only to create the lake; the catalog remembers it.
    """

    address: str
    data: str = ""

    @property
    def database(self) -> str:
        """The address of the PostgreSQL database, in libpq's form."""
        return self.address.removeprefix(ADDRESS)

    @contextmanager
    def opened(self, home: Home, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[Opened]:
        """Open the lake that runs work on, with all stored tables.

        Args:
            home: The home, which has the file lock of runs on this machine.
            wait_seconds: How long to wait for each lock.
            tell: Called with one line if another run must be waited for.

        Yields:
            The connection and the locks, which are released at the end.

        Raises:
            WarehouseError: The lake cannot be attached, or a lock is not free in time.
        """
        with ExitStack() as stack:
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="cascade-"))
            connection = self.connected(":memory:", Path(spill))
            stack.callback(connection.close)
            self._attach(connection, SERVED)
            self._attach(connection, WORK, f"metadata_schema '{WORK_SCHEMA}'")
            connection.execute(f"use {WORK}")
            session = stack.enter_context(self._session())
            locks = DuckLakeLocks(connection, session, home, wait_seconds, tell)
            stack.callback(locks.release)
            with locks.storing(), transaction(connection):
                prepare(connection)
            yield Opened(connection, locks)

    def copy(self, path: Path) -> None:
        """See `home.SharedWarehouse`."""
        connection = self.connected(str(path), path.with_name(path.name + ".tmp"))
        try:
            prepare(connection)
            self._attach(connection, WORK, f"metadata_schema '{WORK_SCHEMA}', read_only")
            # One transaction sees one state.
            with transaction(connection):
                for table in STORED_TABLES:
                    connection.execute(f"insert into {table.full_name} by name from {WORK}.{table.full_name}")
        finally:
            connection.close()

    def connected(self, path: str, spill: Path) -> duckdb.DuckDBPyConnection:
        """A connection that can attach lakes. Raises WarehouseError if the extensions are not installed."""
        connection = connect(path, spill)
        for name in _EXTENSIONS:
            connection.execute(f"load {literal(str(_extension(name)))}")
        # Two commits at the same time: the loser tries again soon, because the winner takes milliseconds.
        connection.execute("set global ducklake_retry_wait_ms = 10; set global ducklake_max_retry_count = 100")
        return connection

    def _attach(self, connection: duckdb.DuckDBPyConnection, name: str, *options: str) -> None:
        if self.data and "read_only" not in ", ".join(options):
            options = (*options, f"data_path {literal(f'{self.data}/{name}/')}")
        given = f" ({', '.join(options)})" if options else ""
        try:
            connection.execute(f"attach {literal(self.address)} as {name}{given}")
        except duckdb.Error as error:
            reason = re.sub(r"password=\S+", "password=...", first_line(error))
            if "data_path is not set" in reason.lower():
                reason = "there is no lake yet; name the folder of its files in CASCADE_WAREHOUSE_DATA"
            raise WarehouseError(f"the warehouse cannot be attached: {reason}") from error

    @contextmanager
    def _session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A PostgreSQL session that holds the run's locks until the run ends."""
        connection = self.connected(":memory:", Path(tempfile.gettempdir()))
        try:
            name = f"cascade on {socket.gethostname()} (PID {os.getpid()})"
            address = f"{self.database} application_name='{name}' options='{_LOCK_OPTIONS}'"
            connection.execute(f"attach {literal(address)} as locks (type postgres)")
            # A transaction stays on one session of the connection pool.
            connection.begin()
            yield connection
        finally:
            connection.close()


class DuckLakeLocks:
    """The locks of a run. See `home.WarehouseLocks`; the module's docstring has what they guarantee."""

    is_exclusive = False

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        session: duckdb.DuckDBPyConnection,
        home: Home,
        wait_seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._session = session
        self._home = home
        self._wait_seconds = wait_seconds
        self._tell = tell
        self._alone = ExitStack()
        self._is_alone = False
        self._in_turn = RLock()

    def begin(self, run_id: str) -> None:
        """Show other runs that this run is working, until its process ends."""
        self._take(f"run {run_id}")

    def is_over(self, run_id: str) -> bool:
        """Whether the process of a run has ended."""
        if not self._is_free(f"run {run_id}"):
            return False
        self._free(f"run {run_id}")
        return True

    @contextmanager
    def step(self, name: str) -> Iterator[datetime]:
        """Hold the locks that a step needs. The lock for building tables is held until the run ends."""
        with ExitStack() as stack:
            if name in ASSET_CLASSES:
                stack.enter_context(self._held(f"class {name}"))
                stack.enter_context(self._while_no_other_builds())
            elif name in _SHORT_STEPS:
                stack.enter_context(self.storing())
            else:
                self._build_alone()
            yield self._ask("select clock_timestamp()")

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Hold the lock of tables that several classes or threads write to."""
        with self._while_no_other_builds(), nullcontext() if self._is_alone else self._held("store"), self._in_turn:
            yield

    def waiting(self, *connections: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """Fetching holds only the lock of its class, and keeps other runs from building."""
        return nullcontext()

    def use(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a cursor of the run's connection use the lake that runs work on."""
        connection.execute(f"use {WORK}")

    @contextmanager
    def building(self, connection: duckdb.DuckDBPyConnection) -> Iterator[Builders]:
        """Build all tables in one commit. After each commit, every connection would read the whole catalog again."""
        with transaction(connection):
            yield Builders(1, lambda: nullcontext(connection))

    def serve(self, published: Path) -> None:
        """Replace the tables that readers of the lake see by those of a published file, in one commit."""
        # A run that lost its session, and with it the locks, fails here and publishes nothing.
        self._ask("select clock_timestamp()")
        with self._connection.cursor() as connection:
            connection.execute(f"use {SERVED}")
            connection.execute(f"attach {literal(str(published))} as published (read_only)")
            try:
                with transaction(connection):
                    _serve(connection)
            finally:
                connection.execute("detach published")
        self._tidy()

    def ends(self, run_ids: Sequence[str]) -> list[tuple[str, datetime, str]]:
        """Status, end and id of the given runs, as far as readers of the lake can see them."""
        if not self._connection.execute(
            f"select 1 from duckdb_tables() where database_name = '{SERVED}' and table_name = 'runs'"
        ).fetchall():
            return []
        return self._connection.execute(
            f"select status, finished_at, run_id from {SERVED}.meta.runs where status <> 'running' "
            "and list_contains(?, run_id)",
            [list(run_ids)],
        ).fetchall()

    def release(self) -> None:
        """Free the locks for building tables."""
        self._is_alone = False
        self._alone.close()

    def _while_no_other_builds(self) -> AbstractContextManager[None]:
        """Hold off other runs that build tables. This run may already be the one that builds."""
        return nullcontext() if self._is_alone else self._held("building", is_shared=True)

    def _build_alone(self) -> None:
        if self._is_alone:
            return
        with ExitStack() as stack:
            stack.enter_context(self._held("building"))
            # Runs without a lake may use the same home, so its files need its own lock.
            stack.enter_context(locked(self._home.lock, self._wait_seconds, self._tell))
            clear(self._home)
            self._alone = stack.pop_all()
        self._is_alone = True

    @contextmanager
    def _held(self, name: str, is_shared: bool = False) -> Iterator[None]:
        self._take(name, is_shared)
        try:
            yield
        finally:
            self._free(name, is_shared)

    def _take(self, name: str, is_shared: bool = False) -> None:
        """Take a lock. Raises WarehouseError when it is not free in time."""
        deadline = time.monotonic() + self._wait_seconds
        is_announced = False
        while not self._is_free(name, is_shared):
            holder = self._holder(name)
            if time.monotonic() >= deadline:
                raise WarehouseBusy(f"{holder} is writing to the warehouse; try again when it has ended")
            if not is_announced:
                self._tell(f"waiting for {holder}, which is writing to the warehouse")
                is_announced = True
            time.sleep(LOCK_POLL_SECONDS)

    def _is_free(self, name: str, is_shared: bool = False) -> bool:
        """Take a lock if it is free. Returns whether it was."""
        return bool(self._ask(f"select pg_try_advisory_lock{'_shared' if is_shared else ''}({_key(name)})"))

    def _free(self, name: str, is_shared: bool = False) -> None:
        self._ask(f"select pg_advisory_unlock{'_shared' if is_shared else ''}({_key(name)})")

    def _holder(self, name: str) -> str:
        holder = self._ask(
            "select max(application_name) from pg_stat_activity inner join pg_locks using (pid) "
            f"where granted and locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = {_key(name)}"
        )
        return f"another run ({holder})" if holder else "another run"

    def _ask(self, sql: str) -> Any:
        try:
            return self._session.execute(f"from postgres_query('locks', {literal(sql)})").fetchall()[0][0]
        except duckdb.Error as error:
            raise WarehouseError(f"the warehouse's catalog does not respond: {first_line(error)}") from error

    def _tidy(self) -> None:
        """Merge small files, and delete those that no table of the working lake uses any more."""
        self._connection.execute(f"call ducklake_merge_adjacent_files('{WORK}')")
        self._connection.execute(f"call ducklake_expire_snapshots('{WORK}', older_than => now() - {_KEPT})")
        self._connection.execute(f"call ducklake_cleanup_old_files('{WORK}', older_than => now() - {_KEPT})")


def _serve(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy every table and macro of `published`, with the comments that a lake can keep, and drop all other tables."""
    tables, macros = (
        connection.execute(statement).fetchall()
        for statement in (
            "select schema_name, table_name, comment from duckdb_tables() "
            "where database_name = 'published' order by all",
            "select schema_name, function_name, macro_definition from duckdb_functions() "
            "where database_name = 'published' and function_type = 'table_macro' and not internal order by all",
        )
    )
    columns = connection.execute(
        "select schema_name, table_name, column_name, comment from duckdb_columns() "
        "where database_name = 'published' and comment is not null"
    ).fetchall()
    older = connection.execute(
        f"select schema_name, table_name from duckdb_tables() where database_name = '{SERVED}'"
    ).fetchall()
    for schema in SCHEMAS:
        if any(table[0] == schema for table in tables):
            connection.execute(f"create schema if not exists {SERVED}.{schema}")
    for schema, table in {*older} - {(schema, table) for schema, table, _ in tables}:
        connection.execute(f"drop table {SERVED}.{schema}.{table}")
    for schema, table, comment in tables:
        name = f"{SERVED}.{schema}.{table}"
        connection.execute(f"create or replace table {name} as from published.{schema}.{table}")
        connection.execute(f"comment on table {name} is {literal(comment or '')}")
    for schema, macro, definition in macros:
        connection.execute(f"create or replace macro {SERVED}.{schema}.{macro}(as_of_at) as table {definition}")
    for schema, table, column, comment in columns:
        connection.execute(f"comment on column {SERVED}.{schema}.{table}.{column} is {literal(comment)}")


def _extension(name: str) -> Path:
    """The extension's file in its wheel. Raises WarehouseError when it is not installed for this DuckDB."""
    spec = find_spec(f"duckdb_extension_{name}")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.exists():
            return path
    raise WarehouseError(
        f"a lake needs DuckDB's extension {name}, which is not here for version {duckdb.__version__}; "
        "make lake installs both, and .venv-lake/bin/cascade uses them"
    )


def _key(name: str) -> int:
    """The number that stands for a lock in PostgreSQL."""
    return int.from_bytes(hashlib.sha256(f"cascade: {name}".encode()).digest()[:8], "big", signed=True)
