"""Dagster's own history on SQLite: hundreds of small events per run, each of which would wait for the disk.

Here: two settings of that database. What is recorded is Dagster's business.
"""

import sqlite3
from functools import cache

from sqlalchemy import event
from sqlalchemy.engine import Engine


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
