"""Settings: which source, which folder, which day, and the run that is made of them.

Here: every choice a person can make about a run, in one place, from the launchpad, the command line or the
environment. The only module that builds sources and reads the wall clock.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets import calendars, ledger
from assets.parameters import load_parameters
from assets.run import Run, log
from assets.sources.base import Source
from assets.universe import Universe, load_universe
from assets.warehouse import Home, writing

ROOT = Path(__file__).parent.parent
SOURCES = ("demo", "files", "live")

# How long a run waits for another one that is writing.
WAIT_SECONDS = 600.0


class SettingsError(Exception):
    """The settings do not make a run. The message is one line and names the cure."""


def home_folder(source: str, home: str) -> Path:
    """The folder of a source: what was asked for, else data/<source> in the project."""
    return Path(home).expanduser().resolve() if home else ROOT / "data" / source


def parse_as_of(text: str) -> date | None:
    """The day of a past state, None for the newest one. Raises SettingsError for what is no past day."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--as-of {text} is no date; write it as YYYY-MM-DD") from error
    if day >= datetime.now(UTC).date():
        raise SettingsError(f"--as-of {text} is not over yet; leave it out for the newest state")
    return day


def build_source(name: str, path: str, home: Home, universe: Universe) -> tuple[Source, Universe]:
    """The source, and the universe as it knows it.

    Raises SettingsError for an unknown source or a folder that is not given, SourceError for one that does not fit.
    """
    if name == "demo":
        import pandas as pd

        from assets.sources import demo

        sessions = calendars.sessions(demo.LAST_DAY)
        equity = sessions.loc[sessions["calendar"] == calendars.EQUITY_CALENDAR, "session_date"]
        return demo.DemoSource(universe, pd.DatetimeIndex(equity)), demo.synthetic_universe(universe)
    if name == "files":
        from assets.sources.files import FilesSource

        if not path:
            raise SettingsError("the source files needs a folder; give --path DIR (or CASCADE_PATH)")
        return FilesSource(Path(path).expanduser().resolve()), universe
    if name == "live":
        from assets.sources.live import LiveSource

        return LiveSource(universe, home.cache), universe
    raise SettingsError(f"there is no source {name}; choose one of {', '.join(SOURCES)}")


@cache
def code_version() -> str:
    """The version of Cascade, with the commit where git knows it."""
    try:
        git = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=5
        )
        commit = git.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        commit = ""
    return f"{version('liquidity-cascade')}{'+' + commit if commit else ''}"


class CascadeRun(dg.ConfigurableResource[Run]):
    """One run of Cascade. Everything left empty is taken from the environment, else from the defaults."""

    source: str = Field(default="", description="demo (synthetic), files or live. Empty: CASCADE_SOURCE, else demo.")
    path: str = Field(default="", description="Folder of the source files. Empty: CASCADE_PATH.")
    home: str = Field(default="", description="Folder to write to. Empty: CASCADE_HOME, else data/<source>.")
    as_of: str = Field(default="", description="A past day (YYYY-MM-DD) whose state is rebuilt into a file of its own.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Run]:
        """The run, with the warehouse locked and open until it ends."""
        environment = dg.EnvVar
        source_name = self.source or environment("CASCADE_SOURCE").get_value("demo") or "demo"
        path = self.path or environment("CASCADE_PATH").get_value("") or ""
        home = Home(home_folder(source_name, self.home or environment("CASCADE_HOME").get_value("") or ""))
        as_of = parse_as_of(self.as_of)
        source, universe = build_source(source_name, path, home, load_universe())
        run_id = context.run.run_id if context.run else "no-run"
        with writing(home, as_of, WAIT_SECONDS, log.warning) as connection:
            run = Run(
                id=run_id,
                connection=connection,
                home=home,
                source=source,
                universe=universe,
                parameters=load_parameters(),
                as_of=as_of,
                started_at=datetime.now(UTC),
                code_version=code_version(),
            )
            ledger.open_run(run)
            try:
                yield run
            finally:
                ledger.close_run(connection, run_id)
