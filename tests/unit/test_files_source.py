"""Of a folder, only what is new is read: files that are as they were, files that grew, files that are others now."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest
from desk import Desk
from folders import LAST_DAY, SESSIONS, CascadeHome, MarketFolder, healthy_home, market_folder

from assets.config.universe import Instrument, Targets, Universe
from assets.ingest.stage import _with_progress
from assets.sources.base import FetchRequest, FetchResult
from assets.sources.files import FilesSource


@pytest.fixture
def folder(tmp_path: Path) -> MarketFolder:
    return market_folder(tmp_path / "market")


def fetch(folder: MarketFolder, seen: dict[str, str] | None = None) -> dict[str, FetchResult]:
    return {d.origin: d for d in FilesSource(folder.path).fetch(FetchRequest("equity", seen=seen or {}))}


def states(folder: MarketFolder) -> dict[str, str]:
    return {origin: d.state for origin, d in fetch(folder).items() if d.state is not None}


IWM = "equity/IWM.csv"
NEW_LINES = ("2025-12-15,100,101,99,100,100,1000", "2025-12-16,100,101,99,100,100,1000")


def test_a_file_that_is_as_it_was_sends_nothing(folder: MarketFolder) -> None:
    again = fetch(folder, states(folder))[IWM]
    assert (again.is_continuation, again.failure, [len(f) for f in again.tables.values()]) == (True, None, [0])


def test_a_file_that_grew_sends_its_new_lines(folder: MarketFolder) -> None:
    seen = states(folder)
    folder.add("equity/IWM", *NEW_LINES)
    grown = fetch(folder, seen)[IWM]
    frame = grown.tables["equity_bars"]
    assert (grown.is_continuation, str(grown.since), grown.failure) == (True, "2025-12-15", None)
    assert [str(day.date()) for day in frame["session_date"]] == ["2025-12-15", "2025-12-16"]
    # The next read continues from the file as it is now.
    assert fetch(folder, {IWM: str(grown.state)})[IWM].is_continuation


def test_a_bad_new_line_is_rejected_as_in_a_whole_file(folder: MarketFolder) -> None:
    seen = states(folder)
    folder.add("equity/IWM", NEW_LINES[0], "someday,1,1,1,1,1,1")
    grown = fetch(folder, seen)[IWM]
    assert [r.reason for r in grown.unparsed] == ["the date cannot be read"]
    assert len(grown.tables["equity_bars"]) == 1


@pytest.mark.parametrize("change", ["a value of the past", "a header", "no line end before", "shorter"])
def test_a_file_that_is_another_one_is_read_whole(folder: MarketFolder, change: str) -> None:
    if change == "no line end before":
        folder.write("equity/IWM", folder.text("equity/IWM").rstrip("\n"))
    seen = states(folder)
    if change == "a value of the past":
        folder.edit("equity/IWM", str(SESSIONS[3]), volume="1")
    elif change == "a header":
        folder.write("equity/IWM", folder.text("equity/IWM").replace("adj_close", "adjusted", 1))
    elif change == "no line end before":
        folder.write("equity/IWM", folder.text("equity/IWM") + "\n" + NEW_LINES[0] + "\n")
    else:
        folder.write("equity/IWM", "".join(folder.text("equity/IWM").splitlines(keepends=True)[:-1]))
    delivery = fetch(folder, seen)[IWM]
    assert (delivery.is_continuation, delivery.since) == (False, None)
    assert len(delivery.tables["equity_bars"]) >= len(SESSIONS) - 1


def test_a_manifest_that_changes_how_closes_are_taken_has_the_file_read_anew(folder: MarketFolder) -> None:
    seen = states(folder)
    (folder.path / "MANIFEST.csv").write_text(
        "kind,symbol,price_basis\nequity,IWM,OHLC and adj_close dividend-adjusted\n", encoding="utf-8"
    )
    delivery = fetch(folder, seen)[IWM]
    assert not delivery.is_continuation
    assert "close" not in delivery.tables["equity_bars"]


@pytest.fixture
def desk(folder: MarketFolder, calendar_sessions: pd.DataFrame) -> Desk:
    fund = Instrument(id="IWM", name="Fund", asset_class="equity", kind="fund", role="small_cap")
    universe = Universe(
        instruments=(fund,), pairs=(), signals=(), targets=Targets(instruments=(), horizons_days=(7,)), series=()
    )
    return Desk(universe, calendar_sessions, lambda _: FilesSource(folder.path))


@pytest.mark.parametrize("has_grown", [False, True])
def test_a_symbol_in_two_files_gets_one_new_version(folder: MarketFolder, desk: Desk, has_grown: bool) -> None:
    """Also where one of them is read from its new line on only, and the other whole."""
    desk.refresh("2025-12-20 00:00", classes=("equity",))
    csv, before = folder.file("equity/IWM"), folder.text("equity/IWM")
    folder.edit("equity/IWM", str(SESSIONS[3]), volume="1")
    duckdb.read_csv(str(csv)).write_parquet(str(csv.with_suffix(".parquet")))
    if has_grown:
        folder.write("equity/IWM", before)
        folder.add("equity/IWM", NEW_LINES[0])
    refreshed = desk.refresh("2025-12-21 00:00", classes=("equity",)).classes["equity"]
    assert (refreshed.rows_new["raw.equity_bars"], refreshed.rows_restated["raw.equity_bars"]) == (int(has_grown), 1)
    versions = "select session_date, version from raw.equity_bars where instrument_id = 'IWM' and session_date = ?"
    assert sorted(desk.rows(versions, SESSIONS[3])) == [(str(SESSIONS[3]), 1), (str(SESSIONS[3]), 2)]


def test_a_folder_of_closes_alone_is_enough(folder: MarketFolder, desk: Desk) -> None:
    for path in (folder.path / "equity").glob("*.csv"):
        pd.read_csv(path, usecols=["date", "close"]).to_csv(path, index=False)
    refreshed = desk.refresh("2025-12-20 00:00", classes=("equity",))
    assert (
        refreshed.failures["IWM"] == "equity/IWM.csv: no column open, high, low, adj_close, volume, so it stays unknown"
    )
    counted = "select count(close), count(open) from raw.equity_bars where instrument_id = 'IWM'"
    assert desk.rows(counted) == [(len(SESSIONS), 0)]


def test_a_new_line_is_measured_against_the_last_one_that_is_stored(folder: MarketFolder, desk: Desk) -> None:
    """Nothing that is stored comes again with it, so that there is nothing else to tell a wrong unit by."""
    desk.refresh("2025-12-20 00:00", classes=("equity",))
    close = 100 * float(folder.line("equity/IWM", str(LAST_DAY)).split(",")[4])
    folder.add("equity/IWM", f"2025-12-15,{close},{close},{close},{close},{close},1000")
    refreshed = desk.refresh("2025-12-20 00:00", classes=("equity",))
    assert refreshed.rejections["IWM"] == {
        "the price is 100 times that of the bars around it: another unit, or another instrument"
    }
    assert refreshed.classes["equity"].rows_delivered == {"IWM": 1, "groups": 3}


@pytest.mark.slow
def test_a_refresh_of_a_grown_folder_is_a_run_on_the_whole_of_it(
    folder: MarketFolder, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = healthy_home(tmp_path_factory.getbasetemp()).copy(tmp_path / "home")
    before = home.stored()
    folder.add("equity/IWM", NEW_LINES[0])
    # The day is three days later than the last one of all coins, so they are stale now.
    assert home.run(folder).code == 3
    assert home.stored() == before | {"raw.equity_bars": before["raw.equity_bars"] + 1}
    deliveries = dict(home.ask("select id, rows_delivered from meta.deliveries where asset_class = 'equity'"))
    assert (deliveries["IWM"], deliveries["SPY"]) == (1, len(SESSIONS))
    # A fresh home sees the same market, but for the day on which it was seen.
    fresh = CascadeHome(tmp_path / "fresh")
    assert fresh.run(folder).code == 3
    query = "select * exclude (captured_at) from core.bars order by instrument_id, session_date"
    assert home.ask(query) == fresh.ask(query)
    assert home.ask("select max(session_date) > ? from core.bars", LAST_DAY) == [(True,)]


def test_how_long_the_rest_takes_is_said_while_it_is_read(
    folder: MarketFolder, caplog: pytest.LogCaptureFixture
) -> None:
    files = sorted((folder.path / "equity").glob("*.csv"))
    assert {d.total for origin, d in fetch(folder).items() if origin.startswith("equity/")} == {len(files)}
    with caplog.at_level("INFO", "cascade"):
        list(_with_progress((FetchResult(path.stem, "", total=len(files)) for path in files), "equity"))
    assert caplog.messages[0].startswith(f"equity: 1 of {len(files)}, about 0:00:")
    assert (
        caplog.messages[-1] == f"equity: {len(files)} of {len(files)}, about 0:00:00 left, delivered {files[-1].stem}"
    )
