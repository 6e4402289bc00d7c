"""The command line: run, status, claims, query, ui.

Here: arguments, exit codes and what is printed. A run goes through the same Dagster definitions as the UI; reading
goes through the published file, never the warehouse. Exit codes: 0 published, 3 published with failed or stale
symbols, 1 not published, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

import click

from assets import validation
from assets.parameters import ParametersError
from assets.sources.base import SourceError
from assets.universe import UniverseError
from assets.warehouse import Home, WarehouseError, locked, unwritable
from pipelines.archive import diff, snapshots
from pipelines.console import Console, Progress
from pipelines.settings import ROOT, SOURCES, SettingsError, build_source, home_folder, parse_as_of

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult, SerializableErrorInfo

# Creating the databases of a new history takes about a second.
HISTORY_SECONDS = 60.0

PUBLISHED, NOT_PUBLISHED, WRONG_USAGE, PUBLISHED_WITH_FAILURES = 0, 1, 2, 3

_source = click.option(
    "--source", type=click.Choice(SOURCES), default="demo", show_default=True, help="Where the data comes from."
)
_home = click.option("--home", default="", metavar="DIR", help="Where the results lie.  [default: data/SOURCE]")
_as_of = click.option("--as-of", default="", metavar="YYYY-MM-DD", help="A past day instead of the newest state.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Cascade keeps honest books on how money rotates along the risk curve.

    \b
    cascade run                                   the whole pipeline on a synthetic market
    cascade run --source files --path DIR         on a folder of CSV or Parquet files
    cascade run --source live                     on Yahoo and FRED
    cascade status                                how fresh it is, what broke out last
    cascade claims                                what an article says, held against the data
    cascade query "from marts.breakouts"          any SQL on the published file
    """


main.add_command(snapshots)
main.add_command(diff)


@main.command()
@_source
@click.option("--path", default="", envvar="CASCADE_PATH", metavar="DIR", help="The folder of --source files.")
@_home
@_as_of
@click.option("--full", is_flag=True, help="Ask for whole histories instead of what may have changed.")
@click.option("--symbol", "symbols", multiple=True, metavar="ID", help="Ask for this one only, whole; may be repeated.")
@click.option("--accept", is_flag=True, help="With --symbol: store what comes even if it contradicts what is stored.")
def run(source: str, path: str, home: str, as_of: str, full: bool, symbols: tuple[str, ...], accept: bool) -> None:
    """Fetch, check, derive and publish.

    A refresh asks for the last thirty sessions of each symbol and for sessions that are missing; everything older stays
    as it is stored.

    With --as-of nothing stored is changed: what was known at that day's end (UTC) goes into a file of its own,
    cascade-asof-DATE.duckdb.

    Exit code: 0 published, 3 published but some symbols failed or are stale, 1 not published, 2 wrong usage.
    """
    where = Home(home_folder(source, home))
    console = Console()
    try:
        day = parse_as_of(as_of)
        build_source(source, path, where, _universe())
    except (SettingsError, SourceError) as error:
        _fail(str(error), WRONG_USAGE)
    except (UniverseError, ParametersError) as error:
        _fail(str(error), NOT_PUBLISHED)
    if accept and not symbols:
        _fail("--accept needs --symbol: only what you name is taken on your word", WRONG_USAGE)
    if as_of and source == "live" and not where.warehouse.exists():
        _fail("nothing live is stored yet to look back on; run once without --as-of", NOT_PUBLISHED)
    if not as_of:
        validation.warm_up()
    settings = {
        "source": source,
        "path": path,
        "home": str(where.folder),
        "as_of": as_of,
        "full": full,
        "symbols": list(symbols),
        "accept": accept,
    }
    run_id = str(uuid4())
    if failure := _run(where, console, run_id, settings):
        if not _is_published(where.published(day), run_id):
            _fail(f"not published: {failure}", NOT_PUBLISHED)
        click.echo(f"cascade: published, but what came after it failed: {failure}", err=True)
    from pipelines import summary

    with _open(where, source, day) as reader:
        has_troubles = summary.show_run(console, reader, run_id, where.published(day), source)
    sys.exit(PUBLISHED_WITH_FAILURES if has_troubles else PUBLISHED)


@main.command()
@_source
@_home
@_as_of
def status(source: str, home: str, as_of: str) -> None:
    """How fresh the published file is, what failed, and what broke out last."""
    from pipelines import summary

    where = Home(home_folder(source, home))
    day = _day(as_of)
    with _open(where, source, day) as reader:
        summary.show_status(Console(), reader, where.published(day))


@main.command()
@_source
@_home
@_as_of
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
@click.argument("sql")
@_source
@_home
@_as_of
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row, for scripts.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")
def query(sql: str, source: str, home: str, as_of: str, as_json: bool, as_csv: bool) -> None:
    """Run SQL on the published file, which is opened read-only.

    \b
    cascade query "from marts.breakouts where subject_id = 'RUT' order by session_date desc limit 5"
    """
    import duckdb

    with _open(Home(home_folder(source, home)), source, _day(as_of)) as reader:
        try:
            result = reader.execute(sql)
            if result is None:
                _fail("there is no SQL in the query", WRONG_USAGE)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall()
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
        Console().table(names, rows)


