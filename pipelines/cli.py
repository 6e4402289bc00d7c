"""The command line: run, status, claims, report, query, ui, and what `archive` adds.

Here: arguments, exit codes and what is printed. A run does the same steps as one from the UI and is told to Dagster
beside it; reading goes through the published file, never the warehouse. Exit codes: 0 published, 3 published with
failed or stale symbols, 1 not published, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing, suppress
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import click

from assets.config.parameters import ParametersError
from assets.config.universe import UniverseError
from assets.contracts.expectations import warm_up
from assets.sources.base import SourceError
from assets.warehouse.home import Home, WarehouseError, unwritable
from pipelines.archive import diff, snapshots
from pipelines.console import Console, Progress
from pipelines.options import as_of_option, home_option, source_option
from pipelines.settings import ROOT, Plan, Settings, SettingsError, home_folder, parse_as_of, planned

# Rows of a query that a person is shown.
SHOWN_ROWS = 200

PUBLISHED, NOT_PUBLISHED, WRONG_USAGE, PUBLISHED_WITH_FAILURES = 0, 1, 2, 3


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


main.add_command(snapshots)
main.add_command(diff)


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
        _fail(str(error), WRONG_USAGE)
    except (UniverseError, ParametersError) as error:
        _fail(str(error), NOT_PUBLISHED)
    where, day = plan.home, plan.as_of
    if accept and not symbols:
        _fail("--accept needs --symbol: only what you name is taken on your word", WRONG_USAGE)
    if as_of and source == "live" and not where.has_warehouse:
        _fail("nothing live is stored yet to look back on; run once without --as-of", NOT_PUBLISHED)
    run_id = str(uuid4())
    if failure := _run(plan, console, run_id):
        if not _is_published(where.published(day), run_id):
            _fail(f"not published: {failure}", NOT_PUBLISHED)
        click.echo(f"cascade: published, but what came after it failed: {failure}", err=True)
    from pipelines import summary

    with _open(where, source, day) as reader:
        has_troubles = summary.show_run(console, reader, run_id, where, day, source, has_all=failure is None)
    sys.exit(PUBLISHED_WITH_FAILURES if has_troubles or failure else PUBLISHED)


@main.command()
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object, for scripts.")
def status(source: str, home: str, as_of: str, as_json: bool) -> None:
    """What one asks first: how fresh it is, what failed, which stages are on, what broke out.

    A breakout is open for twenty sessions, in which it may be confirmed, retested or fail; after that it was holding
    or not. What was said when small caps broke out last was frozen then, word for word.

    \b
    cascade status --json | python3 -m json.tool
    """
    import duckdb

    from pipelines import summary

    where = Home(home_folder(source, home))
    path = where.published(_day(as_of))
    with _open(where, source, _day(as_of)) as reader:
        try:
            if as_json:
                click.echo(json.dumps(summary.status(reader, path), default=_plain))
            else:
                summary.show_status(Console(), reader, path)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            _fail(f"{path} is of another version; run again: {_said(error)}", NOT_PUBLISHED)


@main.command()
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per claim, for scripts.")
def claims(source: str, home: str, as_of: str, as_json: bool) -> None:
    """What an article says of the Russell 2000, claim by claim, held against the data.

    Verdicts: supported, contradicted, insufficient_evidence (too few cases, not to be told from chance, or no data),
    not_testable. marts.claim_parts has the numbers of each part.
    """
    import duckdb

    from pipelines import summary

    where = Home(home_folder(source, home))
    day = _day(as_of)
    with _open(where, source, day) as reader:
        try:
            if as_json:
                for claim in summary.claims(reader):
                    click.echo(json.dumps(claim, default=_plain))
            else:
                summary.show_claims(Console(), reader, where.published(day))
        except duckdb.CatalogException as error:
            _fail(f"{where.published(day)} has no claims yet; run again: {_said(error)}", NOT_PUBLISHED)


@main.command()
@source_option
@home_option
@as_of_option
def report(source: str, home: str, as_of: str) -> None:
    """Write the report on the published file anew, and say where it lies.

    A run writes it too, except a look at the past. It is one page that needs no network: open it in a browser.
    """
    import duckdb

    from assets.report.page import write_report
    from assets.report.queries import NothingPublished

    where = Home(home_folder(source, home))
    day = _day(as_of)
    published, target = where.published(day), where.report(day)
    _open(where, source, day).close()
    try:
        write_report(published, target)
    except (NothingPublished, duckdb.Error) as error:
        _fail(f"{published} is not a published file of this version; run again: {_said(error)}", NOT_PUBLISHED)
    except OSError as error:
        _fail(unwritable(where.folder, str(error)) or f"{target} cannot be written: {error}", NOT_PUBLISHED)
    click.echo(target)


@main.command()
@click.argument("sql")
@source_option
@home_option
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row, for scripts.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")
def query(sql: str, source: str, home: str, as_of: str, as_json: bool, as_csv: bool) -> None:
    """Run SQL on the published file, which is opened read-only.

    Columns that do not fit the terminal come below, beside the first column again; a single row is written downwards.

    \b
    cascade query "select schema_name, table_name, comment from duckdb_tables()"
    cascade query "select column_name, column_type from (describe marts.cascade)"
    cascade query "from marts.breakouts where subject_id = 'RUT' limit 1"
    cascade query "from core.bars where instrument_id = 'BTC'" --csv

    docs/cookbook.md has queries for what people ask, docs/data-dictionary.md every table and column.
    """
    import duckdb

    with _open(Home(home_folder(source, home)), source, _day(as_of)) as reader:
        try:
            result = reader.execute(sql)
            if result is None:
                _fail("there is no SQL in the query", WRONG_USAGE)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall() if as_json or as_csv else result.fetchmany(SHOWN_ROWS + 1)
        except duckdb.Error as error:
            _fail(_said(error), NOT_PUBLISHED)
    if as_json:
        for row in rows:
            click.echo(json.dumps(dict(zip(names, row, strict=True)), default=_plain))
    elif as_csv:
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_plain(value) if isinstance(value, date) else value for value in row] for row in rows)
    else:
        console = Console()
        console.tables(names, rows[:SHOWN_ROWS])
        if len(rows) > SHOWN_ROWS:
            console.line(f"There are more than these {SHOWN_ROWS} rows; --csv or --json gives them all.", wraps=True)


@main.command()
@source_option
@click.option("--path", default="", metavar="DIR", help="The folder of --source files.")
@home_option
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
def ui(source: str, path: str, home: str, port: int) -> None:
    """Open the Dagster UI, with the daemon that runs schedules, on 127.0.0.1."""
    from pipelines.history import history
    from pipelines.telling import dagster_home, start_recorder

    where = Home(home_folder(source, home))
    try:
        folder = dagster_home(where)
        with history(where):
            pass
    except WarehouseError as error:
        _fail(str(error), NOT_PUBLISHED)
    start_recorder(where)
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
    import duckdb

    from assets.models.sql_files import ModelError
    from assets.steps import Doing, everything
    from assets.warehouse.results import StepFailed
    from pipelines.telling import Noting, dagster_home, in_a_line, start_recorder, told
    from pipelines.work import opened

    try:
        folder = dagster_home(plan.home)
    except WarehouseError as error:
        return str(error)
    try:
        with Progress(console), told(folder, run_id, plan.settings) as lines:
            # A run that waits for vendors is told as it goes; any other is over in seconds and needs the cores itself.
            if plan.source.has_clock:
                start_recorder(plan.home)
            with opened(plan, run_id) as run, closing(Doing(run, is_whole=True)) as doing:
                for _ in everything(Noting(doing, lines)):
                    pass
    except (WarehouseError, ModelError) as error:
        return str(error)
    except (StepFailed, OSError, duckdb.Error) as error:
        # What a check says is about the data: a vendor's quota is no full disk.
        if isinstance(error, StepFailed) and error.__cause__ is None:
            return in_a_line(error)
        return unwritable(plan.home.folder, in_a_line(error)) or in_a_line(error)
    finally:
        # Where there is no room even for its log the run has failed, and says so; the next one tells of both.
        with suppress(OSError):
            start_recorder(plan.home)
    return None


def _is_published(path: Path, run_id: str) -> bool:
    """Whether the file that readers open is the one of this run."""
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as reader:
            return bool(reader.execute("select 1 from meta.runs where run_id = ?", [run_id]).fetchall())
    except duckdb.Error:
        return False


def _open(where: Home, source: str, day: date | None) -> Any:
    import duckdb

    path = where.published(day)
    if not path.exists():
        command = (
            "cascade run" + (f" --source {source}" if source != "demo" else "") + (f" --as-of {day}" if day else "")
        )
        _fail(f"{path} is not there yet; {command} makes it", NOT_PUBLISHED)
    try:
        reader = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        _fail(f"{path} cannot be opened: {_said(error)}", NOT_PUBLISHED)
    reader.execute("set timezone = 'UTC'")
    return reader


def _said(error: Exception) -> str:
    """The database's words on one line, without the drawing that points into the query."""
    return " ".join(str(error).partition("\n\nLINE ")[0].split())


def _day(as_of: str) -> date | None:
    try:
        return parse_as_of(as_of)
    except SettingsError as error:
        _fail(str(error), WRONG_USAGE)


def _plain(value: object) -> object:
    """What JSON has no type for, as a number or as text."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)


def _fail(reason: str, code: int) -> NoReturn:
    click.echo(f"cascade: {reason}", err=True)
    sys.exit(code)
