"""Where the files of a source lie on disk, and the errors of not being able to use them.

Here: the paths of a home, `WarehouseError`, and the words for a folder that cannot be written. Opening the warehouse is
in `connection`, waiting for it in `lock`.
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

# What the operating system, DuckDB and SQLite say when the disk is full, and when the folder may not be written.
_NO_ROOM = re.compile("no space left on device|file too large|quota exceeded|disk is full|disk i/o error", re.I)
_NO_WRITING = re.compile("read-only file system|readonly database|unable to open database file", re.I)
# Also said of files that are only read, so it counts only where the folder is named.
_NOT_ALLOWED = re.compile("permission denied|operation not permitted", re.I)


class WarehouseError(Exception):
    """The warehouse cannot be used. The message is one line: what is wrong, and the cure."""


class Builders(NamedTuple):
    """How many tables are built at a time, and where one gets its connection."""

    number: int
    connection: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


class WarehouseLocks(Protocol):
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


class Opened(NamedTuple):
    """An open warehouse, and how it is shared."""

    connection: duckdb.DuckDBPyConnection
    locks: WarehouseLocks


class SharedWarehouse(Protocol):
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
    shared: SharedWarehouse | None = None

    @property
    def warehouse(self) -> Path:
        """The writer's database, unless it lies elsewhere. Readers use `published`."""
        return self.folder / "warehouse.duckdb"

    @property
    def has_warehouse(self) -> bool:
        """Whether something may be stored already."""
        return self.shared is not None or self.warehouse.exists()

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
    def parquet(self) -> Path:
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


def describe_error(error: BaseException) -> str:
    """An error in one line. Errors of the project are written to be read without the name of their class."""
    line = (str(error).strip().splitlines() or [""])[0]
    return line if type(error).__module__.startswith(("assets.", "pipelines.")) else f"{type(error).__name__}: {line}"


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
