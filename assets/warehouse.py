"""The home of a source on disk, and the one writer's connection to its warehouse.

Here: where files lie, the lock that lets one run write at a time, how a connection is set up and how much memory is
taken, and the creation of the stored tables from the contracts. What is written is the business of `ingest`, `models`
and `publish`.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import duckdb

from assets.contracts.stored import SCHEMAS, STORED_TABLE, STORED_TABLES

if TYPE_CHECKING:
    import pandas as pd

# What DuckDB may take before it puts rows aside on the disk. With more no run was faster, of the usual size or of 5,000
# symbols (docs/performance.md).
MEMORY_LIMIT = "320MiB"
# What each of those may take who work beside the warehouse while it rests, and what it keeps then.
BESIDE_MEMORY_LIMIT, RESTING_MEMORY_LIMIT = "200MiB", "100MiB"
# Models that are built at a time: more share two cores no better and take more memory.
BUILDERS = 2
# The connections that are in a transaction; to begin another one would abort the first.
_WITHIN: set[int] = set()

# How often a waiting run looks whether the lock is free.
LOCK_POLL_SECONDS = 0.2

# What the operating system, DuckDB and SQLite say when there is no room for more, and when there never was any.
_NO_ROOM = re.compile("no space left on device|file too large|quota exceeded|disk is full|disk i/o error", re.I)
_NO_WRITING = re.compile("read-only file system|readonly database|unable to open database file", re.I)
# Said of files that are read as well, so it counts only where the folder is named.
_NOT_ALLOWED = re.compile("permission denied|operation not permitted", re.I)


class WarehouseError(Exception):
    """The warehouse cannot be used. The message is one line: what is wrong, and the cure."""


class Builders(NamedTuple):
    """How many tables are built at a time, and where one gets its connection."""

    number: int
    connection: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


class Sharing(Protocol):
    """How a run shares its warehouse with others.

    `is_exclusive` says that nobody else can write until the run ends: what it has read of the stored tables holds.
    """

    is_exclusive: bool

    def begin(self, run_id: str) -> None:
        """Let others see that the run goes on."""

    def is_over(self, run_id: str) -> bool:
        """Whether another run, which its books call running, is no more."""
        ...

    def step(self, name: str) -> AbstractContextManager[datetime | None]:
        """A turn for a step, with the instant at which it began; None where that of the run is as good.

        Raises WarehouseError when there is none in time, like all turns.
        """
        ...

    def storing(self) -> AbstractContextManager[None]:
        """A short turn for what several runs, or threads of one, write to."""
        ...

    def building(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[Builders]:
        """How derived tables are built, while they are."""
        ...

    def serve(self, published: Path) -> None:
        """Let readers elsewhere see what a file is about to publish."""

    def ends(self, run_ids: Sequence[str]) -> list[tuple[str, datetime, str]]:
        """How those of the runs ended that readers elsewhere see: status, instant and id."""
        ...


class NotShared:
    """The warehouse is a file and its lock is held: nobody else is there, and DuckDB keeps threads apart."""

    is_exclusive = True

    def begin(self, run_id: str) -> None:
        """See `Sharing`, like the others."""

    def is_over(self, run_id: str) -> bool:
        return True

    def step(self, name: str) -> AbstractContextManager[datetime | None]:
        return nullcontext()

    def storing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def building(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[Builders]:
        return nullcontext(Builders(BUILDERS, connection.cursor))

    def serve(self, published: Path) -> None:
        """Readers open the file itself."""

    def ends(self, run_ids: Sequence[str]) -> list[tuple[str, datetime, str]]:
        return []


class Opened(NamedTuple):
    """An open warehouse, and how it is shared."""

    connection: duckdb.DuckDBPyConnection
    sharing: Sharing


class Elsewhere(Protocol):
    """A warehouse that is no file of the home."""

    def opened(self, home: Home, wait_seconds: float, tell: Callable[[str], None]) -> AbstractContextManager[Opened]:
        """The connection with the stored tables in place. Raises WarehouseError when it cannot be used."""
        ...

    def copy(self, path: Path) -> None:
        """Write the stored tables into a new database file. Raises WarehouseError when it cannot be used."""


@dataclass(frozen=True)
class Home:
    """The folder of one source: data/<source> unless told otherwise. Its warehouse may lie elsewhere."""

    folder: Path
    elsewhere: Elsewhere | None = None

    @property
    def warehouse(self) -> Path:
        """The writer's database, unless it lies elsewhere. Readers use `published`."""
        return self.folder / "warehouse.duckdb"

    @property
    def has_warehouse(self) -> bool:
        """Whether something may be stored already."""
        return self.elsewhere is not None or self.warehouse.exists()

    @property
    def lock(self) -> Path:
        return self.folder / "warehouse.lock"

    @property
    def snapshots(self) -> Path:
        """The folder of the published files that were kept."""
        return self.folder / "snapshots"

    def report(self, as_of: date | None) -> Path:
        """The report on the published file of that state."""
        return self.folder / ("report.html" if as_of is None else f"report-asof-{as_of}.html")

    @property
    def mirror(self) -> Path:
        """The published tables as Parquet files."""
        return self.folder / "parquet"

    @property
    def cache(self) -> Path:
        """What vendors' libraries want to keep between runs."""
        return self.folder / "cache"

    def published(self, as_of: date | None) -> Path:
        """The file that readers open: the newest state, or the past one that was asked for."""
        return self.folder / ("cascade.duckdb" if as_of is None else f"cascade-asof-{as_of}.duckdb")

    def scratch(self, as_of: date) -> Path:
        """The throw-away copy of the warehouse in which a past state is rebuilt."""
        return self.folder / f".warehouse-asof-{as_of}.duckdb"


