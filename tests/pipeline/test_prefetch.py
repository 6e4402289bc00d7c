"""Fetching asset classes ahead: what overlaps, what does not, and how it ends."""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event

import duckdb
import pandas as pd
import pytest
from bench import UNIVERSE, Row, usual_parameters
from desk import Desk, Script

from assets.ingest.prefetch import Prefetch
from assets.ingest.reference import write_universe
from assets.sources.base import ASSET_CLASSES, AssetClass, FetchRequest, FetchResult, Source, SourceError
from assets.steps import StepRunner
from assets.warehouse.connection import replace_rows, writing
from assets.warehouse.home import Home, WarehouseError
from assets.warehouse.lock import locked
from assets.warehouse.results import CheckGroup
from assets.warehouse.run import Run
from assets.warehouse.run_log import open_run

PATIENCE_SECONDS = 60.0


def bars(*closes: float) -> pd.DataFrame:
    days = pd.date_range("2024-03-04", periods=len(closes))
    return pd.DataFrame({"session_date": days.astype("datetime64[us]"), "close": closes})


@dataclass
class Watched(Script):
    """A script that notes when a class is begun and ended, and lets a test wait for it."""

    began: dict[AssetClass, Event] = field(default_factory=lambda: {name: Event() for name in ASSET_CLASSES})
    ended: dict[AssetClass, Event] = field(default_factory=lambda: {name: Event() for name in ASSET_CLASSES})
    overlapped: bool = False
    broken: AssetClass | None = None
    endless: AssetClass | None = None

    def fetch(self, question: FetchRequest) -> Iterator[FetchResult]:
        is_first = all(self.ended[name].is_set() for name in ASSET_CLASSES if self.began[name].is_set())
        self.overlapped |= not is_first
        self.began[question.asset_class].set()
        if question.asset_class == self.broken:
            raise SourceError("nothing to read")
        yield from super().fetch(question)
        if question.asset_class == self.endless:
            yield from (FetchResult(f"C{number}", "endless") for number in itertools.count())
        self.ended[question.asset_class].set()

    def on_stored(self, asset_class: AssetClass) -> None:
        """Wait until the next class is being fetched; without fetching ahead this would never happen."""
        if asset_class == "equity":
            assert self.began["crypto"].wait(PATIENCE_SECONDS), "crypto is not fetched while equity is stored"


@pytest.fixture
def source() -> Watched:
    return Watched({"equity_bars": {"SPY": bars(1, 2, 3)}, "crypto_bars": {"BTC": bars(4, 5)}})


@pytest.fixture
def desk(calendar_sessions: pd.DataFrame, source: Watched) -> Desk:
    return Desk(UNIVERSE, calendar_sessions[calendar_sessions["session_date"] >= "2023-01-01"], lambda _: source)


def stored(desk: Desk) -> list[Row]:
    return desk.rows(
        "select instrument_id, count(*) from (select instrument_id from raw.equity_bars "
        "union all select instrument_id from raw.crypto_bars) group by all order by all"
    )


def test_the_next_class_is_fetched_while_one_is_stored_and_never_two_at_once(desk: Desk, source: Watched) -> None:
    ahead = Prefetch(desk.begin("2024-03-11 12:00"), ASSET_CLASSES)
    results = [ahead.ingest(asset_class) for asset_class in ASSET_CLASSES]
    ahead.close()
    assert [result.rows_delivered for result in results] == [{"SPY": 3}, {"BTC": 2}, {}]
    assert stored(desk) == [("BTC", 2), ("SPY", 3)]
    assert not source.overlapped
    # The staging tables of a class disappear with its connection.
    assert desk.rows("select table_name from duckdb_tables() where temporary") == []


def test_a_class_that_fails_does_not_stop_the_others(desk: Desk, source: Watched) -> None:
    source.broken = "crypto"
    ahead = Prefetch(desk.begin("2024-03-11 12:00"), ASSET_CLASSES)
    assert ahead.ingest("equity").rows_delivered == {"SPY": 3}
    with pytest.raises(SourceError, match="nothing to read"):
        ahead.ingest("crypto")
    assert ahead.ingest("macro").rows_delivered == {}
    ahead.close()
    assert stored(desk) == [("SPY", 3)]