@main.command()
@_source
@click.option("--path", default="", metavar="DIR", help="The folder of --source files.")
@_home
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
def ui(source: str, path: str, home: str, port: int) -> None:
    """Open the Dagster UI, with the daemon that runs schedules, on 127.0.0.1."""
    where = Home(home_folder(source, home))
    try:
        folder = _dagster_home(where)
        with _history(where):
            pass
    except WarehouseError as error:
        _fail(str(error), NOT_PUBLISHED)
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


def _run(where: Home, console: Console, run_id: str, settings: dict[str, object]) -> str | None:
    """Run everything. Returns why it failed, in one line, or None."""
    try:
        with Progress(console), _without_asides(), _history(where) as instance:
            result = _execute(instance, run_id, settings)
            return None if result.success else _reason(result, where)
    except WarehouseError as error:
        return str(error)


@contextmanager
def _history(where: Home) -> Iterator[DagsterInstance]:
    """Dagster's own history, with the runs in it that were killed marked as failed.

    Raises WarehouseError when it cannot be written. That comes from no step, so no step's result would tell of it.
    """
    import sqlite3

    from sqlalchemy.exc import SQLAlchemyError

    from pipelines.resources import close_dead_runs

    try:
        with _instance(where) as instance:
            close_dead_runs(instance)
            yield instance
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise WarehouseError(_for_a_person(f"{type(error).__name__}: {error}", where)) from error


@contextmanager
def _without_asides() -> Iterator[None]:
    """Keep off the terminal what Dagster writes to standard error about failures that it raises as well."""
    sys.stderr.flush()
    descriptor = sys.stderr.fileno()
    kept = os.dup(descriptor)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), descriptor)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, descriptor)
        os.close(kept)


def _is_published(path: Path, run_id: str) -> bool:
    """Whether the file that readers open is the one of this run."""
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as reader:
            return bool(reader.execute("select 1 from meta.runs where run_id = ?", [run_id]).fetchall())
    except duckdb.Error:
        return False


def _execute(instance: DagsterInstance, run_id: str, settings: dict[str, object]) -> ExecuteInProcessResult:
    from pipelines.definitions import defs
    from pipelines.resources import PROCESS_TAG

    return defs.resolve_job_def("everything").execute_in_process(
        instance=instance,
        run_id=run_id,
        tags={PROCESS_TAG: str(os.getpid())},
        run_config={
            "resources": {"run": {"config": settings}},
            # What steps say is shown by Progress; Dagster's own event stream stays in its database.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def _reason(result: ExecuteInProcessResult, where: Home) -> str:
    """Why a run did not publish, in one line."""
    reasons = [
        f"{check.asset_key.path[-1]}: {check.description or check.check_name}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity.value == "ERROR"
    ]
    for event in result.all_events:
        if event.is_step_failure and not reasons:
            raised = _raised(event.step_failure_data.error)
            reasons.append(unwritable(where.folder, raised) or f"{event.step_key}: {raised}")
        elif event.is_job_failure and not reasons:  # no step was to blame: the run could not even begin
            reasons.append(_for_a_person(_raised(event.job_failure_data.error), where))
    return "; ".join(dict.fromkeys(reasons))


def _for_a_person(said: str, where: Home) -> str:
    """The first line of what was raised, with the cure where it is known."""
    line = said.strip().splitlines()[0]
    return unwritable(where.folder, line) or line


def _raised(error: SerializableErrorInfo | None) -> str:
    """What was raised within Dagster's wrapping. Errors of the project are written to be read without their name."""
    while error and error.cause and str(error.cls_name).startswith("Dagster"):
        error = error.cause
    if error is None:
        return "the run failed; see its log in the UI"
    line = str(error.message).strip().splitlines()[0]
    name, _, text = line.partition(": ")
    return text if name.startswith(("assets.", "pipelines.", "dagster.")) else line


def _instance(where: Home) -> DagsterInstance:
    """The instance whose history lies in the home."""
    from dagster import DagsterInstance

    from pipelines.history import write_history_without_waiting

    write_history_without_waiting()
    folder = _dagster_home(where)
    os.environ["DAGSTER_HOME"] = str(folder)
    # Two runs that begin at once on a new home must not both create the databases of the history.
    with locked(folder / "history.lock", HISTORY_SECONDS, lambda _: None):
        return DagsterInstance.get()


def _dagster_home(where: Home) -> Path:
    """The home's own Dagster folder, with the project's instance configuration in it."""
    folder = where.folder / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / "dagster.yaml"
        with locked(folder / "history.lock", HISTORY_SECONDS, lambda _: None):
            if not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(ROOT / "dagster.yaml")
    except OSError as error:
        said = error.strerror or str(error)
        raise WarehouseError(
            unwritable(folder, said) or f"{folder} cannot be written: {said}; choose another --home"
        ) from error
    return folder


def _universe() -> Any:
    from assets.universe import load_universe

    return load_universe()


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
