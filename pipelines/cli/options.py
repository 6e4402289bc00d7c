"""What several commands share: options, exit codes, the published file they read, and how they fail.

Here: no command. How things look on a terminal is in `console`.
"""

from __future__ import annotations

import sys
from datetime import date, time
from decimal import Decimal
from typing import Any, NoReturn

import click

from assets.warehouse.home import Home
from pipelines.settings import SOURCES, SettingsError, parse_as_of

PUBLISHED, NOT_PUBLISHED, WRONG_USAGE, PUBLISHED_WITH_FAILURES = 0, 1, 2, 3

source_option = click.option(
    "--source", type=click.Choice(SOURCES), default="demo", show_default=True, help="Where the data comes from."
)
home_option = click.option("--home", default="", metavar="DIR", help="Where the results lie.  [default: data/SOURCE]")
as_of_option = click.option("--as-of", default="", metavar="YYYY-MM-DD", help="A past day instead of the newest state.")


def fail(reason: str, code: int) -> NoReturn:
    """End the command with a reason in one line and an exit code."""
    click.echo(f"cascade: {reason}", err=True)
    sys.exit(code)


def open_published(where: Home, source: str, day: date | None) -> Any:
    """A reader of the published file. Ends the command where there is none."""
    import duckdb

    from assets.warehouse import connection

    path = where.published(day)
    if not path.exists():
        command = (
            "cascade run" + (f" --source {source}" if source != "demo" else "") + (f" --as-of {day}" if day else "")
        )
        fail(f"{path} is not there yet; {command} makes it", NOT_PUBLISHED)
    try:
        return connection.open_published(path)
    except duckdb.Error as error:
        fail(f"{path} cannot be opened: {one_line(error)}", NOT_PUBLISHED)


def past_day(as_of: str) -> date | None:
    """The day that --as-of names. Ends the command where it is no past day."""
    try:
        return parse_as_of(as_of)
    except SettingsError as error:
        fail(str(error), WRONG_USAGE)


def one_line(error: Exception) -> str:
    """The database's words on one line, without the drawing that points into the query."""
    return " ".join(str(error).partition("\n\nLINE ")[0].split())


def as_json_value(value: object) -> object:
    """What JSON has no type for, as a number or as text."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)
