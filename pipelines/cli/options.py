"""What several commands share: options, exit codes, opening the published file, and errors.

Here: what more than one command needs. Not here: the commands themselves, and how things look on a terminal (console).
"""

from __future__ import annotations

import shlex
import shutil
import sys
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import click

from assets.warehouse.home import Home
from pipelines.settings import DEFAULT_SOURCE, SOURCES, SettingsError, home_folder, parse_as_of

PUBLISHED, NOT_PUBLISHED, WRONG_USAGE, PUBLISHED_WITH_FAILURES = 0, 1, 2, 3

source_option = click.option(
    "--source",
    type=click.Choice(SOURCES),
    default=DEFAULT_SOURCE,
    show_default=True,
    help="Synthetic market, a folder of files, or Yahoo and FRED.",
)
path_option = click.option(
    "--path", default="", envvar="CASCADE_PATH", metavar="DIR", help="Folder to read with --source files."
)
# A run without --home writes to CASCADE_HOME if it is set, so the other commands must read from there.
home_option = click.option(
    "--home", default="", envvar="CASCADE_HOME", metavar="DIR", help="Folder of the results.  [default: data/SOURCE]"
)
as_of_option = click.option(
    "--as-of", default="", metavar="YYYY-MM-DD", help="A past day, as it was known then, instead of the newest state."
)


def fail(reason: str, code: int) -> NoReturn:
    """End the command with a reason in one line and an exit code."""
    click.echo(f"cascade: {reason}", err=True)
    sys.exit(code)


def command_line(command: str, where: Home, source: str, day: date | None = None) -> str:
    """A command that a user can copy and run as it stands.

    Args:
        command: The command with its arguments, quoted for a shell.
        where: The home that it is about.
        source: The source of that home.
        day: The past day that it is about; None for the newest state.

    Returns:
        The command with the program's name, and with --source, --home and --as-of unless they are the defaults.
    """
    words = [_program(), command]
    if source != DEFAULT_SOURCE:
        words.append(f"--source {source}")
    if where.folder != home_folder(source, ""):
        words.append(f"--home {shlex.quote(str(where.folder))}")
    if day:
        words.append(f"--as-of {day}")
    return " ".join(words)


def _program() -> str:
    """How to call Cascade from the folder in which the user called it."""
    called, found = Path(sys.argv[0]), shutil.which("cascade")
    if called.name != "cascade" or (found and called.exists() and Path(found).samefile(called)):
        return "cascade"
    return shlex.quote(str(called))


def run_command(where: Home, source: str, day: date | None) -> str:
    """The command that publishes a file.

    Args:
        where: The home of the file.
        source: The source of that home.
        day: The past day of the file; None for the newest state.

    Returns:
        The command, in which DIR stands for the folder of --source files.
    """
    return command_line("run", where, source, day) + (" --path DIR" if source == "files" else "")


def open_published(where: Home, source: str, day: date | None) -> Any:
    """Open the published file. Ends the command if it does not exist or cannot be opened.

    Args:
        where: The home of the file.
        source: The source of that home.
        day: The past day of the file; None for the newest state.

    Returns:
        A read-only connection. Its type is not named, because DuckDB is imported only when it is needed.
    """
    import duckdb

    from assets.warehouse import connection

    path = where.published(day)
    if not path.exists():
        fail(f"{path} does not exist; create it with: {run_command(where, source, day)}", NOT_PUBLISHED)
    try:
        return connection.open_published(path)
    except duckdb.Error as error:
        fail(f"{path} cannot be opened: {one_line(error)}", NOT_PUBLISHED)


def fail_of_another_version(error: Exception, where: Home, source: str, day: date | None) -> NoReturn:
    """End the command because the published file lacks a table or column that this version reads.

    Args:
        error: What the database said.
        where: The home of the file.
        source: The source of that home.
        day: The past day of the file; None for the newest state.
    """
    reason = f"{where.published(day)} was published by another version of Cascade ({one_line(error)})"
    fail(f"{reason}; publish it again with: {run_command(where, source, day)}", NOT_PUBLISHED)


def past_day(as_of: str) -> date | None:
    """The day that --as-of names. Ends the command if it is not a past day."""
    try:
        return parse_as_of(as_of)
    except SettingsError as error:
        fail(str(error), WRONG_USAGE)


def one_line(error: Exception) -> str:
    """What the database said, with any "Did you mean", in one line and without the excerpt of the query."""
    return " ".join(str(error).partition("\n\nLINE ")[0].split())


def as_json_value(value: object) -> object:
    """A value that JSON has no type for, as a number or as text."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)
