"""A small market in a folder, laid out as the files source wants it, and a home that the pipeline runs into.

Here: the healthy market, eighteen months and the same numbers every time, the few ways to spoil a file of it, and the
ways to run Cascade and to look at what it left. Prices are seeded random walks of no market; sessions are those of New
York. What the project makes of the folder is for the tests.

    folder = market_folder(tmp_path / "market")
    folder.edit("equity/IWM", "2025-03-14", close="-1")
    home = CascadeHome(tmp_path / "home")
    assert home.run(folder).code == 0
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pytest

from assets import steps
from pipelines import dagster_home
from pipelines.cli.main import main

ROOT = Path(__file__).parents[2]
PROGRAM = str(Path(sys.executable).with_name("cascade"))

FIRST_DAY, LAST_DAY = date(2024, 5, 1), date(2025, 12, 12)
# When New York was closed in between, the day of mourning for Jimmy Carter among them.
HOLIDAYS = [
    date.fromisoformat(day)
    for day in (
        "2024-05-27", "2024-06-19", "2024-07-04", "2024-09-02", "2024-11-28", "2024-12-25", "2025-01-01", "2025-01-09",
        "2025-01-20", "2025-02-17", "2025-04-18", "2025-05-26", "2025-06-19", "2025-07-04", "2025-09-01", "2025-11-27",
    )
]  # fmt: skip
EVERY_DAY = [FIRST_DAY + timedelta(days=number) for number in range((LAST_DAY - FIRST_DAY).days + 1)]
SESSIONS = [day for day in EVERY_DAY if day.weekday() < 5 and day not in HOLIDAYS]

INDICES = ("RUT", "SPX")
# The last three are in no universe: members of a group of shares.
EQUITIES = (*INDICES, "IWM", "SPY", "QQQ", "ALFA", "BRAVO", "COCO")
COINS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE")
SERIES = ("DGS10", "WALCL")

BAR_HEADER = "date,open,high,low,close,adj_close,volume"


@dataclass(frozen=True)
class MarketFolder:
    """The folder of one test. Files are named without their ending: "equity/RUT"."""

    path: Path

    def file(self, name: str) -> Path:
        """Where a file lies."""
        return self.path / f"{name}.csv"

    def text(self, name: str) -> str:
        """What a file holds."""
        return self.file(name).read_text(encoding="utf-8")

    def write(self, name: str, content: str | bytes) -> None:
        """Put content in a file's place, byte for byte."""
        data = content.encode() if isinstance(content, str) else content
        self.file(name).write_bytes(data)

    def add(self, name: str, *lines: str) -> None:
        """Lines at the end of a file."""
        self.write(name, self.text(name) + "".join(f"{line}\n" for line in lines))

    def line(self, name: str, day: str) -> str:
        """The line of a day."""
        return next(line for line in self.text(name).splitlines() if line.startswith(day))

    def edit(self, name: str, day: str, **values: str) -> None:
        """Other values in the line of a day, word for word."""

        def edited(row: dict[str, str]) -> dict[str, str]:
            return {**row, **values} if row["date"] == day else row

        self.rewrite(name, edited)

    def rewrite(self, name: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Every row through `change`; the columns are those of the first row that comes out of it."""
        rows = [change(row) for row in csv.DictReader(io.StringIO(self.text(name)))]
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        self.write(name, "".join(f"{line}\n" for line in lines))


def checkout(folder: Path) -> Path:
    """A copy of the project in a new folder, to change its files. `PYTHONPATH` makes Python import from it."""
    for name in ("assets", "pipelines", "sql"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def market_folder(path: Path) -> MarketFolder:
    """A fresh copy of the market in a new folder."""
    for name, text in _market().items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return MarketFolder(path)


@cache
def healthy_home(base: Path) -> CascadeHome:
    """A home after one run on the healthy market, made once per process below `base`. Tests copy it or only read."""
    home = CascadeHome(base / "healthy-home")
    ended = home.run(market_folder(base / "healthy-market"))
    assert (ended.code, ended.err) == (0, "")
    assert home.ask("select count(*) from meta.quarantine") == [(0,)]
    return home


@cache
def _market() -> dict[str, str]:
    files = {f"equity/{symbol}.csv": _bars(symbol, SESSIONS) for symbol in EQUITIES}
    files |= {f"crypto/{coin}.csv": _bars(coin, EVERY_DAY) for coin in COINS}
    files |= {f"crypto_mcap/{coin}.csv": _values(coin, EVERY_DAY, "market_cap", 1e9) for coin in COINS[:2]}
    files["macro/DGS10.csv"] = _values("DGS10", SESSIONS, "value", 4.0)
    files["macro/WALCL.csv"] = _values("WALCL", [day for day in EVERY_DAY if day.weekday() == 2], "value", 7e6)
    members = "".join(f"small_three,{symbol},{FIRST_DAY},\n" for symbol in ("ALFA", "BRAVO", "COCO"))
    files["groups.csv"] = f"group,symbol,valid_from,valid_to\n{members}"
    return files


def _walk(name: str, days: list[date], step: float) -> tuple[np.random.Generator, np.ndarray]:
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    return chance, np.exp(np.cumsum(chance.normal(0.0006, step, len(days))))


def _bars(symbol: str, days: list[date]) -> str:
    chance, path = _walk(symbol, days, 0.03 if symbol in COINS else 0.01)
    close = 100 * path
    opening = close * np.exp(chance.normal(0, 0.003, len(days)))
    high, low = np.maximum(opening, close) * 1.004, np.minimum(opening, close) * 0.996
    volume = chance.integers(1_000_000, 9_000_000, len(days))
    lines = [
        f"{day},{opening[n]:.4f},{high[n]:.4f},{low[n]:.4f},{close[n]:.4f},{close[n]:.4f},{volume[n]}"
        for n, day in enumerate(days)
    ]
    return "\n".join([BAR_HEADER, *lines, ""])


def _values(name: str, days: list[date], column: str, start: float) -> str:
    _, path = _walk(f"{column} of {name}", days, 0.005)
    return "\n".join([f"date,{column}", *(f"{day},{start * path[n]:.2f}" for n, day in enumerate(days)), ""])


@dataclass(frozen=True)
class Ended:
    """How a command ended. `reason` is the last line that it said to standard error."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        return self.err.splitlines()[-1] if self.err else ""


def differences(one: Path, other: Path, *, may_add: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Where two published files disagree in core, the marts or the freshness: some rows of each such table.

    `may_add`: the other file may have rows of its own.
    """
    with duckdb.connect() as reader:
        for alias, path in (("one", one), ("other", other)):
            reader.execute(f"attach '{path}' as {alias} (read_only)")
        listed = reader.execute(
            "select distinct schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name in ('core', 'marts') or table_name = 'freshness' order by all"
        ).fetchall()
        found = {}
        for (name,) in listed:
            rows = f"from one.{name} except all from other.{name}"
            if not may_add:
                rows = f"({rows}) union all (from other.{name} except all from one.{name})"
            found[name] = reader.execute(f"{rows} limit 4").fetchall()
    return {name: rows for name, rows in found.items() if rows}


@dataclass(frozen=True)
class CascadeHome:
    """A folder that runs write to, and what readers find in it."""

    path: Path

    @property
    def published(self) -> Path:
        return self.path / "cascade.duckdb"

    @property
    def warehouse(self) -> Path:
        return self.path / "warehouse.duckdb"

    def copy(self, path: Path) -> CascadeHome:
        """A home with the same past."""
        shutil.copytree(self.path, path)
        return CascadeHome(path)

    def run(self, folder: MarketFolder, *arguments: str) -> Ended:
        """`cascade run --source files`, in this process."""
        return self.invoke("run", "--source", "files", "--path", str(folder.path), *arguments)

    def invoke(self, *arguments: str) -> Ended:
        """The command line in this process, with a Dagster instance in memory and without exports: seconds faster.

        Whatever the command does not catch is raised.
        """
        # Real files, as the command may ask for their descriptors.
        with (
            pytest.MonkeyPatch.context() as patch,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            patch.setattr(dagster_home, "_opened", lambda _: dg.DagsterInstance.ephemeral())
            patch.setitem(steps._OTHER_STEPS, "exports", lambda _: iter(()))
            with pytest.raises(SystemExit) as ended:
                main([*arguments, "--home", str(self.path)])
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read())
        return Ended(int(ended.value.code or 0), *said)

    def command(self, *arguments: str) -> list[str]:
        """The command line as a user types it, for a process of its own."""
        return [PROGRAM, *arguments, "--home", str(self.path)]

    def call(self, *arguments: str) -> Ended:
        """The command line in a process of its own."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def history(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's instance of the home, as every command opens it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", str(self.path / "dagster"))
            with dg.DagsterInstance.get() as instance:
                yield instance

    def ask(self, sql: str, *values: object, path: Path | None = None) -> list[tuple[Any, ...]]:
        """What a reader of the published file (or of another one) gets."""
        with duckdb.connect(str(path or self.published), read_only=True) as reader:
            reader.execute("set timezone = 'UTC'")
            return reader.execute(sql, list(values)).fetchall()

    def ask_warehouse(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the writer's database holds."""
        return self.ask(sql, *values, path=self.warehouse)

    def stored(self) -> dict[str, int]:
        """How many rows each table holds that nothing is ever removed from."""
        names = self.ask_warehouse("select table_name from duckdb_tables() where schema_name = 'raw' order by all")
        tables = [*(f"raw.{name}" for (name,) in names), "meta.quarantine", "reference.frozen_forecasts"]
        return {name: self.ask_warehouse(f"select count(*) from {name}")[0][0] for name in tables}
