"""Fixtures that several files share: the calendar, the bench for SQL models, a shelf to publish from, one real run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from bench import Bench
from real import run_cascade
from shelf import Shelf, stock

from assets.config import calendars
from assets.models.data_dictionary import build_empty
from assets.warehouse.lock import locked


@pytest.fixture(scope="session")
def calendar_sessions() -> pd.DataFrame:
    """Every session of both calendars to the end of 2027."""
    return calendars.sessions(date(2027, 12, 31))


@pytest.fixture(scope="session")
def shared_bench(calendar_sessions: pd.DataFrame) -> Iterator[Bench]:
    made = Bench(calendar_sessions[calendar_sessions["session_date"] >= "2010-01-01"])
    yield made
    made.connection.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """An empty warehouse with the small universe of `bench.UNIVERSE`."""
    shared_bench.reset()
    return shared_bench


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A path that one of the processes fills, for all of them to read: to make it takes seconds."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, is_made = folder / name, folder / f"{name}.made"
    with locked(folder / f"{name}.lock", 300, lambda _: None):
        if not is_made.exists():
            make(path)
            is_made.touch()
    return path


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with every table, stored and derived, made from no data."""

    def make(path: Path) -> None:
        with duckdb.connect(str(path)) as connection:
            build_empty(connection)

    return made_once(tmp_path_factory, "empty.duckdb", make)


@pytest.fixture(scope="session")
def stocked_warehouse(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with few tables and a few rows in them."""
    path = tmp_path_factory.mktemp("stock") / "warehouse.duckdb"
    stock(empty_warehouse, path)
    return path


@pytest.fixture
def shelf(stocked_warehouse: Path, tmp_path: Path) -> Shelf:
    """A home with a few rows in its tables, of which nothing was published yet."""
    return Shelf(tmp_path / "home", stocked_warehouse)


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one full run on real data in it, without Dagster's history."""

    def make(path: Path) -> None:
        result = run_cascade(path)
        # Many files end before the others, so the run says 3: published, with stale symbols.
        assert result.returncode == 3, result.stderr
        assert "not published" not in result.stderr

    made = made_once(tmp_path_factory, "real", make)
    folder = tmp_path_factory.mktemp("real") / "home"
    # Runs of the tests go into it, and the history is still being written.
    shutil.copytree(made, folder, symlinks=True, ignore=shutil.ignore_patterns("dagster"))
    return folder


@pytest.fixture
def real_published(real_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file of that run as a reader opens it."""
    with duckdb.connect(str(real_home / "cascade.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection
