"""The locks that let one run write at a time.

Here: the file lock, and the locks of a database that only this process uses (`SingleProcessLocks`). Those of a home's
warehouse are in `connection`, those of a warehouse that several machines share in `ducklake`.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from assets.warehouse.home import Builders, WarehouseBusy, WarehouseError, unwritable

# Models that are built at a time. On two cores more are not faster, and take more memory.
BUILDERS = 2
# How often a waiting run checks whether the lock is free.
LOCK_POLL_SECONDS = 0.2


class SingleProcessLocks:
    """No other process uses the database. DuckDB itself synchronises threads."""

    is_exclusive = True

    def begin(self, run_id: str) -> None:
        """See `WarehouseLocks`."""

    def is_over(self, run_id: str) -> bool:
        return True

    def step(self, name: str) -> AbstractContextManager[datetime | None]:
        return nullcontext()

    def storing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def waiting(self, *connections: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        return nullcontext()

    def use(self, connection: duckdb.DuckDBPyConnection) -> None:
        """A cursor uses the same database."""

    def building(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[Builders]:
        return nullcontext(Builders(BUILDERS, connection.cursor))

    def serve(self, published: Path) -> None:
        """Readers open the file itself."""

    def ends(self, run_ids: Sequence[str]) -> list[tuple[str, datetime, str]]:
        return []


@contextmanager
def locked(path: Path, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the file lock. The kernel frees it when the process ends, even if it is killed.

    Args:
        path: The lock file.
        wait_seconds: How long to wait for the lock.
        tell: Called with one line if another run must be waited for.

    Yields:
        Nothing. The lock is held until the block ends.

    Raises:
        WarehouseError: The folder cannot be written, or the lock is not free in time.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WarehouseError(
            unwritable(path.parent, reason) or f"{path.parent} cannot be written: {reason}; choose another --home"
        ) from error
    try:
        deadline = time.monotonic() + wait_seconds
        is_announced = False
        while not _try_lock(descriptor):
            holder = _holder(path)
            if time.monotonic() >= deadline:
                raise WarehouseBusy(f"{holder} is writing to {path.parent}; try again when it has ended")
            if not is_announced:
                tell(f"waiting for {holder}, which is writing to {path.parent}")
                is_announced = True
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
