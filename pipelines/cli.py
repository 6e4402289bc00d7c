"""The command line: run, status, query, ui.

Here: arguments, exit codes and what is printed. A run goes through the same Dagster definitions as the UI; reading
goes through the published file, never the warehouse. Exit codes: 0 published, 3 published with failed or stale
symbols, 1 not published, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from assets import validation
from assets.parameters import ParametersError
from assets.sources.base import SourceError
from assets.universe import UniverseError
from assets.warehouse import Home, WarehouseError, locked
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
    cascade query "from marts.breakouts"          any SQL on the published file
    """


@main.command()
@_source
@click.option("--path", default="", envvar="CASCADE_PATH", metavar="DIR", help="The folder of --source files.")
@_home
@_as_of
def run(source: str, path: str, home: str, as_of: str) -> None:
    """Fetch, check, derive and publish.

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
    if as_of and source == "live" and not where.warehouse.exists():
        _fail("nothing live is stored yet to look back on; run once without --as-of", NOT_PUBLISHED)
    validation.warm_up()
    settings = {"source": source, "path": path, "home": str(where.folder), "as_of": as_of}
    try:
        with _instance(where) as instance, Progress(console):
            result = _execute(instance, settings)
    except WarehouseError as error:
        _fail(str(error), NOT_PUBLISHED)
    if not result.success:
        _fail(f"not published: {_reason(result)}", NOT_PUBLISHED)
    from pipelines import summary

    with _open(where, source, day) as reader:
        has_troubles = summary.show_run(console, reader, result.run_id, where.published(day), source)
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
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(_dagster_home(where)),
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


def _execute(instance: DagsterInstance, settings: dict[str, str]) -> ExecuteInProcessResult:
    from pipelines.definitions import defs

    return defs.resolve_job_def("everything").execute_in_process(
        instance=instance,
        run_config={
            "resources": {"run": {"config": settings}},
            # What steps say is shown by Progress; Dagster's own event stream stays in its database.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def _reason(result: ExecuteInProcessResult) -> str:
    """Why a run did not publish, in one line."""
    reasons = [
        f"{check.asset_key.path[-1]}: {check.description or check.check_name}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity.value == "ERROR"
    ]
    for event in result.all_events:
        if event.is_step_failure and not reasons:
            reasons.append(f"{event.step_key}: {_raised(event.step_failure_data.error)}")
        elif event.is_job_failure and not reasons:  # no step was to blame: the run could not even begin
            reasons.append(_raised(event.job_failure_data.error))
    return "; ".join(dict.fromkeys(reasons))


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
        _fail(f"{folder} cannot be written: {error.strerror}; choose another --home", NOT_PUBLISHED)
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
