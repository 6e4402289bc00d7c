"""The live source through whole runs, against the stand-in for Yahoo and FRED: what a user gets on good and bad days.

The whole universe is requested, with as much history as a year's high needs. Nothing waits: the stand-in has no crawl
delay, and a permanent error is not requested twice.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from folders import CascadeHome, Ended
from standin import Fault, StandinMarket, VendorStandin, forget_vendors

from assets.config.calendars import EQUITY_CALENDAR
from assets.config.universe import Universe, load_universe

SESSIONS = 280


@pytest.fixture(scope="module")
def universe() -> Universe:
    return load_universe()


@pytest.fixture
def sessions(calendar_sessions: pd.DataFrame) -> list[date]:
    """New York's last sessions, all of them over."""
    is_over = (calendar_sessions["calendar"] == EQUITY_CALENDAR) & (calendar_sessions["closes_at"] < datetime.now(UTC))
    return list(calendar_sessions.loc[is_over, "session_date"].dt.date)[-SESSIONS:]


@pytest.fixture
def standin(universe: Universe, sessions: list[date]) -> Iterator[VendorStandin]:
    """Vendors whose last coin day is yesterday, the last that is over."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    with VendorStandin(StandinMarket.for_universe(universe, sessions=sessions, end=yesterday)) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> CascadeHome:
    return CascadeHome(tmp_path / "home")


def run_here(home: CascadeHome, standin: VendorStandin, monkeypatch: pytest.MonkeyPatch) -> Ended:
    """`cascade run --source live` in this process, which is several times faster than in one of its own."""
    forget_vendors()
    for name, value in {**standin.environment, "CASCADE_FRED_DELAY_SECONDS": "0"}.items():
        monkeypatch.setenv(name, value)
    return home.invoke("run", "--source", "live")


def bars_per_instrument(home: CascadeHome) -> dict[str, int]:
    return dict(home.ask("select instrument_id, count(*) from core.bars where is_final group by all order by all"))


@pytest.mark.slow
def test_a_good_day_from_the_shell(
    universe: Universe, sessions: list[date], standin: VendorStandin, home: CascadeHome
) -> None:
    done = subprocess.run(
        home.command("run", "--source", "live"),
        env={**os.environ, **standin.environment, "CASCADE_FRED_DELAY_SECONDS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Published as of " in done.stdout
    # Every bar that the vendors sell of days that are over has arrived, and no other.
    sold = {
        instrument.id: len(standin.market.symbols[instrument.yahoo_spans[-1].symbol].bars)
        for instrument in universe.instruments
        if instrument.yahoo_spans
    }
    assert bars_per_instrument(home) == sold
    close = standin.market.symbols["^RUT"].bars["close"]
    assert home.ask("select close from core.bars where instrument_id = 'RUT' order by session_date") == [
        (price,) for price in close
    ]
    # The dividends of the funds make their total return; indices and coins have none.
    paid = {name for (name,) in home.ask("select distinct instrument_id from core.actions where kind = 'dividend'")}
    assert paid == {i.id for i in universe.instruments if i.kind == "fund"}
    observed = dict(home.ask("select series_id, count(*) from raw.macro_observations group by all"))
    assert observed == {s.id: len(standin.market.series[s.fred_id]) for s in universe.series if s.fred_id}
    assert home.ask("select count(*) from meta.deliveries where failure is not null") == [(0,)]
    assert home.ask("select count(*) from meta.quarantine") == [(0,)]
    assert home.ask("select count(*) from meta.freshness where status <> 'fresh'") == [(0,)]
    assert home.ask("select status, source from meta.runs") == [("published", "live")]
    assert home.ask("select count(distinct pair_id) from marts.relative_strength") == [(len(universe.pairs),)]
    for table in ("marts.breakouts", "marts.rotation_responses", "marts.rotation_summary"):
        assert home.ask(f"select count(*) > 0 from {table}") == [(True,)]

    # A past day is rebuilt from stored data: no vendor is asked, and stored data is unchanged.
    asked, stored = len(standin.requests), home.stored()
    day = sessions[-5]
    past = home.invoke("run", "--source", "live", "--as-of", str(day))
    assert (past.code, past.err) == (0, "")
    assert len(standin.requests) == asked
    assert home.stored() == stored
    assert home.ask(
        "select max(session_date) from core.bars where instrument_id = 'RUT'",
        path=home.path / f"cascade-asof-{day}.duckdb",
    ) == [(day,)]


@pytest.mark.slow
def test_the_commands_of_the_readme_that_ask_vendors(
    standin: VendorStandin, home: CascadeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"`\.venv/bin/cascade (run --source live[^`]*)`", text)
    assert len(commands) >= 2
    ended = run_here(home, standin, monkeypatch)
    assert (ended.code, ended.err) == (0, "")
    for command in commands:
        asked = len(standin.requests)
        ended = home.invoke(*command.split())
        assert ended.code == 0, (command, ended.err)
        assert len(standin.requests) > asked


@pytest.mark.slow
def test_what_fails_is_named_and_the_rest_is_published(
    universe: Universe, standin: VendorStandin, home: CascadeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.sources.retry.FIRST_DELAY_SECONDS", 0.01)
    standin.faults = {"XBI": Fault("not_found_404"), "DFF": Fault("server_error_500")}

    ended = run_here(home, standin, monkeypatch)

    assert ended.code == 3
    assert ended.err.splitlines() == [
        "cascade: XBI failed: 404: Yahoo does not know XBI",
        "cascade: DFF failed: 500: FRED has a fault of its own",
    ]
    assert "Failed: DFF (500: FRED has a fault of its own), XBI (404: Yahoo does not know XBI)" in ended.out
    assert home.ask("select id, failure from meta.deliveries where failure is not null order by all") == [
        ("DFF", "500: FRED has a fault of its own"),
        ("XBI", "404: Yahoo does not know XBI"),
    ]
    assert home.ask("select status from meta.runs") == [("published_with_failures",)]
    assert set(bars_per_instrument(home)) == {i.id for i in universe.instruments if i.yahoo_spans} - {"XBI"}
    observed = {id_ for (id_,) in home.ask("select distinct series_id from core.macro")}
    assert observed == {s.id for s in universe.series if s.fred_id} - {"DFF"}

    # What was missed comes with the next run, and nothing that came is stored a second time.
    standin.faults = {}
    stored = home.stored()
    ended = run_here(home, standin, monkeypatch)

    assert (ended.code, ended.err) == (0, "")
    assert set(bars_per_instrument(home)) == {i.id for i in universe.instruments if i.yahoo_spans}
    missed = len(standin.market.symbols["XBI"].bars)
    assert home.stored()["raw.equity_bars"] == stored["raw.equity_bars"] + missed
    assert home.stored()["raw.crypto_bars"] == stored["raw.crypto_bars"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"^RUT": Fault("not_found_404")}, "equity_bars: RUT: 404: Yahoo does not know ^RUT"),
        ({"BTC-USD": Fault("empty_window")}, "crypto_bars: BTC: "),
        (
            {"fred.stlouisfed.org": Fault("not_found_404")},
            "macro_observations: the source delivered nothing usable of the class macro",
        ),
    ],
)
def test_what_cannot_be_done_without_publishes_nothing(
    faults: dict[str, Fault],
    reason: str,
    standin: VendorStandin,
    home: CascadeHome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standin.faults = faults

    ended = run_here(home, standin, monkeypatch)

    assert (ended.code, ended.out) == (1, "")
    assert ended.reason.startswith(f"cascade: not published: {reason}")
    assert "Traceback" not in ended.err
    assert not home.published.exists()
    # What did arrive is stored, for the next run that publishes.
    assert home.stored()["raw.crypto_bars" if "^RUT" in faults else "raw.equity_bars"] > 0
    assert home.ask_warehouse("select status from meta.runs") == [("not_published",)]


@pytest.mark.slow
def test_without_a_network_nothing_is_published_and_the_reason_is_one_line(
    home: CascadeHome, standin: VendorStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.sources.retry.FIRST_DELAY_SECONDS", 0.01)
    dead = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9")
    standin.environment = {**standin.environment, **dead}

    ended = run_here(home, standin, monkeypatch)

    assert (ended.code, ended.out) == (1, "")
    assert "no connection: Yahoo cannot be reached" in ended.reason
    assert not home.published.exists()