def unwritable(folder: Path, said: str) -> str | None:
    """The line for a person when what was said means that the folder cannot be written, with the cure. Else None."""
    if words := _NO_ROOM.search(said):
        return f"{folder} cannot be written: {words[0]}; make room on its disk or choose another --home, and run again"
    if words := _NO_WRITING.search(said) or (_NOT_ALLOWED.search(said) if str(folder) in said else None):
        return f"{folder} cannot be written: {words[0]}; choose another --home"
    return None


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
    if home.elsewhere is not None and as_of is None:
        with home.elsewhere.opened(home, wait_seconds, tell) as opened:
            yield opened
        return
    with locked(home.lock, wait_seconds, tell):
        clear(home)
        if as_of is None:
            with _opened(home.warehouse) as connection:
                yield Opened(connection, NotShared())
            return
        scratch = home.scratch(as_of)
        try:
            if home.elsewhere is not None:
                home.elsewhere.copy(scratch)
            elif home.warehouse.exists():
                _copy_closed(home.warehouse, scratch)
            with _opened(scratch) as connection:
                yield Opened(connection, NotShared())
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


@contextmanager
def locked(path: Path, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the file lock. The kernel frees it when the process ends, however it ends.

    Raises WarehouseError when the folder cannot be written or the lock is not free within `wait_seconds`.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        said = error.strerror or str(error)
        raise WarehouseError(
            unwritable(path.parent, said) or f"{path.parent} cannot be written: {said}; choose another --home"
        ) from error
    try:
        deadline = time.monotonic() + wait_seconds
        told = False
        while not _try_lock(descriptor):
            holder = _holder(path)
            if time.monotonic() >= deadline:
                raise WarehouseError(f"{holder} is writing to {path.parent}; try again when it has ended")
            if not told:
                tell(f"waiting for {holder}, which is writing to {path.parent}")
                told = True
            time.sleep(LOCK_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(
            descriptor, json.dumps({"pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}).encode(), 0
        )
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # just being written
        return "another run"
    return f"another run (PID {holder['pid']}, since {holder['since']} UTC)"


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


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
