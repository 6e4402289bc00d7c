"""Dagster's own history of a home, on SQLite: hundreds of small events per run, each of which would wait for the disk.

Here: opening it, the runs in it that were killed, and two settings of that database. What is recorded is Dagster's
business.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import dagster as dg
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from assets.warehouse.home import Home, WarehouseError, unwritable
from assets.warehouse.lock import locked
from pipelines.resources import close_dead_runs
from pipelines.telling import HISTORY_SECONDS, dagster_home, in_a_line


@contextmanager
def history(where: Home) -> Iterator[dg.DagsterInstance]:
    """Dagster's own history of the home, with the runs in it that were killed marked as failed.

    Raises WarehouseError when it cannot be written.
    """
    try:
        with _instance(where) as instance:
            close_dead_runs(instance)
            yield instance
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        said = in_a_line(error)
        raise WarehouseError(unwritable(where.folder, said) or said) from error


def _instance(where: Home) -> dg.DagsterInstance:
    """The instance whose history lies in the home."""
    write_history_without_waiting()
    folder = dagster_home(where)
    os.environ["DAGSTER_HOME"] = str(folder)
    # Two processes that begin at once on a new home must not both create the databases of the history.
    with locked(folder / "history.lock", HISTORY_SECONDS, lambda _: None):
        return dg.DagsterInstance.get()


def write_history_without_waiting() -> None:
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
    return keeper
