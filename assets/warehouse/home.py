"""Where the files of a source are on disk, and the errors when they cannot be used.

Here: the paths of a home, the protocols of a warehouse and its locks, the errors, and the message for a folder that
cannot be written. Opening the warehouse is in `connection`, waiting for it in `lock`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import duckdb

# The messages of the operating system, DuckDB and SQLite for a full disk, and for a folder without write permission.
_NO_ROOM = re.compile("no space left on device|file too large|quota exceeded|disk is full|disk i/o error", re.I)
_NO_WRITING = re.compile("read-only file system|readonly database|unable to open database file", re.I)
# Files that are only read cause these as well, so they count only if the message names the folder.
_NOT_ALLOWED = re.compile("permission denied|operation not permitted", re.I)


class WarehouseError(Exception):
    """The warehouse cannot be used. The message is one line: what is wrong, and the cure."""


class WarehouseBusy(WarehouseError):
    """Another program uses the warehouse for longer than a run waits. A later run may find it free."""


class Builders(NamedTuple):
    """How many tables are built at a time, and how to get a connection for one."""

    number: int
    connection: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


class WarehouseLocks(Protocol):
    """How a run shares its warehouse with other runs.

    `is_exclusive` is true if no other run can begin until this one ends.
    """

    is_exclusive: bool

    def begin(self, run_id: str) -> None:
        """Show other runs that this run is working, until its process ends."""

    def is_over(self, run_id: str) -> bool:
        """Whether a run that meta.runs lists as running has ended."""
        ...

    def step(self, name: str) -> AbstractContextManager[datetime | None]:
        """Hold the locks that a step needs. Yields the instant at which it got them; None: use the run's start.

        Like the other locks, raises WarehouseError if they are not free in time.
        """
        ...

    def storing(self) -> AbstractContextManager[None]:
        """Hold, for a short time, the lock of tables that several runs or threads write to."""
        ...

    def waiting(self, *connections: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """Give up the warehouse while a vendor answers, and take it again at the end of the block.

        Args:
            connections: Further connections of the run that use the warehouse.

        Raises:
            WarehouseError: It is not free in time.
        """
        ...

    def use(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a cursor of the run's connection use the warehouse."""

    def building(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[Builders]:
        """How models are built: how many at a time, and on which connections."""
        ...

    def serve(self, published: Path) -> None:
        """Make the tables of a file that is about to be published visible to readers of the shared warehouse."""

    def ends(self, run_ids: Sequence[str]) -> list[tuple[str, datetime, str]]:
        """Status, end and id of the given runs, as far as readers of the shared warehouse can see them."""
        ...


class Opened(NamedTuple):
    """An open warehouse, and its locks."""

    connection: duckdb.DuckDBPyConnection
    locks: WarehouseLocks


class SharedWarehouse(Protocol):
    """A warehouse that is not a file of the home."""

    def opened(self, home: Home, wait_seconds: float, tell: Callable[[str], None]) -> AbstractContextManager[Opened]:
        """Open it, with all stored tables.

        Args:
            home: The home that the run belongs to.
            wait_seconds: How long to wait for a lock.
            tell: Called with one line if another run must be waited for.

        Yields:
            The connection and the locks.

        Raises:
            WarehouseError: It cannot be used.
        """
        ...

    def copy(self, path: Path) -> None:
        """Copy the stored tables into a new database file. Raises WarehouseError when it cannot be used."""


@dataclass(frozen=True)
class Home:
    """The folder of one source, data/<source> by default. Its warehouse may be elsewhere."""

    folder: Path
    shared: SharedWarehouse | None = None

    @property
    def warehouse(self) -> Path:
        """The writer's database, unless it is elsewhere. Readers use `published`."""
        return self.folder / "warehouse.duckdb"

    @property
    def has_warehouse(self) -> bool:
        """Whether there may be stored data."""
        return self.shared is not None or self.warehouse.exists()

    @property
    def run_lock(self) -> Path:
        """Held by a run from its start to its end."""
        return self.folder / "run.lock"

    @property
    def lock(self) -> Path:
        """Held while a process writes to the warehouse."""
        return self.folder / "warehouse.lock"

    @property
    def snapshots(self) -> Path:
        """The folder of the published files that are kept."""
        return self.folder / "snapshots"

    def report(self, as_of: date | None) -> Path:
        """The report on the published file of that state."""
        return self.folder / ("report.html" if as_of is None else f"report-asof-{as_of}.html")

    @property
    def parquet(self) -> Path:
        """The link to the newest Parquet export."""
        return self.folder / "parquet"

    @property
    def cache(self) -> Path:
        """The folder for what vendors' libraries keep between runs."""
        return self.folder / "cache"

    def published(self, as_of: date | None) -> Path:
        """The file that readers open: the newest state, or the historical view of a day."""
        return self.folder / ("cascade.duckdb" if as_of is None else f"cascade-asof-{as_of}.duckdb")

    def scratch(self, as_of: date) -> Path:
        """The temporary copy of the warehouse in which a historical view is built."""
        return self.folder / f".warehouse-asof-{as_of}.duckdb"


def unwritable(folder: Path, reason: str) -> str | None:
    """The message, with the cure, if an error's text means that the folder cannot be written. None otherwise."""
    if words := _NO_ROOM.search(reason):
        return f"{folder} cannot be written: {words[0]}; make room on its disk or choose another --home, and run again"
    if words := _NO_WRITING.search(reason) or (_NOT_ALLOWED.search(reason) if str(folder) in reason else None):
        return f"{folder} cannot be written: {words[0]}; choose another --home"
    return None
