"""Settings: which source, which folder, which day.

Here: what a person's choices mean, wherever they were made: launchpad, command line or environment. Dagster is not
needed for it, so that commands which only read are quick.
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
from assets.sources.base import Source
from assets.warehouse.home import Home, SharedWarehouse

ROOT = Path(__file__).parent.parent
SOURCES = ("demo", "files", "live")


@dataclass(frozen=True)
class Settings:
    """What a person can choose for a run. What is left empty is taken from the environment, else from the defaults."""

    source: str = ""
    path: str = ""
    home: str = ""
    as_of: str = ""
    full: bool = False
    symbols: tuple[str, ...] = ()
    accept: bool = False


@dataclass(frozen=True)
class Plan:
    """What the settings come to."""

    settings: Settings
    home: Home
    source: Source
    universe: Universe
    parameters: Mapping[str, Parameter]
    as_of: date | None


class SettingsError(Exception):
    """The settings do not make a run. The message is one line and names the cure."""


def planned(settings: Settings) -> Plan:
    """What is to be run. Nothing is written and nobody is asked for data.

    Raises SettingsError for a choice that makes no run, SourceError for a source that does not fit, UniverseError and
    ParametersError for a file of the project that does not.
    """
    source_name = settings.source or os.environ.get("CASCADE_SOURCE") or "demo"
    path = settings.path or os.environ.get("CASCADE_PATH", "")
    home = Home(home_folder(source_name, settings.home or os.environ.get("CASCADE_HOME", "")), _elsewhere())
    as_of = parse_as_of(settings.as_of)
    source, universe = _built_source(source_name, path, home, load_universe())
    _check_symbols(settings.symbols, source_name, path, universe)
    return Plan(replace(settings, home=str(home.folder)), home, source, universe, load_parameters(), as_of)


def _check_symbols(symbols: tuple[str, ...], source: str, path: str, universe: Universe) -> None:
    """Raises SettingsError for a symbol that the source cannot have: nobody would ever answer for it."""
    known = {item.id for item in universe.instruments} | {series.id for series in universe.series}
    if source == "files":
        known |= {file.stem for file in Path(path).expanduser().glob("*/*")} | {"groups"}
    for symbol in symbols:
        if symbol not in known:
            near = get_close_matches(symbol.upper(), known, n=3, cutoff=0.5)
            raise SettingsError(
                f"--symbol {symbol}: there is none of that name"
                + (f"; did you mean {' or '.join(near)}?" if near else "; ids are those of assets/config/universe.yaml")
            )


def home_folder(source: str, home: str) -> Path:
    """The folder of a source: what was asked for, else data/<source> in the project."""
    return Path(home).expanduser().resolve() if home else ROOT / "data" / source


def _elsewhere() -> SharedWarehouse | None:
    """The warehouse that CASCADE_WAREHOUSE names; None where it is the home's own file.

    Raises SettingsError for an address of another kind.
    """
    address, data = os.environ.get("CASCADE_WAREHOUSE", ""), os.environ.get("CASCADE_WAREHOUSE_DATA", "")
    if not address:
        return None
    from assets.warehouse.ducklake import ADDRESS, DuckLake

    if not address.startswith(ADDRESS):
        raise SettingsError(
            f"CASCADE_WAREHOUSE is no address of a lake; write it as {ADDRESS}dbname=... host=..., or leave it out for "
            "a file in the home"
        )
    return DuckLake(address, data if not data or "://" in data else str(Path(data).expanduser().resolve()))


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


def _built_source(name: str, path: str, home: Home, universe: Universe) -> tuple[Source, Universe]:
    """The source, and the universe as it knows it.

    Raises SettingsError for an unknown source or a folder that is not given, SourceError for one that does not fit.
    """
    if name == "demo":
        import pandas as pd

        from assets.config import calendars
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
