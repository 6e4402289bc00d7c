"""Dagster's folder in a home: its configuration, its databases, and the runs in it that were killed.

Here: opening Dagster's instance of a home, and two settings of its SQLite databases. What is recorded in them is up to
Dagster.
"""

import atexit
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from assets.contracts.errors import describe_error
from assets.warehouse.home import Home, WarehouseError, unwritable
from pipelines.resources import close_dead_runs

# The configuration of every home's instance.
CONFIGURATION = Path(__file__).with_name("dagster.yaml")


@contextmanager
def dagster_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of the home. Runs whose process was killed are marked as failed first.

    Raises WarehouseError when its folder cannot be written.
    """
    try:
        with _opened(home) as instance:
            close_dead_runs(instance)
            yield instance
    except OSError as error:
        said = error.strerror or str(error)
        raise WarehouseError(
            unwritable(home.folder, said)
            or f"{home.folder / 'dagster'} cannot be written: {said}; choose another --home"
        ) from error
    except (sqlite3.Error, SQLAlchemyError) as error:
        said = describe_error(error)
        raise WarehouseError(unwritable(home.folder, said) or said) from error


def dagster_folder(home: Home) -> Path:
    """The home's own Dagster folder, with a link to our dagster.yaml unless it has a file of its own."""
    folder = home.folder / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "dagster.yaml"
    if not link.exists():
        # In one step, as another process may be about to read it.
        new = folder / f"dagster.yaml.{os.getpid()}"
        new.symlink_to(CONFIGURATION)
        new.replace(link)
    return folder


def _opened(home: Home) -> dg.DagsterInstance:
    os.environ["DAGSTER_HOME"] = str(dagster_folder(home))
    return dg.DagsterInstance.get()


def write_without_waiting() -> None:
    """Let SQLite sync its log now and then instead of several times per event.

    Dagster opens and closes a connection for every event, and SQLite empties its log into the database whenever the
    last connection closes; so one connection per database is kept open while the process lives. The database stays
    whole whatever happens; a power cut may cost the last events of the history, never data of Cascade.
    """
    if not event.contains(Engine, "connect", _relax):
        event.listen(Engine, "connect", _relax)


def _relax(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = normal")
        for _, name, path in connection.execute("pragma database_list").fetchall():
            if name == "main" and path:
                _keep_open(path)


@cache
def _keep_open(path: str) -> sqlite3.Connection:
    keeper = sqlite3.connect(path, check_same_thread=False)
    # Dagster sets this too, but only after this connection was made, which would then keep nothing open.
    keeper.execute("pragma journal_mode = wal")
    keeper.execute("select count(*) from sqlite_master").fetchall()
    # Closing the last connection moves the log into the database and removes it. Otherwise each run would keep 4 MB.
    atexit.register(keeper.close)
    return keeper
