"""A warehouse that several machines share: a DuckLake, whose rows are Parquet files in a folder that all of them see
and whose catalog is a PostgreSQL database.

Here: everything about DuckLake and PostgreSQL, behind `home.SharedWarehouse` and `home.WarehouseLocks`. Nothing else in
the project knows of them, and without CASCADE_WAREHOUSE this module is never imported.

The database holds two lakes. The one that CASCADE_WAREHOUSE names is what readers attach: each run adds its published
tables in one commit, so a reader sees all of a run or nothing of it, and every earlier run with `at (version => ...)`.
The other one, in a schema of its own, is what runs work on.

DuckLake refuses a commit that touches a table from which another one has deleted since, and a run that has fetched for
an hour must not end so. Therefore runs take turns by locks in the database, which are freed when the process that holds
one ends, however it ends:

- a class of assets is fetched by one run at a time, several classes by several runs side by side;
- what is shared by the classes (meta.runs, meta.checks, meta.deliveries) is written by one run at a time;
- tables are derived and published by one run at a time, while nobody fetches: what was captured before a publication
  is in it.
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

from assets.contracts.stored import SCHEMAS, STORED_TABLES
from assets.contracts.table import literal
from assets.sources.base import ASSET_CLASSES
from assets.warehouse.connection import clear, connect, prepare, transaction
from assets.warehouse.home import Builders, Home, Opened, WarehouseError, first_line
from assets.warehouse.lock import LOCK_POLL_SECONDS, locked

ADDRESS = "ducklake:postgres:"
# The names under which a run has the two lakes attached, and PostgreSQL's schema of the one that runs work on.
WORK, SERVED = "warehouse", "served"
WORK_SCHEMA = "cascade_warehouse"
# The wheels that hold the extensions; each is for one version of DuckDB exactly.
_EXTENSIONS = ("postgres_scanner", "ducklake")
# A machine that is gone without a word must not hold its locks for the two hours that the system's default takes.
_LOCK_OPTIONS = (
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 "
    "-c idle_in_transaction_session_timeout=0"
)
# Steps that write a few rows, which nobody but those who derive needs to be as they are. The others derive.
_SHORT_STEPS = ("universe", "sessions")
# How long a file that no table needs any more is kept for a reader that has just begun.
_KEPT = "interval 1 day"


@dataclass(frozen=True)
class DuckLake:
    """Where the lake is: `address` as `ducklake:postgres:` and libpq's words (dbname=... host=...), `data` its folder.

    The folder is needed the first time only; the catalog remembers it.
    """

    address: str
    data: str = ""

    @property
    def database(self) -> str:
        """The address of the PostgreSQL database, as libpq reads it."""
        return self.address.removeprefix(ADDRESS)

    @contextmanager
    def opened(self, home: Home, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[Opened]:
        """See `home.SharedWarehouse`."""
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
        """A connection to a database, with what it takes to attach lakes. Raises WarehouseError without the extra."""
        connection = connect(path, spill)
        for name in _EXTENSIONS:
            connection.execute(f"load {literal(str(_extension(name)))}")
        # Losers of a race for the next snapshot try again soon: the winner is done in milliseconds.
        connection.execute("set global ducklake_retry_wait_ms = 10; set global ducklake_max_retry_count = 100")
        return connection

    def _attach(self, connection: duckdb.DuckDBPyConnection, name: str, *options: str) -> None:
        if self.data and "read_only" not in ", ".join(options):
            options = (*options, f"data_path {literal(f'{self.data}/{name}/')}")
        given = f" ({', '.join(options)})" if options else ""
        try:
            connection.execute(f"attach {literal(self.address)} as {name}{given}")
        except duckdb.Error as error:
            said = re.sub(r"password=\S+", "password=...", first_line(error))
            if "data_path is not set" in said.lower():
                said = "there is no lake yet; name the folder of its files in CASCADE_WAREHOUSE_DATA"
            raise WarehouseError(f"the warehouse cannot be attached: {said}") from error

    @contextmanager
    def _session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session of PostgreSQL that lasts as long as the run and holds its locks."""
        connection = self.connected(":memory:", Path(tempfile.gettempdir()))
        try:
            name = f"cascade on {socket.gethostname()} (PID {os.getpid()})"
            address = f"{self.database} application_name='{name}' options='{_LOCK_OPTIONS}'"
            connection.execute(f"attach {literal(address)} as locks (type postgres)")
            # Within a transaction it is always the same session of the pool.
            connection.begin()
            yield connection
        finally:
            connection.close()