def test_closing_stops_a_fetch_under_way(desk: Desk, source: Watched) -> None:
    source.endless = "crypto"
    ahead = Prefetch(desk.begin("2024-03-11 12:00"), ASSET_CLASSES)
    ahead.ingest("equity")
    ahead.close()
    assert not source.ended["crypto"].is_set()
    assert not source.began["macro"].is_set()
    assert stored(desk) == [("SPY", 3)]


@dataclass
class Outsider(Script):
    """A script that notes for each request whether another process could write to the warehouse meanwhile."""

    home: Home = field(kw_only=True)
    was_free: dict[AssetClass, list[bool]] = field(default_factory=lambda: {name: [] for name in ASSET_CLASSES})

    def fetch(self, question: FetchRequest) -> Iterator[FetchResult]:
        yield from super().fetch(question)
        with suppress(WarehouseError), locked(self.home.lock, 5, print):
            is_open = subprocess.run([sys.executable, "-c", OPENING, self.home.warehouse], check=False).returncode == 0
            self.was_free[question.asset_class].append(is_open)


OPENING = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('select 1 from meta.runs')"


def run_classes(home: Home, source: Source, day: str, sessions: pd.DataFrame, *asset_classes: AssetClass) -> list[Row]:
    """Fetch and store classes in one run of a real home. Returns the closes of the fund in the warehouse."""
    with writing(home, None, PATIENCE_SECONDS, print) as (connection, locks):
        started_at = datetime.fromisoformat(f"{day} 22:00+00:00")
        run = Run(day, connection, home, source, UNIVERSE, usual_parameters(), None, started_at, "", locks=locks)
        open_run(run)
        write_universe(run)
        replace_rows(connection, "reference.sessions", sessions)
        with StepRunner(run, models=()) as runner:
            for asset_class in asset_classes:
                for event in runner.events(asset_class):
                    assert not isinstance(event, CheckGroup) or event.broken is None
        return connection.execute(
            "select session_date, round(close, 2) from raw.equity_bars "
            "qualify version = max(version) over (partition by session_date) order by all"
        ).fetchall()


def test_the_warehouse_is_free_while_a_vendor_answers_also_about_a_split(
    tmp_path: Path, calendar_sessions: pd.DataFrame
) -> None:
    home = Home(tmp_path)
    sessions = calendar_sessions[calendar_sessions["session_date"] >= "2023-01-01"]
    before = [100.0 + number for number in range(60)]
    days = pd.DatetimeIndex(
        sessions.loc[sessions["calendar"] == "XNYS", "session_date"].iloc[: len(before) + 1]
    ).astype("datetime64[us]")
    source = Outsider({"equity_bars": {"SPY": pd.DataFrame({"session_date": days[:-1], "close": before})}}, home=home)
    run_classes(home, source, str(days[-2].date()), sessions, "equity", "crypto")
    assert source.was_free == {"equity": [True], "crypto": [True], "macro": []}

    after = [round(close / 4, 2) for close in [*before, 160.0]]
    source.answers = {"equity_bars": {"SPY": pd.DataFrame({"session_date": days, "close": after})}}
    stored = run_classes(home, source, str(days[-1].date()), sessions, "equity")
    # The recent sessions, and then the whole history on the new scale.
    assert source.was_free["equity"] == [True, True, True]
    assert [request.since for request in source.questions[-2:]] != [{}, {}]
    assert source.questions[-1].only == frozenset({"SPY"})
    assert [close for _, close in stored] == after


def test_a_full_disk_is_named_and_the_warehouse_can_be_used_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with writing(home, None, PATIENCE_SECONDS, print) as (connection, locks):
        connection.execute("create table raw.large as select random() as number from range(2_000_000)")
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, usual[1]))
        try:
            with pytest.raises(duckdb.Error, match="File too large"), locks.waiting():
                pytest.fail("the rows were not written")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        with locks.storing():
            connection.execute("select count(*) from meta.runs")
