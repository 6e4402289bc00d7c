"""The command line: the commands run and ui, and the group of all commands.

Here: arguments and exit codes. Exit codes: 0 published, 3 published with failed or stale symbols, 1 not published,
2 wrong usage. Not here: the commands that read the published file (read, snapshots), and what a run prints (summary).
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from uuid import uuid4

import click

from assets.config.parameters import ParametersError
from assets.config.universe import UniverseError
from assets.contracts.expectations import dismiss, warm_up
from assets.sources.base import SourceError
from assets.warehouse.home import Home, WarehouseError
from pipelines.cli.console import Console, Progress
from pipelines.cli.options import (
    NOT_PUBLISHED,
    PUBLISHED,
    PUBLISHED_WITH_FAILURES,
    WRONG_USAGE,
    as_of_option,
    fail,
    home_option,
    open_published,
    path_option,
    run_command,
    source_option,
)
from pipelines.cli.prune import prune
from pipelines.cli.read import claims, query, report, status
from pipelines.cli.snapshots import diff, snapshots
from pipelines.settings import Plan, Settings, SettingsError, home_folder, planned


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Cascade is a Dagster + DuckDB pipeline that ingests daily equity, crypto and macro data, keeps every version it
    saw, and publishes one DuckDB file of market-rotation signals with the evidence for each.

    Start with a synthetic market, offline:

    \b
    cascade run                                   fetch, check, build, publish
    cascade status                                freshness, stages, breakouts
    cascade claims                                verdicts on an article's claims
    cascade report                                everything as one HTML page

    Use real data; give --source to every command:

    \b
    cascade run --source files --path DIR         a folder of CSV or Parquet files
    cascade run --source live                     Yahoo and FRED
    cascade status --source live

    Query the published file:

    \b
    cascade query "from meta.freshness where status = 'stale'"
    cascade query "from marts.breakouts where status = 'holding' limit 5"
    cascade query "from core.bars" --csv > bars.csv

    Rebuild a past day as it was known then, in a separate file:

    \b
    cascade run --as-of 2020-12-31
    cascade status --as-of 2020-12-31

    Run every day:

    \b
    cascade ui --source live                      turn on schedules and alerts there

    See docs/cookbook.md for more queries, and docs/operations.md for running Cascade as a service.
    """


for command in (status, claims, report, query, snapshots, diff, prune):
    main.add_command(command)


@main.command()
@source_option
@path_option
@home_option
@as_of_option
@click.option("--full", is_flag=True, help="Fetch full histories instead of recent sessions and gaps.")
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    metavar="ID",
    help="Fetch only this instrument or series, full history. Repeatable.",
)
@click.option(
    "--accept", is_flag=True, help="With --symbol: store the fetched history even if it contradicts stored data."
)
def run(source: str, path: str, home: str, as_of: str, full: bool, symbols: tuple[str, ...], accept: bool) -> None:
    """Fetch, check, build and publish.

    A run fetches the recent sessions of each symbol again (the parameter refresh_sessions) and the sessions that are
    missing. Older rows are kept as they are stored.

    With --as-of stored data is unchanged: what was known at the end of that day (UTC) is written to a separate file,
    cascade-asof-DATE.duckdb.

    Exit code: 0 published; 3 published, but symbols failed or are stale, or the report or the Parquet files could not
    be written; 1 not published; 2 wrong usage.
    """
    console = Console()
    # Loading Great Expectations takes seconds, so it starts first. A past day is built from stored rows, of which there
    # is rarely anything to validate.
    if not as_of:
        warm_up()
        # A command that ends early does not wait until the import is done.
        click.get_current_context().call_on_close(dismiss)
    try:
        plan = planned(Settings(source, path, home, as_of, full, symbols, accept))
    except (SettingsError, SourceError) as error:
        fail(str(error), WRONG_USAGE)
    except (UniverseError, ParametersError) as error:
        fail(str(error), NOT_PUBLISHED)
    where, day = plan.home, plan.as_of
    if accept and not symbols:
        fail("--accept requires --symbol.", WRONG_USAGE)
    if as_of and source == "live" and not where.has_warehouse:
        fail(f"no live data is stored yet; fetch it first with: {run_command(where, source, None)}", NOT_PUBLISHED)
    run_id = str(uuid4())
    if failure := _run(plan, console, run_id):
        if not _is_published(where.published(day), run_id):
            fail(f"not published: {failure}", NOT_PUBLISHED)
        click.echo(f"cascade: published, but a later step failed: {failure}", err=True)
    from pipelines.cli import summary

    with open_published(where, source, day) as reader:
        has_troubles = summary.show_run(console, reader, run_id, where, day, has_exports=failure is None)
    sys.exit(PUBLISHED_WITH_FAILURES if has_troubles or failure else PUBLISHED)


@main.command()
@source_option
@path_option
@home_option
@click.option("--port", default=3000, show_default=True, help="Port of the UI.")
def ui(source: str, path: str, home: str, port: int) -> None:
    """Start the Dagster UI on 127.0.0.1.

    The daemon that runs schedules and alerts starts with it. Both end with Ctrl+C, or when the command is stopped.
    """
    from pipelines.cli.service import run_until_stopped
    from pipelines.dagster_home import dagster_folder, dagster_instance

    where = Home(home_folder(source, home))
    try:
        with dagster_instance(where):
            folder = dagster_folder(where)
    except WarehouseError as error:
        fail(str(error), NOT_PUBLISHED)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "CASCADE_SOURCE": source,
        "CASCADE_PATH": str(Path(path).resolve()) if path else os.environ.get("CASCADE_PATH", ""),
        "CASCADE_HOME": str(where.folder),
        # Dagster's advice to use `dg dev`, which the project does not need.
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded," + os.environ.get("PYTHONWARNINGS", ""),
    }
    command = ["dagster", "dev", "-m", "pipelines.definitions", "-h", "127.0.0.1", "-p", str(port)]
    program = Path(sys.executable).with_name(command[0])
    sys.exit(run_until_stopped([str(program), *command[1:]], folder, environment))


def _run(plan: Plan, console: Console, run_id: str) -> str | None:
    """Do every step of a run. Returns why it failed, in one line, or None."""
    from assets.models.sql_files import ModelError

    # Importing Dagster makes many objects that stay; looking for garbage among them would take a tenth of the run.
    gc.disable()
    try:
        from pipelines.execution import execute
    except ModelError as error:
        return str(error)
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    with Progress(console):
        return execute(plan, run_id)


def _is_published(path: Path, run_id: str) -> bool:
    """Whether this run has published the file."""
    import duckdb

    from assets.warehouse import connection

    try:
        with connection.open_published(path) as reader:
            return bool(reader.execute("select 1 from meta.runs where run_id = ?", [run_id]).fetchall())
    except duckdb.Error:
        return False
