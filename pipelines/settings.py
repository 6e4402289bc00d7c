"""Settings of a run: which source, which folder, which day.

Here: turning choices from the launchpad, the command line or the environment into a source and a home. Not here:
Dagster itself, so that commands that only read start quickly.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from pathlib import Path

from assets.config.parameters import Parameter, load_parameters
from assets.config.universe import Universe, load_universe
from assets.contracts.queries import SQL_FOLDER
from assets.sources.base import DEMO, Source
from assets.warehouse.home import Home, SharedWarehouse

ROOT = Path(__file__).parent.parent
# Otherwise Cascade was installed from a wheel, and ROOT is the folder of all installed packages.
IS_CHECKOUT = SQL_FOLDER.parent == ROOT
SOURCES = (DEMO, "files", "live")
DEFAULT_SOURCE = DEMO


@dataclass(frozen=True)
class Settings:
    """The choices for a run. Empty ones are taken from the environment, or else from the defaults."""

    source: str = ""
    path: str = ""
    home: str = ""
    as_of: str = ""
    full: bool = False
    symbols: tuple[str, ...] = ()
    accept: bool = False


@dataclass(frozen=True)
class Plan:
    """The source, home, universe and parameters that the settings stand for."""

    settings: Settings
    home: Home
    source: Source
    universe: Universe
    parameters: Mapping[str, Parameter]
    as_of: date | None


class SettingsError(Exception):
    """The settings are invalid. The message is one line that says how to correct them."""


def planned(settings: Settings) -> Plan:
    """What is to be run. Writes nothing and fetches nothing.

    Raises SettingsError for an invalid choice, SourceError for an unusable source, and UniverseError or ParametersError
    for an invalid file of the project.
    """
    source_name = settings.source or os.environ.get("CASCADE_SOURCE") or DEFAULT_SOURCE
    path = settings.path or os.environ.get("CASCADE_PATH", "")
    home = Home(home_folder(source_name, settings.home or os.environ.get("CASCADE_HOME", "")), _shared_warehouse())
    as_of = parse_as_of(settings.as_of)
    source, universe = _built_source(source_name, path, home, load_universe())
    _check_symbols(settings.symbols, source_name, path, universe)
    return Plan(replace(settings, home=str(home.folder)), home, source, universe, load_parameters(), as_of)


def _check_symbols(symbols: tuple[str, ...], source: str, path: str, universe: Universe) -> None:
    """Check that the source can have each symbol.

    Args:
        symbols: The symbols that are requested.
        source: The name of the source.
        path: The folder of the source files; its file names count as symbols.
        universe: The instruments and series that are known.

    Raises:
        SettingsError: A symbol is unknown.
    """
    known = {item.id for item in universe.instruments} | {series.id for series in universe.series}
    if source == "files":
        known |= {file.stem for file in Path(path).expanduser().glob("*/*")} | {"groups"}
    for symbol in symbols:
        if symbol not in known:
            near = get_close_matches(symbol.upper(), known, n=3, cutoff=0.5)
            raise SettingsError(
                f"unknown --symbol {symbol}; "
                + (f"did you mean {' or '.join(near)}?" if near else "assets/config/universe.yaml lists all ids")
            )


def home_folder(source: str, home: str) -> Path:
    """A source's folder: `home` if given, else data/<source> in the checkout or, without one, the current folder."""
    return Path(home).expanduser().resolve() if home else (ROOT if IS_CHECKOUT else Path.cwd()) / "data" / source


def _shared_warehouse() -> SharedWarehouse | None:
    """The shared warehouse that CASCADE_WAREHOUSE names; None if the warehouse is the home's own file.

    Raises SettingsError if the variable is not the address of a lake.
    """
    address, data = os.environ.get("CASCADE_WAREHOUSE", ""), os.environ.get("CASCADE_WAREHOUSE_DATA", "")
    if not address:
        return None
    from assets.warehouse.ducklake import ADDRESS, DuckLake

    if not address.startswith(ADDRESS):
        raise SettingsError(
            f"CASCADE_WAREHOUSE is not the address of a lake; write {ADDRESS}dbname=... host=..., or unset it to use a "
            "file in the home"
        )
    return DuckLake(address, data if not data or "://" in data else str(Path(data).expanduser().resolve()))


def parse_as_of(text: str) -> date | None:
    """The day of a past state, None for the newest one. Raises SettingsError for anything but a past day."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--as-of {text} is not a date; write YYYY-MM-DD") from error
    if day >= datetime.now(UTC).date():
        raise SettingsError(f"--as-of {text} is not over yet (UTC); omit --as-of for the newest state")
    return day


def _built_source(name: str, path: str, home: Home, universe: Universe) -> tuple[Source, Universe]:
    """Build the source that a name stands for.

    Args:
        name: demo, files or live.
        path: The folder of the source files; used by files only.
        home: The home, whose cache the live source uses.
        universe: The instruments and series of the project.

    Returns:
        The source, and the universe as the source has it.

    Raises:
        SettingsError: The source is unknown, or the folder is not given.
        SourceError: The folder cannot be used.
    """
    if name == DEMO:
        import pandas as pd

        from assets.config import calendars
        from assets.sources import demo

        sessions = calendars.sessions(demo.LAST_DAY)
        equity = sessions.loc[sessions["calendar"] == calendars.EQUITY_CALENDAR, "session_date"]
        return demo.DemoSource(universe, pd.DatetimeIndex(equity)), demo.synthetic_universe(universe)
    if name == "files":
        from assets.sources.files import FilesSource

        if not path:
            raise SettingsError("--source files requires --path DIR (or CASCADE_PATH)")
        return FilesSource(Path(path).expanduser().resolve()), universe
    if name == "live":
        from assets.sources.live import LiveSource

        return LiveSource(universe, home.cache), universe
    raise SettingsError(f"unknown source {name}; choose one of {', '.join(SOURCES)}")


@cache
def code_version() -> str:
    """The version of Cascade, with the commit if the project is a git checkout."""
    # Git would look further up, and find the repository of someone who has Cascade in a .venv.
    if not (ROOT / ".git").exists():
        return version("liquidity-cascade")
    try:
        git = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=5
        )
        commit = git.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        commit = ""
    return f"{version('liquidity-cascade')}{'+' + commit if commit else ''}"
