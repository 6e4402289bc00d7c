"""The command line: run and ui, and the other commands put together.

Here: arguments, exit codes and what is printed. A run does the same steps as one from the UI and is told to Dagster
beside it; reading goes through the published file, never the warehouse. Exit codes: 0 published, 3 published with
failed or stale symbols, 1 not published, 2 wrong usage.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import click

from assets.config.parameters import ParametersError
from assets.config.universe import UniverseError
from assets.contracts.expectations import warm_up
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
    source_option,
)
from pipelines.cli.read import claims, query, report, status
from pipelines.cli.snapshots import diff, snapshots
from pipelines.settings import ROOT, Plan, Settings, SettingsError, home_folder, planned


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Cascade keeps honest books on how money rotates along the risk curve.

    A first look, on a synthetic market and without a network:

    \b
    cascade run                                   fetch, check, derive, publish
    cascade status                                fresh? broken out? which stages?
    cascade claims                                an article, held against the data
    cascade report                                all of it as a page, for a browser

    The same on real data; --source goes with every command:

    \b
    cascade run --source files --path DIR         a folder of CSV or Parquet files
    cascade run --source live                     Yahoo and FRED
    cascade status --source live

    Questions of your own, to the published file:

    \b
    cascade query "from meta.freshness where status = 'stale'"
    cascade query "from marts.breakouts where status = 'holding' limit 5"
    cascade query "from core.bars" --csv > bars.csv

    A past day as it was known then, in a file of its own:

    \b
    cascade run --as-of 2020-12-31
    cascade status --as-of 2020-12-31

    Every day, by itself:

    \b
    cascade ui --source live                      schedules and alerts are in the UI

    docs/cookbook.md has more queries, docs/operations.md how to leave it running.
    """


for command in (status, claims, report, query, snapshots, diff):
    main.add_command(command)


@main.command()
@source_option
@click.option("--path", default="", envvar="CASCADE_PATH", metavar="DIR", help="The folder of --source files.")
@home_option
@as_of_option
@click.option("--full", is_flag=True, help="Ask for whole histories instead of what may have changed.")
@click.option("--symbol", "symbols", multiple=True, metavar="ID", help="Ask for this one only, whole; may be repeated.")
@click.option("--accept", is_flag=True, help="With --symbol: store what comes even if it contradicts what is stored.")
def run(source: str, path: str, home: str, as_of: str, full: bool, symbols: tuple[str, ...], accept: bool) -> None:
    """Fetch, check, derive and publish.

    A refresh asks for the last thirty sessions of each symbol and for sessions that are missing; everything older stays
    as it is stored.

    With --as-of nothing stored is changed: what was known at that day's end (UTC) goes into a file of its own,
    cascade-asof-DATE.duckdb.

    Exit code: 0 published, 3 published but some symbols failed or are stale or what follows (report, Parquet mirror)
    could not be written, 1 not published, 2 wrong usage.
    """
    console = Console()
    # Before all that a run imports. A past day is made of what is stored; there is rarely anything to validate.
    if not as_of:
        warm_up()
    try:
        plan = planned(Settings(source, path, home, as_of, full, symbols, accept))
    except (SettingsError, SourceError) as error:
        fail(str(error), WRONG_USAGE)
    except (UniverseError, ParametersError) as error:
        fail(str(error), NOT_PUBLISHED)
    where, day = plan.home, plan.as_of
    if accept and not symbols:
        fail("--accept needs --symbol: only what you name is taken on your word", WRONG_USAGE)
    if as_of and source == "live" and not where.has_warehouse:
        fail("nothing live is stored yet to look back on; run once without --as-of", NOT_PUBLISHED)
    run_id = str(uuid4())
    if failure := _run(plan, console, run_id):
        if not _is_published(where.published(day), run_id):
            fail(f"not published: {failure}", NOT_PUBLISHED)
        click.echo(f"cascade: published, but what came after it failed: {failure}", err=True)
    from pipelines.cli import summary

    with open_published(where, source, day) as reader:
        has_troubles = summary.show_run(console, reader, run_id, where, day, source, has_all=failure is None)
    sys.exit(PUBLISHED_WITH_FAILURES if has_troubles or failure else PUBLISHED)


@main.command()
@source_option
@click.option("--path", default="", metavar="DIR", help="The folder of --source files.")
@home_option
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
def ui(source: str, path: str, home: str, port: int) -> None:
    """Open the Dagster UI, with the daemon that runs schedules, on 127.0.0.1."""
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
    }
    command = ["dagster", "dev", "-m", "pipelines.definitions", "-h", "127.0.0.1", "-p", str(port)]
    program = Path(sys.executable).with_name(command[0])
    try:
        sys.exit(subprocess.run([str(program), *command[1:]], cwd=ROOT, env=environment, check=False).returncode)
    except KeyboardInterrupt:
        sys.exit(0)


def _run(plan: Plan, console: Console, run_id: str) -> str | None:
    """Run everything. Returns why it failed, in one line, or None."""
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
    """Whether the file that readers open is the one of this run."""
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as reader:
            return bool(reader.execute("select 1 from meta.runs where run_id = ?", [run_id]).fetchall())
    except duckdb.Error:
        return False
