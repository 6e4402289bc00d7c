"""Settings: which source, which folder, which day.

Here: what a person's choices mean, wherever they were made: launchpad, command line or environment. Dagster is not
needed for it, so that commands which only read are quick.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

from assets import calendars
from assets.sources.base import Source
from assets.universe import Universe
from assets.warehouse import Home

ROOT = Path(__file__).parent.parent
SOURCES = ("demo", "files", "live")


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
