"""Dagster's SQLite storage, whose databases are created by one process at a time. dagster.yaml names the class.

Here: the lock that Dagster lacks. Dagster creates its databases in several steps when an instance is opened for the
first time. If two commands did that at once, or one was killed meanwhile, a database would keep two versions or half of
its tables, and later commands would fail. All else is Dagster's own.

The class can only be imported from a private module of Dagster, whose exact version is pinned.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from assets.warehouse.lock import locked

# Creating the databases takes about a second; a busy machine may need many times that.
LOCK_SECONDS = 120.0
# The folders of the databases, below the folder of the instance.
DATABASES = ("history", "schedules")


class LockedSqliteStorage(DagsterSqliteStorage):
    """The storage of a home's instance. `base_dir` in dagster.yaml is the folder of the instance."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> LockedSqliteStorage:
        """Open the databases; create them first if they are missing."""
        folder = Path(config_value["base_dir"]).expanduser()
        unfinished = folder / "dagster.creating"
        with locked(folder / "dagster.lock", LOCK_SECONDS, lambda _: None):
            if unfinished.exists():
                # The process that created them was killed. Nobody has used them, as it held the lock.
                for name in DATABASES:
                    shutil.rmtree(folder / name, ignore_errors=True)
            if not (folder / DATABASES[0]).exists():
                unfinished.touch()
            storage = cls.from_local(str(folder), inst_data)
            unfinished.unlink(missing_ok=True)
        return storage
