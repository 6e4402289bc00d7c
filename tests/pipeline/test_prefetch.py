"""Classes that are fetched ahead: what overlaps, what does not, and how it ends."""

from __future__ import annotations

import fcntl
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event, Thread

import duckdb
import pandas as pd
import pytest
from bench import UNIVERSE, Row
from desk import Desk, Script

from assets.contracts import expectations
from assets.contracts.expectations import validate
from assets.contracts.raw import RAW_TABLE
from assets.ingest.prefetch import Prefetch
from assets.sources.base import ASSET_CLASSES, AssetClass, FetchRequest, FetchResult, SourceError

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

    def stored(self, asset_class: AssetClass) -> None:
        """Wait for the next class to be fetched. A run that stored before fetching would wait for ever."""
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
    # What belongs to a class is gone with its connection.
    assert desk.rows("select table_name from duckdb_tables() where temporary") == []


def test_a_class_that_cannot_be_had_keeps_no_other_away(desk: Desk, source: Watched) -> None:
    source.broken = "crypto"
    ahead = Prefetch(desk.begin("2024-03-11 12:00"), ASSET_CLASSES)
    assert ahead.ingest("equity").rows_delivered == {"SPY": 3}
    with pytest.raises(SourceError, match="nothing to read"):
        ahead.ingest("crypto")
    assert ahead.ingest("macro").rows_delivered == {}
    ahead.close()
    assert stored(desk) == [("SPY", 3)]


def test_what_nobody_wants_any_more_is_not_fetched_to_its_end(desk: Desk, source: Watched) -> None:
    source.endless = "crypto"
    ahead = Prefetch(desk.begin("2024-03-11 12:00"), ASSET_CLASSES)
    ahead.ingest("equity")
    ahead.close()
    assert not source.ended["crypto"].is_set()
    assert not source.began["macro"].is_set()
    assert stored(desk) == [("SPY", 3)]


def test_a_verdict_that_nobody_waited_for_is_given_on_no_other_table() -> None:
    with duckdb.connect() as connection:
        bad = connection.sql("select 'SPY' as instrument_id, date '2024-03-04' as session_date, -1.0::double as close")
        validate(
            bad.project(
                "*, null::double as open, null::double as high, null::double as low, 2.0 as adj_close, "
                "0.0::double as volume"
            ),
            RAW_TABLE["equity_bars"],
        )
        good = connection.sql("select 'RATE' as series_id, date '2024-03-04' as observation_date, 1.0::double as value")
        outcomes = validate(good, RAW_TABLE["macro_observations"])()
    assert {outcome.table_name for outcome in outcomes} == {"raw.macro_observations"}
    assert [outcome.rows_failed for outcome in outcomes] == [0] * len(outcomes)


def test_more_verdicts_than_a_pipe_holds_are_waited_for_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectations, "CHUNK_ROWS", 1)
    # The least that there is.
    verdicts = expectations._worker().stdout
    assert verdicts
    fcntl.fcntl(verdicts, fcntl.F_SETPIPE_SZ, 4096)
    checked: set[int] = set()

    def ask() -> None:
        with duckdb.connect() as connection:
            rows = connection.sql(
                "select 'RATE' as series_id, date '2024-03-04' + range::int as observation_date, 1.0::double as value "
                "from range(150)"
            )
            checked.update(outcome.rows_checked for outcome in validate(rows, RAW_TABLE["macro_observations"])())

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    assert checked == {150}
