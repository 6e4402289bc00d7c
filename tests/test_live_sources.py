"""The live source against the stand-in: real yfinance and requests, real TLS, no network and no waiting.

For every fault that a vendor was seen to have, a test says what is delivered: rows, rejected rows, or a reason.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from standin import (
    CHART_HOSTS,
    FRED_HOST,
    Fault,
    FaultKind,
    StandinMarket,
    StandinSymbol,
    VendorStandin,
    forget_vendors,
    weekdays,
)

from assets.contracts import RAW_TABLES
from assets.sources.base import Delivery, SourceError
from assets.sources.fred import Fred
from assets.sources.live import LiveSource
from assets.sources.retry import Patience, VendorFault
from assets.sources.yahoo import Yahoo
from assets.universe import Instrument, Series, SymbolSpan, Universe, load_universe

THANKSGIVING = date(2025, 11, 27)
SESSIONS = weekdays(date(2025, 9, 15), date(2025, 12, 12), holidays=[THANKSGIVING])
END = date(2025, 12, 14)
DIVIDEND_DAY, SPLIT_DAY = date(2025, 10, 1), date(2025, 11, 3)

IWM = Instrument(id="IWM", name="Fund", asset_class="equity", kind="fund", role="small_cap", yahoo="IWM")
BTC = Instrument(id="BTC", name="Coin", asset_class="crypto", kind="coin", role="crypto_major", yahoo="BTC-USD")
RATE = Series(id="RATE", name="Rate", unit="percent", frequency="daily", release="same day 16:16", stale_after_days=5)


def market() -> StandinMarket:
    small = StandinMarket.small(["IWM", "SPY", "BTC-USD", "OLD-USD", "NEW-USD"], ["RATE"], sessions=SESSIONS, end=END)
    small.symbols["IWM"] = StandinSymbol(
        small.symbols["IWM"].bars, dividends={DIVIDEND_DAY: 0.42}, splits={SPLIT_DAY: (3, 2)}
    )
    small.series["RATE"][3] = (small.series["RATE"][3][0], None)
    return small


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def patience(self, spacing: float = 0.0) -> Patience:
        return Patience(spacing, sleep=self.sleep, clock=lambda: self.now, jitter=lambda: 1.0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[VendorStandin]:
    forget_vendors()
    with VendorStandin(market()) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def yahoo(standin: VendorStandin, tmp_path: Path) -> Yahoo:
    return Yahoo(tmp_path / "yahoo", timeout=5.0)


def bars_of(delivery: Delivery) -> pd.DataFrame:
    (name,) = (name for name in delivery.tables if name.endswith("_bars"))
    return delivery.tables[name].set_index("session_date")


def days_of(frame: pd.DataFrame, column: str = "session_date") -> list[date]:
    return list(frame.reset_index()[column].dt.date)


# Yahoo: what is delivered when all is well


def test_a_whole_history_arrives_in_the_contracts_columns(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = yahoo.fetch(IWM, None, time.patience())

    assert (delivery.id, delivery.origin, delivery.failure, delivery.rejected) == ("IWM", "yahoo:IWM", None, ())
    contracts = {table.name: table for table in RAW_TABLES}
    for name, frame in delivery.tables.items():
        assert tuple(frame.columns) == contracts[name].own_columns
        assert set(frame["instrument_id"]) == {"IWM"}
    bars = delivery.tables["equity_bars"]
    sold = standin.market.symbols["IWM"].bars
    assert days_of(bars) == SESSIONS
    assert bars["session_date"].dtype == "datetime64[ns]"
    pd.testing.assert_frame_equal(
        bars[["open", "high", "low", "close", "volume"]], sold[["open", "high", "low", "close", "volume"]]
    )
    assert bars["adj_close"].isna().all()
    actions = delivery.tables["equity_actions"]
    assert list(zip(days_of(actions, "ex_date"), actions["kind"], actions["value"], strict=True)) == [
        (DIVIDEND_DAY, "dividend", 0.42),
        (SPLIT_DAY, "split", 1.5),
    ]


def test_a_coin_has_a_bar_for_every_utc_day_and_no_actions(yahoo: Yahoo, time: Time) -> None:
    delivery = yahoo.fetch(BTC, None, time.patience())

    assert set(delivery.tables) == {"crypto_bars"}
    assert days_of(bars_of(delivery)) == list(pd.date_range(SESSIONS[0], END).date)


def test_since_limits_what_is_asked_and_what_is_delivered(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    since = DIVIDEND_DAY + timedelta(days=1)

    delivery = yahoo.fetch(IWM, since, time.patience())

    assert days_of(bars_of(delivery)) == [day for day in SESSIONS if day >= since]
    assert days_of(delivery.tables["equity_actions"], "ex_date") == [SPLIT_DAY]
    asked_from = pd.Timestamp(int(standin.asked("IWM")[-1].query["period1"]), unit="s", tz="UTC")
    assert asked_from.tz_convert("America/New_York") == pd.Timestamp("2025-09-25", tz="America/New_York")


def test_days_on_which_nothing_could_trade_yet_are_no_failure(yahoo: Yahoo, time: Time) -> None:
    delivery = yahoo.fetch(IWM, SESSIONS[-1] + timedelta(days=1), time.patience())

    assert delivery.failure is None
    assert bars_of(delivery).empty and delivery.tables["equity_actions"].empty


def test_an_answer_without_any_session_for_over_a_week_is_a_failure(yahoo: Yahoo, time: Time) -> None:
    delivery = yahoo.fetch(IWM, SESSIONS[-1] + timedelta(days=30), time.patience())

    assert delivery.failure == "no sessions: Yahoo knows IWM but sent none of the days asked for"


RENAMED = BTC.model_copy(
    update={
        "yahoo": (
            SymbolSpan(symbol="OLD-USD", valid_to=date(2025, 10, 31)),
            SymbolSpan(symbol="NEW-USD", valid_from=date(2025, 11, 1)),
        )
    }
)


def test_a_renamed_coin_is_put_together_from_its_names(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = yahoo.fetch(RENAMED, None, time.patience())

    bars = bars_of(delivery)
    assert delivery.origin == "yahoo:OLD-USD,NEW-USD"
    assert days_of(bars) == list(pd.date_range(SESSIONS[0], END).date)
    old, new = (standin.market.symbols[name].bars.set_index("date")["close"] for name in ("OLD-USD", "NEW-USD"))
    expected = pd.concat([old[:"2025-10-31"], new["2025-11-01":]])
    np.testing.assert_array_equal(bars["close"], expected)


def test_only_the_names_that_were_valid_then_are_asked_for(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    assert days_of(bars_of(yahoo.fetch(RENAMED, date(2025, 12, 10), time.patience())))[0] == date(2025, 12, 10)
    assert not standin.asked("OLD-USD")


def test_what_came_under_one_name_is_kept_when_the_other_fails(
    yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    standin.faults["OLD-USD"] = Fault("not_found_404")

    delivery = yahoo.fetch(RENAMED, None, time.patience())

    assert delivery.failure == "404: Yahoo does not know OLD-USD"
    assert days_of(bars_of(delivery))[0] == date(2025, 11, 1)


def test_nothing_is_wanted_of_the_dead_after_their_last_day(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    dead = BTC.model_copy(update={"valid_to": date(2025, 10, 1), "valid_to_reason": "wound up"})

    assert days_of(bars_of(yahoo.fetch(dead, None, time.patience())))[-1] == date(2025, 10, 1)
    asked = len(standin.requests)
    delivery = yahoo.fetch(dead, date(2025, 10, 2), time.patience())
    assert (delivery.failure, dict(delivery.tables), len(standin.requests)) == (None, {}, asked)


# Yahoo: answers with something wrong in them are delivered as sent, and judged elsewhere


def fetch_with(kind: FaultKind, yahoo: Yahoo, standin: VendorStandin, time: Time, **details: Any) -> Delivery:
    standin.faults["IWM"] = Fault(kind, **details)
    delivery = yahoo.fetch(IWM, None, time.patience())
    assert delivery.failure is None
    assert time.sleeps == []
    return delivery


def test_sessions_without_prices_are_rejected_word_for_word(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = fetch_with("null_rows", yahoo, standin, time)

    blank = [SESSIONS[-4], SESSIONS[-2]]
    assert days_of(bars_of(delivery)) == [day for day in SESSIONS if day not in blank]
    assert {r.reason for r in delivery.rejected} == {"vendor sent the session without prices"}
    payloads = [json.loads(r.payload) for r in delivery.rejected]
    assert [p["session_date"][:10] for p in payloads] == [day.isoformat() for day in blank]
    assert payloads[0] | {"session_date": ""} == {
        "instrument_id": "IWM", "session_date": "", "open": None, "high": None, "low": None, "close": None,
        "volume": None,
    }  # fmt: skip
    partial = bars_of(delivery).loc[pd.Timestamp(SESSIONS[-6])]
    assert np.isnan(partial["open"]) and partial["close"] > 0


def test_a_last_session_without_prices_is_rejected(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = fetch_with("all_nan_last_row", yahoo, standin, time)

    assert days_of(bars_of(delivery)) == SESSIONS[:-1]
    assert len(delivery.rejected) == 1


def test_both_rows_of_a_session_sent_twice_are_delivered(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    bars = bars_of(fetch_with("duplicate_last_row", yahoo, standin, time))

    assert days_of(bars) == [*SESSIONS, SESSIONS[-1]]
    assert bars["volume"].iloc[-1] == bars["volume"].iloc[-2] + 100


def test_no_volume_is_zero_only_where_yahoo_says_zero(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    assert bars_of(fetch_with("zero_volume", yahoo, standin, time))["volume"].iloc[-1] == 0
    assert np.isnan(bars_of(fetch_with("missing_volume", yahoo, standin, time))["volume"].iloc[-1])


@pytest.mark.parametrize(("kind", "column", "factor"), [("x100", "close", 100), ("negative_price", "low", -1)])
def test_an_absurd_price_is_delivered_as_sent(
    kind: FaultKind, column: str, factor: int, yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    bars = bars_of(fetch_with(kind, yahoo, standin, time))

    sold = standin.market.symbols["IWM"].bars[column]
    assert bars[column].iloc[-2] == sold.iloc[-2] * factor
    assert bars[column].iloc[-1] == sold.iloc[-1]


def test_a_missing_session_is_missing_and_its_dividend_stays_on_its_day(
    yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    delivery = fetch_with("missing_session", yahoo, standin, time, day=DIVIDEND_DAY)

    assert days_of(bars_of(delivery)) == [day for day in SESSIONS if day != DIVIDEND_DAY]
    assert days_of(delivery.tables["equity_actions"], "ex_date") == [DIVIDEND_DAY, SPLIT_DAY]


def test_a_weekend_row_is_delivered_as_sent(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    bars = bars_of(fetch_with("weekend_row", yahoo, standin, time))

    assert days_of(bars) == [*SESSIONS, SESSIONS[-1] + timedelta(days=1)]


# Yahoo: no proper answer


@pytest.mark.parametrize(
    ("kind", "failure", "tries"),
    [
        ("not_found_404", "404: Yahoo does not know IWM", 1),
        ("invalid_crumb_401", "401: Yahoo refuses to answer for IWM (Invalid Crumb)", 4),
        ("too_many_429", "429: Yahoo refuses because of too many requests", 4),
        ("server_error_500", "500: Yahoo has a fault of its own", 4),
        ("reset", "connection lost: Yahoo broke off while answering for IWM", 4),
        ("truncated_json", "not JSON: Yahoo's answer for IWM cannot be read", 4),
        ("html", "not JSON: Yahoo's answer for IWM cannot be read", 4),
        ("odd_shape", "not a chart: Yahoo's answer for IWM has another shape ('exchangeTimezoneName')", 4),
        ("empty_window", "no sessions: Yahoo knows IWM but sent none of the days asked for", 1),
        ("wrong_symbol", "wrong symbol: Yahoo's answer for IWM says IWM2 instead of IWM", 1),
        ("wrong_currency", "wrong currency: Yahoo's answer for IWM says GBp instead of USD", 1),
    ],
)
def test_a_fault_that_stays_is_named_and_retried_if_it_may_pass(
    kind: FaultKind, failure: str, tries: int, yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    standin.faults["IWM"] = Fault(kind)

    delivery = yahoo.fetch(IWM, None, time.patience())

    assert (delivery.failure, dict(delivery.tables)) == (failure, {})
    assert time.sleeps == [2.0, 4.0, 8.0][: tries - 1]


def test_no_answer_is_not_waited_for_longer_than_allowed(standin: VendorStandin, tmp_path: Path, time: Time) -> None:
    standin.faults["IWM"] = Fault("timeout")
    started = perf_counter()

    delivery = Yahoo(tmp_path, timeout=0.7).fetch(IWM, None, time.patience())

    assert delivery.failure == "timeout: Yahoo did not answer for IWM"
    assert len(time.sleeps) == 3
    # yfinance's own limit for the first of its questions is ten seconds.
    assert perf_counter() - started < 10


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        # yfinance itself asks twice when it is refused.
        ("invalid_crumb_401", 2),
        ("too_many_429", 2),
        ("server_error_500", 2),
        ("reset", 1),
        ("truncated_json", 1),
        ("html", 1),
    ],
)
def test_a_fault_that_passes_costs_one_more_try(
    kind: FaultKind, times: int, yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    standin.faults["IWM"] = Fault(kind, times=times)

    delivery = yahoo.fetch(IWM, None, time.patience())

    assert delivery.failure is None
    assert days_of(bars_of(delivery)) == SESSIONS
    assert time.sleeps == [2.0]


def test_a_broken_answer_about_the_past_is_asked_for_again(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    dead = IWM.model_copy(update={"valid_to": SESSIONS[-1], "valid_to_reason": "closed"})
    assert yahoo.fetch(dead, None, time.patience()).failure is None

    standin.faults["IWM"] = Fault("truncated_json", times=1)

    assert yahoo.fetch(dead, None, time.patience()).failure is None
    assert time.sleeps == [2.0]


def test_the_wait_that_yahoo_asks_for_is_honoured(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    standin.faults["IWM"] = Fault("too_many_429", times=2, retry_after=30)

    assert yahoo.fetch(IWM, None, time.patience()).failure is None
    assert time.sleeps == [30.0]


def test_a_wait_too_long_for_a_run_is_not_waited(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    standin.faults["IWM"] = Fault("too_many_429", retry_after=3600)

    assert yahoo.fetch(IWM, None, time.patience()).failure == "429: Yahoo refuses because of too many requests"
    assert time.sleeps == []


def test_a_symbol_that_yahoo_does_not_have_is_named(yahoo: Yahoo, time: Time) -> None:
    unknown = IWM.model_copy(update={"yahoo": "^XYZ"})

    assert yahoo.fetch(unknown, None, time.patience()).failure == "404: Yahoo does not know ^XYZ"


def test_days_before_the_first_trade_are_refused_with_yahoos_reason(yahoo: Yahoo, time: Time) -> None:
    early = IWM.model_copy(update={"valid_to": date(2020, 1, 3), "valid_to_reason": "test"})

    failure = yahoo.fetch(early, date(2020, 1, 1), time.patience()).failure

    assert failure is not None and failure.startswith("400: Yahoo refuses IWM (Data doesn't exist for startDate = ")


@pytest.mark.parametrize(
    ("instrument", "failure"),
    [
        (IWM.model_copy(update={"kind": "index"}), "wrong instrumentType: .* says ETF instead of INDEX"),
        (BTC.model_copy(update={"currency": "EUR"}), "wrong currency: .* says USD instead of EUR"),
        (IWM.model_copy(update={"asset_class": "crypto"}), "wrong exchangeTimezoneName: .* says America/New_York "),
    ],
)
def test_an_answer_about_something_else_is_a_failure(
    instrument: Instrument, failure: str, yahoo: Yahoo, time: Time
) -> None:
    delivery = yahoo.fetch(instrument, None, time.patience())

    assert re.match(failure, str(delivery.failure))
    assert not delivery.tables


# FRED


@pytest.fixture
def fred(standin: VendorStandin) -> Fred:
    return Fred(timeout=5.0)


def test_a_series_arrives_without_the_days_that_have_no_value(fred: Fred, standin: VendorStandin, time: Time) -> None:
    delivery = fred.fetch(RATE, None, time.patience())

    observations = delivery.tables["macro_observations"]
    contract = next(table for table in RAW_TABLES if table.name == "macro_observations")
    assert tuple(observations.columns) == contract.own_columns
    assert observations["observation_date"].dtype == "datetime64[ns]"
    assert (delivery.id, delivery.origin, delivery.failure, delivery.rejected) == ("RATE", "fred:RATE", None, ())
    sold = [(day, value) for day, value in standin.market.series["RATE"] if value is not None]
    assert list(zip(days_of(observations, "observation_date"), observations["value"], strict=True)) == sold
    assert len(sold) == len(SESSIONS) - 1


def test_fred_is_asked_from_since_on(fred: Fred, standin: VendorStandin, time: Time) -> None:
    delivery = fred.fetch(RATE, date(2025, 12, 1), time.patience())

    assert standin.asked("RATE")[-1].query["cosd"] == "2025-12-01"
    assert days_of(delivery.tables["macro_observations"], "observation_date")[0] == date(2025, 12, 1)


def test_no_new_observation_is_no_failure_but_none_at_all_is(fred: Fred, standin: VendorStandin, time: Time) -> None:
    delivery = fred.fetch(RATE, date(2026, 1, 1), time.patience())
    assert delivery.failure is None and delivery.tables["macro_observations"].empty
    assert delivery.tables["macro_observations"]["observation_date"].dtype == "datetime64[ns]"

    standin.market.series["RATE"] = []
    assert fred.fetch(RATE, None, time.patience()).failure == "no observations: FRED knows RATE but sent none"


def test_the_vendors_own_name_for_a_series_is_asked_for(fred: Fred, time: Time) -> None:
    renamed = RATE.model_copy(update={"id": "OURS", "fred": "RATE"})

    delivery = fred.fetch(renamed, None, time.patience())

    assert (delivery.id, delivery.origin) == ("OURS", "fred:RATE")
    assert set(delivery.tables["macro_observations"]["series_id"]) == {"OURS"}


def test_the_format_of_former_years_is_read_as_well(fred: Fred, standin: VendorStandin, time: Time) -> None:
    today = fred.fetch(RATE, None, time.patience()).tables["macro_observations"]
    standin.faults["RATE"] = Fault("old_format")

    delivery = fred.fetch(RATE, None, time.patience())

    assert delivery.rejected == ()
    pd.testing.assert_frame_equal(delivery.tables["macro_observations"], today)


def test_rows_that_cannot_be_read_are_rejected_word_for_word(fred: Fred, standin: VendorStandin, time: Time) -> None:
    standin.faults["RATE"] = Fault("garbled_rows")

    delivery = fred.fetch(RATE, None, time.patience())

    assert len(delivery.tables["macro_observations"]) == len(SESSIONS) - 1
    assert [json.loads(r.payload)["row"] for r in delivery.rejected] == [
        "2026-13-45,1.5", "2026-01-05,n/a", "2026-01-06"
    ]  # fmt: skip
    assert {r.reason for r in delivery.rejected} == {"the date or the value cannot be read"}


@pytest.mark.parametrize(
    ("kind", "failure", "tries"),
    [
        ("not_found_404", "404: FRED does not know RATE", 1),
        ("too_many_429", "429: FRED refuses because of too many requests", 4),
        ("server_error_500", "500: FRED has a fault of its own", 4),
        ("timeout", "timeout: FRED did not answer for RATE", 4),
        ("reset", "connection lost: FRED broke off while answering for RATE", 4),
        ("html", "not CSV: FRED sent a web page for RATE", 4),
        ("empty_body", "empty: FRED sent nothing for RATE", 4),
        ("wrong_heading", "wrong heading: FRED's answer for RATE is headed observation_date,OTHER", 1),
    ],
)
def test_a_fault_of_fred_that_stays_is_named_and_retried_if_it_may_pass(
    kind: FaultKind, failure: str, tries: int, standin: VendorStandin, time: Time
) -> None:
    standin.faults["RATE"] = Fault(kind)

    delivery = Fred(timeout=0.7 if kind == "timeout" else 5.0).fetch(RATE, None, time.patience())

    assert (delivery.failure, dict(delivery.tables)) == (failure, {})
    assert time.sleeps == [2.0, 4.0, 8.0][: tries - 1]
    assert len(standin.asked("RATE")) == tries


def test_a_fault_of_fred_that_passes_costs_one_more_try(fred: Fred, standin: VendorStandin, time: Time) -> None:
    standin.faults["RATE"] = Fault("server_error_500", times=1, retry_after=5)

    assert fred.fetch(RATE, None, time.patience()).failure is None
    assert time.sleeps == [5.0]


# Patience


def test_tries_start_no_closer_than_the_spacing(time: Time) -> None:
    patience = time.patience(spacing=1.0)
    starts = []
    for _ in range(3):
        patience.call(lambda: starts.append(time.now))

    assert starts == [1000.0, 1001.0, 1002.0]


def test_chance_shortens_a_wait_by_up_to_half(time: Time) -> None:
    def fail() -> None:
        raise VendorFault("busy", is_passing=True)

    with pytest.raises(VendorFault, match="busy"):
        Patience(0, sleep=time.sleep, clock=lambda: time.now, jitter=lambda: 0.0).call(fail)

    assert time.sleeps == [1.0, 2.0, 4.0]


def test_only_general_faults_in_a_row_end_it_for_the_rest(time: Time) -> None:
    patience = time.patience()
    asked = 0

    def answer(fault: VendorFault | None) -> None:
        nonlocal asked
        asked += 1
        if fault is not None:
            raise fault

    down = VendorFault("down", is_general=True)
    for fault in (down, down, None, down, down, VendorFault("unknown"), down, down, down):
        try:
            patience.call(partial(answer, fault))
        except VendorFault as raised:
            assert raised is fault
    with pytest.raises(VendorFault, match="down"):
        patience.call(lambda: answer(None))

    assert asked == 9


# The live source as a whole


def live(universe: Universe, tmp_path: Path, time: Time, timeout: float = 5.0) -> LiveSource:
    return LiveSource(universe, tmp_path / "cache", sleep=time.sleep, timeout=timeout)


@pytest.fixture
def universe() -> Universe:
    return load_universe()


@pytest.fixture
def whole(standin: VendorStandin, universe: Universe) -> VendorStandin:
    """The stand-in with everything that the universe names."""
    standin.market = StandinMarket.for_universe(universe, sessions=SESSIONS, end=END)
    return standin


def test_the_whole_universe_arrives_in_its_order(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    source = live(universe, tmp_path, time)

    assert (source.name, source.is_synthetic, source.has_clock) == ("live", False, True)
    for asset_class in ("equity", "crypto"):
        deliveries = list(source.fetch(asset_class, {}))
        wanted = [i.id for i in universe.instruments if i.asset_class == asset_class and i.yahoo_spans]
        assert [d.id for d in deliveries] == wanted
        assert [d.failure for d in deliveries] == [None] * len(wanted)
        assert all(not bars_of(d).empty for d in deliveries)
    series = list(source.fetch("macro", {}))
    assert [d.id for d in series] == [s.id for s in universe.series if s.fred_id]
    assert [d.failure for d in series] == [None] * len(series)
    assert "TGA_DTS" not in {d.id for d in series}


def test_since_is_per_instrument(whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time) -> None:
    source = live(universe, tmp_path, time)

    firsts = {d.id: days_of(bars_of(d))[0] for d in source.fetch("equity", {"SPY": date(2025, 12, 1)})}
    observed = {
        d.id: days_of(d.tables["macro_observations"], "observation_date")[0]
        for d in source.fetch("macro", {"DGS10": date(2025, 12, 1)})
    }

    assert (firsts["SPY"], firsts["IWM"]) == (date(2025, 12, 1), SESSIONS[0])
    assert (observed["DGS10"], observed["DGS2"]) == (date(2025, 12, 1), SESSIONS[0])


def test_one_that_fails_does_not_stop_the_others(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    whole.faults |= {
        "^RUT": Fault("html"),
        "SPY": Fault("not_found_404"),
        "QQQ": Fault("reset"),
        "XBI": Fault("too_many_429"),
        "DFF": Fault("not_found_404"),
    }
    source = live(universe, tmp_path, time)

    failed = [d.id for d in source.fetch("equity", {}) if d.failure]
    failed_series = [d.id for d in source.fetch("macro", {}) if d.failure]

    assert failed == ["RUT", "SPY", "QQQ", "XBI"]
    assert failed_series == ["DFF"]


def test_the_first_goes_alone_and_the_rest_go_together(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    for host in CHART_HOSTS:
        whole.faults[host] = Fault("latency", seconds=0.1)

    deliveries = list(live(universe, tmp_path, time).fetch("crypto", {}))

    charts = [r for r in whole.requests if "/chart/" in r.path]
    others = [r for r in charts if not r.path.endswith("/BTC-USD")]
    assert all(d.failure is None for d in deliveries)
    assert [r.path for r in charts[:2]] == ["/v8/finance/chart/BTC-USD"] * 2
    assert others[0].at - charts[1].at >= 0.1
    # Each symbol takes two questions: one at a time, eight questions would be about four symbols.
    assert len({r.path for r in others[:8]}) > 5


def test_three_symbols_without_a_connection_fail_the_rest_at_once(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        source = live(universe, tmp_path, time)
        prices, series = list(source.fetch("equity", {})), list(source.fetch("macro", {}))

    assert len(prices) > 30 and len(series) == 20
    assert all(str(d.failure).startswith("no connection: Yahoo cannot be reached (") for d in prices)
    assert all(str(d.failure).startswith("no connection: FRED cannot be reached (") for d in series)
    # Only the spacing between tries was waited for.
    assert max(time.sleeps) < 2.0 * 3

    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, whole.environment[name])
    assert [d.failure for d in source.fetch("macro", {})] == [None] * 20


def test_a_vendor_that_refuses_three_in_a_row_is_left_alone(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    whole.faults[FRED_HOST] = Fault("too_many_429")

    deliveries = list(live(universe, tmp_path, time).fetch("macro", {}))

    assert {d.failure for d in deliveries} == {"429: FRED refuses because of too many requests"}
    assert len([r for r in whole.requests if r.host == FRED_HOST]) == 3 * 4


def test_a_certificate_that_nobody_vouches_for_is_no_connection(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name)
    source = live(universe, tmp_path, time)

    price, series = next(source.fetch("equity", {})), next(source.fetch("macro", {}))

    assert str(price.failure).startswith("no connection: Yahoo cannot be reached (")
    assert str(series.failure).startswith("no connection: FRED cannot be reached (")
    assert whole.requests == []


def test_fred_is_asked_once_a_second_unless_the_environment_says_otherwise(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(live(universe, tmp_path, time).fetch("macro", {}))
    assert 0.5 < time.sleeps[0] <= 1.0

    time.sleeps.clear()
    monkeypatch.setenv("CASCADE_FRED_DELAY_SECONDS", "0")
    list(live(universe, tmp_path, time).fetch("macro", {}))
    assert time.sleeps == []

    monkeypatch.setenv("CASCADE_FRED_DELAY_SECONDS", "soon")
    with pytest.raises(SourceError, match="CASCADE_FRED_DELAY_SECONDS is 'soon'"):
        live(universe, tmp_path, time)