class DuckLakeLocks:
    """The turns that a run takes. See `home.WarehouseLocks`, and the module for what they guarantee."""

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
        """Let others see that the run goes on, until its process ends."""
        self._take(f"run {run_id}")

    def is_over(self, run_id: str) -> bool:
        """Whether no process works on the run any more."""
        if not self._is_free(f"run {run_id}"):
            return False
        self._free(f"run {run_id}")
        return True

    @contextmanager
    def step(self, name: str) -> Iterator[datetime]:
        """A turn for a step of a run. What is derived is this run's alone until it has ended."""
        with ExitStack() as stack:
            if name in ASSET_CLASSES:
                stack.enter_context(self._held(f"class {name}"))
                stack.enter_context(self._beside_others())
            elif name in _SHORT_STEPS:
                stack.enter_context(self.storing())
            else:
                self._stay_alone()
            yield self._ask("select clock_timestamp()")

    @contextmanager
    def storing(self) -> Iterator[None]:
        """A moment in which this thread alone writes what all classes, or several threads, write."""
        with self._beside_others(), nullcontext() if self._is_alone else self._held("store"), self._in_turn:
            yield

    @contextmanager
    def building(self, connection: duckdb.DuckDBPyConnection) -> Iterator[Builders]:
        """All derived tables in one commit: after each, every connection would read the whole catalog anew."""
        with transaction(connection):
            yield Builders(1, lambda: nullcontext(connection))

    def serve(self, published: Path) -> None:
        """Put the tables of a published file in place of those that readers of the lake see, in one commit."""
        # Whoever has lost the locks must not put a word in.
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
        """How runs ended that readers of the lake can see: status, instant and id."""
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
        """Let the others have their turn."""
        self._is_alone = False
        self._alone.close()

    def _beside_others(self) -> AbstractContextManager[None]:
        """While nobody derives, unless it is this run."""
        return nullcontext() if self._is_alone else self._held("books", is_shared=True)

    def _stay_alone(self) -> None:
        if self._is_alone:
            return
        with ExitStack() as stack:
            stack.enter_context(self._held("books"))
            # The home's own files are swapped by one process at a time, also by those that use no lake.
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
        """Raises WarehouseError when the lock is not free in time."""
        deadline = time.monotonic() + self._wait_seconds
        told = False
        while not self._is_free(name, is_shared):
            holder = self._holder(name)
            if time.monotonic() >= deadline:
                raise WarehouseError(f"{holder} is writing to the warehouse; try again when it has ended")
            if not told:
                self._tell(f"waiting for {holder}, which is writing to the warehouse")
                told = True
            time.sleep(LOCK_POLL_SECONDS)

    def _is_free(self, name: str, is_shared: bool = False) -> bool:
        """Take a lock if nobody has it."""
        return bool(self._ask(f"select pg_try_advisory_lock{'_shared' if is_shared else ''}({_key(name)})"))

    def _free(self, name: str, is_shared: bool = False) -> None:
        self._ask(f"select pg_advisory_unlock{'_shared' if is_shared else ''}({_key(name)})")

    def _holder(self, name: str) -> str:
        holder = self._ask(
            "select max(application_name) from pg_stat_activity inner join pg_locks using (pid) "
            f"where granted and locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = {_key(name)}"
        )
        return f"another run ({holder})" if holder else "another run"

    def _ask(self, question: str) -> Any:
        try:
            return self._session.execute(f"from postgres_query('locks', {literal(question)})").fetchall()[0][0]
        except duckdb.Error as error:
            raise WarehouseError(f"the warehouse's catalog does not answer any more: {first_line(error)}") from error

    def _tidy(self) -> None:
        """Join small files and let go of those that no table of the working lake needs any more."""
        self._connection.execute(f"call ducklake_merge_adjacent_files('{WORK}')")
        self._connection.execute(f"call ducklake_expire_snapshots('{WORK}', older_than => now() - {_KEPT})")
        self._connection.execute(f"call ducklake_cleanup_old_files('{WORK}', older_than => now() - {_KEPT})")


def _serve(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy every table and macro of `published` with the comments that a lake can keep; drop what is no more."""
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
        f"a lake needs DuckDB's extension {name} for version {duckdb.__version__}; make lake installs it"
    )


def _key(name: str) -> int:
    """The number by which PostgreSQL knows a lock."""
    return int.from_bytes(hashlib.sha256(f"cascade: {name}".encode()).digest()[:8], "big", signed=True)
