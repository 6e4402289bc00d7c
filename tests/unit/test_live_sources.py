"""The live source against the stand-in: real yfinance and requests, real TLS, no network and no waiting.

For every fault that a vendor was seen to have, a test says what is delivered: rows, rejected rows, or a reason.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter, sleep
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

from assets.config.universe import Instrument, Series, SymbolSpan, Universe, load_universe
from assets.contracts.raw import RAW_TABLES
from assets.sources import response_cache
from assets.sources.base import AssetClass, FetchRequest, FetchResult, SourceError
from assets.sources.live import YAHOO_WORKERS, LiveSource
from assets.sources.response_cache import ResponseCache, VendorRequest
from assets.sources.retry import RateLimiter, Retrier, VendorFault, seconds_to_wait
from assets.sources.vendors.fred import Fred
from assets.sources.vendors.yahoo import Yahoo

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
    """A clock that only moves when a thread sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self.now += seconds

    def clock(self) -> float:
        return self.now

    def limiter(self, *limits: tuple[int, float]) -> RateLimiter:
        return RateLimiter(*limits, sleep=self.sleep, clock=self.clock)

    def retrier(self) -> Retrier:
        return Retrier(self.limiter(), jitter=lambda: 1.0)


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


def bars_of(delivery: FetchResult) -> pd.DataFrame:
    (name,) = (name for name in delivery.tables if name.endswith("_bars"))
    return delivery.tables[name].set_index("session_date")


def days_of(frame: pd.DataFrame, column: str = "session_date") -> list[date]:
    return list(frame.reset_index()[column].dt.date)


# Yahoo: what is delivered when all is well


def test_a_whole_history_arrives_in_the_contracts_columns(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = yahoo.fetch(IWM, None, time.retrier())

    assert (delivery.id, delivery.origin, delivery.failure, delivery.unparsed) == ("IWM", "yahoo:IWM", None, ())
    contracts = {table.name: table for table in RAW_TABLES}
    for name, frame in delivery.tables.items():
        assert tuple(frame.columns) == contracts[name].own_columns
        assert set(frame["instrument_id"]) == {"IWM"}
    bars = delivery.tables["equity_bars"]
    sold = standin.market.symbols["IWM"].bars
    assert days_of(bars) == SESSIONS
    assert bars["session_date"].dtype.kind == "M"
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
    delivery = yahoo.fetch(BTC, None, time.retrier())

    assert set(delivery.tables) == {"crypto_bars"}
    assert days_of(bars_of(delivery)) == list(pd.date_range(SESSIONS[0], END).date)


def test_since_limits_what_is_asked_and_what_is_delivered(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    since = DIVIDEND_DAY + timedelta(days=1)

    delivery = yahoo.fetch(IWM, since, time.retrier())

    assert delivery.since == since
    assert days_of(bars_of(delivery)) == [day for day in SESSIONS if day >= since]
    assert days_of(delivery.tables["equity_actions"], "ex_date") == [SPLIT_DAY]
    asked_from = pd.Timestamp(int(standin.asked("IWM")[-1].query["period1"]), unit="s", tz="UTC")
    assert asked_from.tz_convert("America/New_York") == pd.Timestamp("2025-09-25", tz="America/New_York")


def test_days_on_which_nothing_could_trade_yet_are_no_failure(yahoo: Yahoo, time: Time) -> None:
    delivery = yahoo.fetch(IWM, SESSIONS[-1] + timedelta(days=1), time.retrier())

    assert delivery.failure is None
    assert bars_of(delivery).empty and delivery.tables["equity_actions"].empty


def test_an_answer_without_any_session_for_over_a_week_is_a_failure(yahoo: Yahoo, time: Time) -> None:
    delivery = yahoo.fetch(IWM, SESSIONS[-1] + timedelta(days=30), time.retrier())

    assert delivery.failure == "no sessions: Yahoo knows IWM but sent none of the requested days"


RENAMED = BTC.model_copy(
    update={
        "yahoo": (
            SymbolSpan(symbol="OLD-USD", valid_to=date(2025, 10, 31)),
            SymbolSpan(symbol="NEW-USD", valid_from=date(2025, 11, 1)),
        )
    }
)


def test_a_renamed_coin_is_put_together_from_its_names(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = yahoo.fetch(RENAMED, None, time.retrier())

    bars = bars_of(delivery)
    assert delivery.origin == "yahoo:OLD-USD,NEW-USD"
    assert days_of(bars) == list(pd.date_range(SESSIONS[0], END).date)
    old, new = (standin.market.symbols[name].bars.set_index("date")["close"] for name in ("OLD-USD", "NEW-USD"))
    expected = pd.concat([old[:"2025-10-31"], new["2025-11-01":]])
    np.testing.assert_array_equal(bars["close"], expected)


def test_only_the_names_that_were_valid_then_are_asked_for(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    assert days_of(bars_of(yahoo.fetch(RENAMED, date(2025, 12, 10), time.retrier())))[0] == date(2025, 12, 10)
    assert not standin.asked("OLD-USD")


def test_what_came_under_one_name_is_kept_when_the_other_fails(
    yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    standin.faults["OLD-USD"] = Fault("not_found_404")

    delivery = yahoo.fetch(RENAMED, None, time.retrier())

    assert delivery.failure == "404: Yahoo does not know OLD-USD"
    assert days_of(bars_of(delivery))[0] == date(2025, 11, 1)


def test_nothing_is_wanted_of_the_dead_after_their_last_day(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    dead = BTC.model_copy(update={"valid_to": date(2025, 10, 1), "valid_to_reason": "wound up"})

    assert days_of(bars_of(yahoo.fetch(dead, None, time.retrier())))[-1] == date(2025, 10, 1)
    asked = len(standin.requests)
    delivery = yahoo.fetch(dead, date(2025, 10, 2), time.retrier())
    assert (delivery.failure, dict(delivery.tables), len(standin.requests)) == (None, {}, asked)


# Yahoo: answers with something wrong in them are delivered as sent, and judged elsewhere


def fetch_with(kind: FaultKind, yahoo: Yahoo, standin: VendorStandin, time: Time, **details: Any) -> FetchResult:
    standin.faults["IWM"] = Fault(kind, **details)
    delivery = yahoo.fetch(IWM, None, time.retrier())
    assert delivery.failure is None
    assert time.sleeps == []
    return delivery


def test_sessions_without_prices_are_rejected_word_for_word(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = fetch_with("null_rows", yahoo, standin, time)

    blank = [SESSIONS[-4], SESSIONS[-2]]
    assert days_of(bars_of(delivery)) == [day for day in SESSIONS if day not in blank]
    assert {r.reason for r in delivery.unparsed} == {"vendor sent the session without prices"}
    payloads = [json.loads(r.payload) for r in delivery.unparsed]
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
    assert len(delivery.unparsed) == 1


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


def test_rows_in_descending_order_are_delivered_as_sent(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    assert days_of(bars_of(fetch_with("descending", yahoo, standin, time))) == SESSIONS[::-1]


def test_a_shorter_history_is_delivered_as_sent(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    delivery = fetch_with("shorter", yahoo, standin, time, rows=10)
    assert days_of(bars_of(delivery)) == SESSIONS[-10:]

    standin.faults["RATE"] = Fault("shorter", rows=10)
    observations = Fred().fetch(RATE, None, time.retrier()).tables["macro_observations"]
    assert days_of(observations, "observation_date") == SESSIONS[-10:]


def test_the_bar_of_a_session_under_way_is_delivered_as_sent(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    bars = bars_of(fetch_with("last_row_unfinished", yahoo, standin, time))

    sold = standin.market.symbols["IWM"].bars
    assert list(bars["close"] == list(sold["close"])) == [True] * (len(sold) - 1) + [False]
    assert 0 < bars["volume"].iloc[-1] < sold["volume"].iloc[-1] / 5


def test_after_a_split_all_before_it_is_in_new_shares(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    before = yahoo.fetch(IWM, None, time.retrier())
    standin.market.split("IWM", SESSIONS[-5], 4, 1)

    after = yahoo.fetch(IWM, None, time.retrier())

    ratio = bars_of(before)["close"] / bars_of(after)["close"]
    np.testing.assert_allclose(ratio, [4.0] * (len(SESSIONS) - 5) + [1.0] * 5, rtol=1e-6)
    assert bars_of(after)["volume"].iloc[0] == 4 * bars_of(before)["volume"].iloc[0]
    actions = after.tables["equity_actions"]
    assert list(zip(days_of(actions, "ex_date"), actions["kind"], actions["value"], strict=True)) == [
        (DIVIDEND_DAY, "dividend", 0.105),
        (SPLIT_DAY, "split", 1.5),
        (SESSIONS[-5], "split", 4.0),
    ]


# Yahoo: no proper answer


@pytest.mark.parametrize(
    ("kind", "failure", "tries"),
    [
        ("not_found_404", "404: Yahoo does not know IWM", 1),
        ("invalid_crumb_401", "401: Yahoo denied access to IWM (Invalid Crumb)", 4),
        ("too_many_429", "429: Yahoo reports too many requests", 4),
        ("server_error_500", "500: server error at Yahoo", 4),
        ("reset", "connection lost: Yahoo closed the connection while answering for IWM", 4),
        ("truncated_json", "not JSON: Yahoo's answer for IWM cannot be read", 4),
        ("html", "not JSON: Yahoo's answer for IWM cannot be read", 4),
        ("odd_shape", "not a chart: Yahoo's answer for IWM has an unexpected shape ('indicators')", 4),
        ("empty_window", "no sessions: Yahoo knows IWM but sent none of the requested days", 1),
        ("wrong_symbol", "wrong symbol: Yahoo's answer for IWM says IWM2 instead of IWM", 1),
        ("wrong_currency", "wrong currency: Yahoo's answer for IWM says GBp instead of USD", 1),
    ],
)
def test_a_fault_that_stays_is_named_and_retried_if_it_may_pass(
    kind: FaultKind, failure: str, tries: int, yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    standin.faults["IWM"] = Fault(kind)

    delivery = yahoo.fetch(IWM, None, time.retrier())

    assert (delivery.failure, dict(delivery.tables)) == (failure, {})
    assert time.sleeps == [2.0, 4.0, 8.0][: tries - 1]


@pytest.mark.slow
def test_no_answer_is_not_waited_for_longer_than_allowed(standin: VendorStandin, tmp_path: Path, time: Time) -> None:
    standin.faults["IWM"] = Fault("timeout")
    started = perf_counter()

    delivery = Yahoo(tmp_path, timeout=0.7).fetch(IWM, None, time.retrier())

    assert delivery.failure == "timeout: Yahoo did not answer for IWM"
    assert len(time.sleeps) == 3
    # yfinance's own limit for the first of its questions is ten seconds.
    assert perf_counter() - started < 10


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        # yfinance itself repeats a rejected request once, except when there were too many requests.
        ("invalid_crumb_401", 2),
        ("too_many_429", 1),
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

    delivery = yahoo.fetch(IWM, None, time.retrier())

    assert delivery.failure is None
    assert days_of(bars_of(delivery)) == SESSIONS
    assert time.sleeps == [2.0]


def test_a_broken_answer_about_the_past_is_asked_for_again(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    dead = IWM.model_copy(update={"valid_to": SESSIONS[-1], "valid_to_reason": "closed"})
    assert yahoo.fetch(dead, None, time.retrier()).failure is None

    standin.faults["IWM"] = Fault("truncated_json", times=1)

    assert yahoo.fetch(dead, None, time.retrier()).failure is None
    assert time.sleeps == [2.0]


def test_the_wait_that_yahoo_asks_for_is_honoured(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    standin.faults["IWM"] = Fault("too_many_429", times=1, retry_after=30)

    assert yahoo.fetch(IWM, None, time.retrier()).failure is None
    assert time.sleeps == [30.0]


@pytest.mark.parametrize("kind", ["too_many_429", "server_error_500"])
def test_a_wait_may_end_on_a_date_and_no_request_starts_before(
    kind: FaultKind, yahoo: Yahoo, standin: VendorStandin, time: Time
) -> None:
    standin.faults["IWM"] = Fault(kind, times=1, retry_after=datetime.now(UTC) + timedelta(seconds=30))

    assert yahoo.fetch(IWM, None, time.retrier()).failure is None
    assert 20 < sum(time.sleeps) <= 30
    # Refused once and answered once: yfinance itself would have asked again at once.
    assert len(standin.asked("IWM")) == 2


def test_a_wait_too_long_for_a_run_is_not_waited(yahoo: Yahoo, standin: VendorStandin, time: Time) -> None:
    standin.faults["IWM"] = Fault("too_many_429", retry_after=3600)

    assert yahoo.fetch(IWM, None, time.retrier()).failure == "429: Yahoo reports too many requests"
    assert time.sleeps == []


def test_a_symbol_that_yahoo_does_not_have_is_named(yahoo: Yahoo, time: Time) -> None:
    unknown = IWM.model_copy(update={"yahoo": "^XYZ"})

    assert yahoo.fetch(unknown, None, time.retrier()).failure == "404: Yahoo does not know ^XYZ"


def test_days_before_the_first_trade_fail_with_yahoos_reason(yahoo: Yahoo, time: Time) -> None:
    early = IWM.model_copy(update={"valid_to": date(2020, 1, 3), "valid_to_reason": "test"})

    failure = yahoo.fetch(early, date(2020, 1, 1), time.retrier()).failure

    assert failure is not None and failure.startswith(
        "400: Yahoo rejected the request for IWM (Data doesn't exist for startDate = "
    )


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
    delivery = yahoo.fetch(instrument, None, time.retrier())

    assert re.match(failure, str(delivery.failure))
    assert not delivery.tables


# FRED


@pytest.fixture
def fred(standin: VendorStandin) -> Fred:
    return Fred(timeout=5.0)


def test_a_series_arrives_without_the_days_that_have_no_value(fred: Fred, standin: VendorStandin, time: Time) -> None:
    delivery = fred.fetch(RATE, None, time.retrier())

    observations = delivery.tables["macro_observations"]
    contract = next(table for table in RAW_TABLES if table.name == "macro_observations")
    assert tuple(observations.columns) == contract.own_columns
    assert observations["observation_date"].dtype.kind == "M"
    assert (delivery.id, delivery.origin, delivery.failure, delivery.unparsed) == ("RATE", "fred:RATE", None, ())
    sold = [(day, value) for day, value in standin.market.series["RATE"] if value is not None]
    assert list(zip(days_of(observations, "observation_date"), observations["value"], strict=True)) == sold
    assert len(sold) == len(SESSIONS) - 1


def test_fred_is_asked_from_since_on(fred: Fred, standin: VendorStandin, time: Time) -> None:
    delivery = fred.fetch(RATE, date(2025, 12, 1), time.retrier())

    assert delivery.since == date(2025, 12, 1)
    assert standin.asked("RATE")[-1].query["cosd"] == "2025-12-01"
    assert days_of(delivery.tables["macro_observations"], "observation_date")[0] == date(2025, 12, 1)


def test_no_new_observation_is_no_failure_but_none_at_all_is(fred: Fred, standin: VendorStandin, time: Time) -> None:
    delivery = fred.fetch(RATE, date(2026, 1, 1), time.retrier())
    assert delivery.failure is None and delivery.tables["macro_observations"].empty
    assert delivery.tables["macro_observations"]["observation_date"].dtype.kind == "M"

    standin.market.series["RATE"] = []
    assert fred.fetch(RATE, None, time.retrier()).failure == "no observations: FRED knows RATE but sent none"


def test_the_vendors_own_name_for_a_series_is_asked_for(fred: Fred, time: Time) -> None:
    renamed = RATE.model_copy(update={"id": "OURS", "fred": "RATE"})

    delivery = fred.fetch(renamed, None, time.retrier())

    assert (delivery.id, delivery.origin) == ("OURS", "fred:RATE")
    assert set(delivery.tables["macro_observations"]["series_id"]) == {"OURS"}


def test_the_format_of_former_years_is_read_as_well(fred: Fred, standin: VendorStandin, time: Time) -> None:
    today = fred.fetch(RATE, None, time.retrier()).tables["macro_observations"]
    standin.faults["RATE"] = Fault("old_format")

    delivery = fred.fetch(RATE, None, time.retrier())

    assert delivery.unparsed == ()
    pd.testing.assert_frame_equal(delivery.tables["macro_observations"], today)


def test_rows_that_cannot_be_read_are_rejected_word_for_word(fred: Fred, standin: VendorStandin, time: Time) -> None:
    standin.faults["RATE"] = Fault("garbled_rows")

    delivery = fred.fetch(RATE, None, time.retrier())

    assert len(delivery.tables["macro_observations"]) == len(SESSIONS) - 1
    assert [json.loads(r.payload)["row"] for r in delivery.unparsed] == [
        "2026-13-45,1.5", "2026-01-05,n/a", "2026-01-06"
    ]  # fmt: skip
    assert {r.reason for r in delivery.unparsed} == {"the date or the value cannot be read"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "failure", "tries"),
    [
        ("not_found_404", "404: FRED does not know RATE", 1),
        ("too_many_429", "429: FRED reports too many requests", 4),
        ("server_error_500", "500: server error at FRED", 4),
        ("timeout", "timeout: FRED did not answer for RATE", 4),
        ("reset", "connection lost: FRED closed the connection while answering for RATE", 4),
        ("html", "not CSV: FRED sent a web page for RATE", 4),
        ("empty_body", "empty: FRED sent nothing for RATE", 4),
        ("wrong_heading", "wrong heading: FRED's answer for RATE has the heading observation_date,OTHER", 1),
    ],
)
def test_a_fault_of_fred_that_stays_is_named_and_retried_if_it_may_pass(
    kind: FaultKind, failure: str, tries: int, standin: VendorStandin, time: Time
) -> None:
    standin.faults["RATE"] = Fault(kind)

    delivery = Fred(timeout=0.7 if kind == "timeout" else 5.0).fetch(RATE, None, time.retrier())

    assert (delivery.failure, dict(delivery.tables)) == (failure, {})
    assert time.sleeps == [2.0, 4.0, 8.0][: tries - 1]
    assert len(standin.asked("RATE")) == tries


def test_a_fault_of_fred_that_passes_costs_one_more_try(fred: Fred, standin: VendorStandin, time: Time) -> None:
    standin.faults["RATE"] = Fault("server_error_500", times=1, retry_after=5)

    assert fred.fetch(RATE, None, time.retrier()).failure is None
    assert time.sleeps == [5.0]


# Retrier


def test_requests_start_no_closer_than_the_spacing_and_no_more_in_a_window_than_may(time: Time) -> None:
    limiter = time.limiter((1, 1.0), (3, 10.0))
    starts = []
    for _ in range(7):
        limiter.wait_for_turn()
        starts.append(time.now)

    assert starts == [1000.0, 1001.0, 1002.0, 1010.0, 1011.0, 1012.0, 1020.0]


def test_the_limits_hold_over_all_threads() -> None:
    # What each thread read last on the clock is when its turn was.
    read = threading.local()

    def clock() -> float:
        read.last = perf_counter()
        return float(read.last)

    limiter = RateLimiter((1, 0.002), (10, 0.1), clock=clock)

    def start(_: int) -> float:
        limiter.wait_for_turn()
        return float(read.last)

    with ThreadPoolExecutor(8) as pool:
        starts = sorted(pool.map(start, range(35)))

    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.002
    assert min(later - earlier for earlier, later in zip(starts, starts[10:], strict=False)) >= 0.1


def test_a_pause_for_one_request_pauses_all(time: Time) -> None:
    limiter = time.limiter()
    busy = iter([VendorFault("busy", is_passing=True, retry_after=30)])

    def fail_once() -> None:
        limiter.wait_for_turn()
        for fault in busy:
            # Requests that come during the pause wait for its end.
            raise fault

    Retrier(limiter).call(fail_once)
    assert time.now == 1030.0
    limiter.pause(20, "busy")
    Retrier(limiter).call(limiter.wait_for_turn)
    assert time.now == 1050.0


def test_a_fault_of_one_symbol_stops_no_other(time: Time) -> None:
    limiter = time.limiter()
    faults = iter([VendorFault("not JSON", is_passing=True)])
    others = []

    def fail_once() -> None:
        for fault in faults:
            raise fault

    def sleep(seconds: float) -> None:
        # While this one waits, another asks.
        limiter.sleep = time.sleep
        limiter.wait_for_turn()
        others.append(time.now)
        time.sleep(seconds)

    limiter.sleep = sleep
    Retrier(limiter, jitter=lambda: 1.0).call(fail_once)

    assert (others, time.now) == ([1000.0], 1002.0)


def test_a_pause_too_long_for_a_run_is_told_and_not_waited(time: Time) -> None:
    limiter = time.limiter()
    limiter.pause(3600, "429: busy")

    with pytest.raises(VendorFault, match="429: busy"):
        Retrier(limiter).call(limiter.wait_for_turn)
    assert time.sleeps == []

    time.now += 3590
    Retrier(limiter).call(limiter.wait_for_turn)
    assert time.sleeps == [10.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Fri, 12 Dec 2025 15:01:30 GMT", 90.0),
        ("Fri, 12 Dec 2025 15:01:30 -0000", 90.0),
        ("Fri, 12 Dec 2025 14:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_a_wait_is_a_number_of_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert seconds_to_wait(header, datetime(2025, 12, 12, 15, 0, tzinfo=UTC)) == seconds


def test_chance_shortens_a_wait_by_up_to_half(time: Time) -> None:
    def fail() -> None:
        raise VendorFault("busy", is_passing=True)

    with pytest.raises(VendorFault, match="busy"):
        Retrier(time.limiter(), jitter=lambda: 0.0).call(fail)

    assert time.sleeps == [1.0, 2.0, 4.0]


def test_only_general_faults_in_a_row_end_it_for_the_rest(time: Time) -> None:
    retrier = time.retrier()
    asked = 0

    def answer(fault: VendorFault | None) -> None:
        nonlocal asked
        asked += 1
        if fault is not None:
            raise fault

    down = VendorFault("down", is_general=True)
    for fault in (down, down, None, down, down, VendorFault("unknown"), down, down, down):
        try:
            retrier.call(partial(answer, fault))
        except VendorFault as raised:
            assert raised is fault
    with pytest.raises(VendorFault, match="down"):
        retrier.call(lambda: answer(None))

    assert asked == 9


# The live source as a whole


NOON = datetime(2025, 12, 12, 17, 0, tzinfo=UTC)  # in New York


def live(universe: Universe, tmp_path: Path, time: Time, now: datetime = NOON) -> LiveSource:
    return LiveSource(universe, tmp_path / "cache", sleep=time.sleep, clock=time.clock, now=lambda: now, timeout=5.0)


@pytest.fixture
def universe() -> Universe:
    return load_universe()


@pytest.fixture
def whole(standin: VendorStandin, universe: Universe) -> VendorStandin:
    """The stand-in with everything that the universe names."""
    standin.market = StandinMarket.for_universe(universe, sessions=SESSIONS, end=END)
    return standin


@pytest.mark.slow
def test_the_whole_universe_arrives_in_its_order(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    source = live(universe, tmp_path, time)

    assert (source.name, source.is_synthetic, source.has_clock) == ("live", False, True)
    prices: tuple[AssetClass, ...] = ("equity", "crypto")
    for asset_class in prices:
        deliveries = list(source.fetch(FetchRequest(asset_class)))
        wanted = [i.id for i in universe.instruments if i.asset_class == asset_class and i.yahoo_spans]
        assert [d.id for d in deliveries] == wanted
        assert [d.failure for d in deliveries] == [None] * len(wanted)
        assert all(not bars_of(d).empty for d in deliveries)
    series = list(source.fetch(FetchRequest("macro")))
    assert [d.id for d in series] == [s.id for s in universe.series if s.fred_id]
    assert [d.failure for d in series] == [None] * len(series)
    assert "TGA_DTS" not in {d.id for d in series}


@pytest.mark.slow
def test_since_is_per_instrument(whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time) -> None:
    source = live(universe, tmp_path, time)

    firsts = {
        d.id: days_of(bars_of(d))[0] for d in source.fetch(FetchRequest("equity", since={"SPY": date(2025, 12, 1)}))
    }
    observed = {
        d.id: days_of(d.tables["macro_observations"], "observation_date")[0]
        for d in source.fetch(FetchRequest("macro", since={"DGS10": date(2025, 12, 1)}))
    }

    assert (firsts["SPY"], firsts["IWM"]) == (date(2025, 12, 1), SESSIONS[0])
    assert (observed["DGS10"], observed["DGS2"]) == (date(2025, 12, 1), SESSIONS[0])


@pytest.mark.slow
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

    failed = [d.id for d in source.fetch(FetchRequest("equity")) if d.failure]
    failed_series = [d.id for d in source.fetch(FetchRequest("macro")) if d.failure]

    assert failed == ["RUT", "SPY", "QQQ", "XBI"]
    assert failed_series == ["DFF"]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [set(), {"BTC"}])
def test_the_first_that_is_asked_for_goes_alone_and_the_rest_go_together(
    kept: set[str], whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    source = live(universe, tmp_path, time)
    list(source.fetch(FetchRequest("crypto", only=frozenset(kept))))
    whole.requests.clear()
    for host in CHART_HOSTS:
        whole.faults[host] = Fault("latency", seconds=0.3)

    deliveries = list(source.fetch(FetchRequest("crypto")))

    first, *others = [r for r in whole.requests if "/chart/" in r.path]
    assert all(d.failure is None for d in deliveries)
    assert first.path.endswith("/ETH-USD" if kept else "/BTC-USD")
    assert others[0].at - first.at >= 0.3
    # One at a time, these five would take four times as long as an answer.
    assert others[4].at - others[0].at < 4 * 0.3
    # A symbol takes one request.
    assert 1 + len(others) == len(deliveries) - len(kept)


def test_only_what_is_wanted_is_asked_for(whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time) -> None:
    source = live(universe, tmp_path, time)

    funds = source.fetch(FetchRequest("equity", only=frozenset({"SPY", "IWM", "BTC"})))
    assert {d.id for d in funds} == {"SPY", "IWM"}
    assert [d.id for d in source.fetch(FetchRequest("macro", only=frozenset({"DGS2"})))] == ["DGS2"]


@pytest.mark.slow
def test_too_many_requests_pause_every_thread(whole: VendorStandin, universe: Universe, tmp_path: Path) -> None:
    whole.faults["SPY"] = Fault("too_many_429", times=1, retry_after=1)

    deliveries = list(LiveSource(universe, tmp_path).fetch(FetchRequest("equity")))

    assert [d.failure for d in deliveries] == [None] * len(deliveries)
    rejected = whole.asked("SPY")[0].at
    # Requests that were under way at that time may still arrive.
    assert len([r for r in whole.requests if rejected < r.at < rejected + 1.0]) < YAHOO_WORKERS
    assert len([r for r in whole.requests if r.at >= rejected + 1.0]) > 5


@pytest.mark.slow
def test_too_many_requests_for_shares_stop_those_for_coins(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    whole.faults["^RUT"] = Fault("too_many_429", retry_after=3600)
    source = live(universe, tmp_path, time)

    shares = list(source.fetch(FetchRequest("equity")))
    asked = len(whole.requests)
    coins = list(source.fetch(FetchRequest("crypto")))

    assert {d.failure for d in shares[1:] + coins} == {"429: Yahoo reports too many requests"}
    # Only the spacing between requests was waited for.
    assert len(whole.requests) == asked and max(time.sleeps) < 1
    time.now += 3600
    assert {d.failure for d in source.fetch(FetchRequest("crypto"))} == {None}


def test_three_symbols_without_a_connection_fail_the_rest_at_once(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        source = live(universe, tmp_path, time)
        prices, series = list(source.fetch(FetchRequest("equity"))), list(source.fetch(FetchRequest("macro")))

    assert len(prices) > 30 and len(series) == 20
    assert all(str(d.failure).startswith("no connection: Yahoo cannot be reached (") for d in prices)
    assert all(str(d.failure).startswith("no connection: FRED cannot be reached (") for d in series)
    # Only the spacing between tries was waited for.
    assert max(time.sleeps) < 2.0 * 3

    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, whole.environment[name])
    assert [d.failure for d in source.fetch(FetchRequest("macro"))] == [None] * 20


def test_after_three_rejections_in_a_row_a_vendor_gets_no_more_requests(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time
) -> None:
    whole.faults[FRED_HOST] = Fault("too_many_429")

    deliveries = list(live(universe, tmp_path, time).fetch(FetchRequest("macro")))

    assert {d.failure for d in deliveries} == {"429: FRED reports too many requests"}
    assert len([r for r in whole.requests if r.host == FRED_HOST]) == 3 * 4


def test_an_untrusted_certificate_is_no_connection(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name)
    source = live(universe, tmp_path, time)

    price, series = next(source.fetch(FetchRequest("equity"))), next(source.fetch(FetchRequest("macro")))

    assert str(price.failure).startswith("no connection: Yahoo cannot be reached (")
    assert str(series.failure).startswith("no connection: FRED cannot be reached (")
    assert whole.requests == []


def test_fred_is_asked_once_a_second_unless_the_environment_says_otherwise(
    whole: VendorStandin, universe: Universe, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(live(universe, tmp_path, time).fetch(FetchRequest("macro")))
    assert time.sleeps == [1.0] * 19

    time.sleeps.clear()
    monkeypatch.setenv("CASCADE_FRED_DELAY_SECONDS", "0")
    list(live(universe, tmp_path / "another", time).fetch(FetchRequest("macro")))
    assert time.sleeps == [] and len(whole.requests) == 40

    monkeypatch.setenv("CASCADE_FRED_DELAY_SECONDS", "soon")
    with pytest.raises(SourceError, match="CASCADE_FRED_DELAY_SECONDS is 'soon'"):
        live(universe, tmp_path, time)


# What a run that was cut short leaves to the next one

HUNDRED = 100


def many(count: int = HUNDRED) -> Universe:
    """A universe of so many funds and nothing else."""
    funds = tuple(IWM.model_copy(update={"id": f"F{n:03}", "yahoo": f"F{n:03}"}) for n in range(count))
    return load_universe().model_copy(update={"instruments": funds, "series": (RATE,)})


@pytest.fixture
def hundred(standin: VendorStandin) -> VendorStandin:
    """The stand-in with a hundred funds and one series."""
    standin.market = StandinMarket.for_universe(many(), sessions=SESSIONS)
    return standin


def asked_for(standin: VendorStandin, since: int = 0) -> list[str]:
    """The names of the Yahoo symbols that charts were asked of, from the request of that number on, in order."""
    charts = (r.path.rpartition("/")[2] for r in standin.requests[since:] if "/chart/" in r.path)
    return list(dict.fromkeys(charts))


def assert_same(delivery: FetchResult, other: FetchResult) -> None:
    assert vars(delivery) | {"tables": {}} == vars(other) | {"tables": {}}
    assert delivery.tables.keys() == other.tables.keys()
    for name, frame in delivery.tables.items():
        pd.testing.assert_frame_equal(frame, other.tables[name])


# A shell that runs the tests in the background would have Ctrl-C ignored.
FETCH_ALL = """
import signal, sys
from pathlib import Path
from test_live_sources import many
from assets.sources.base import FetchRequest
from assets.sources.live import LiveSource
signal.signal(signal.SIGINT, signal.default_int_handler)
for delivery in LiveSource(many(), Path(sys.argv[1])).fetch(FetchRequest("equity")):
    assert delivery.failure is None, delivery
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_what_came_before_a_process_died_is_not_asked_for_again(
    end: signal.Signals, hundred: VendorStandin, tmp_path: Path, time: Time
) -> None:
    for host in CHART_HOSTS:
        hundred.faults[host] = Fault("latency", seconds=0.05)
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join(map(str, (tests / "unit", tests / "support", tests.parent)))
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH_ALL, str(tmp_path / "cache")],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.DEVNULL,
    )
    while len(asked_for(hundred)) < HUNDRED // 2 and process.poll() is None:
        sleep(0.01)
    process.send_signal(end)
    assert process.wait(timeout=20) != 0
    before, answered = len(hundred.requests), set(asked_for(hundred))
    assert HUNDRED // 2 <= len(answered) < HUNDRED
    hundred.faults = {}

    today = datetime.now(UTC)
    deliveries = list(live(many(), tmp_path, time, today).fetch(FetchRequest("equity")))

    # Only the symbols whose requests were under way are requested again.
    again = answered & set(asked_for(hundred, before))
    assert len(again) <= YAHOO_WORKERS
    assert answered | set(asked_for(hundred, before)) == {d.id for d in deliveries}
    assert [d.id for d in deliveries] == [i.id for i in many().instruments]
    for delivery in deliveries:
        assert delivery.failure is None
        np.testing.assert_array_equal(bars_of(delivery)["close"], hundred.market.symbols[delivery.id].bars["close"])


def test_what_is_kept_is_what_came_until_it_is_stored(standin: VendorStandin, tmp_path: Path, time: Time) -> None:
    universe = load_universe().model_copy(update={"instruments": (IWM, BTC), "series": (RATE,)})
    standin.faults["IWM"] = Fault("null_rows")
    questions = [
        FetchRequest("equity", since={"IWM": date(2025, 9, 20)}), FetchRequest("crypto"), FetchRequest("macro")
    ]  # fmt: skip
    first = [d for question in questions for d in live(universe, tmp_path, time).fetch(question)]
    assert [(d.id, d.failure) for d in first] == [("IWM", None), ("BTC", None), ("RATE", None)]
    assert first[0].unparsed
    standin.market.symbols.clear()
    standin.market.series.clear()
    asked = len(standin.requests)

    source = live(universe, tmp_path, time, NOON + timedelta(minutes=50))
    for was, now in zip(first, (d for question in questions for d in source.fetch(question)), strict=True):
        assert_same(now, was)
    assert len(standin.requests) == asked

    source.on_stored("equity")
    assert [d.failure for question in questions for d in source.fetch(question)] == [
        "404: Yahoo does not know IWM", None, None
    ]  # fmt: skip


def test_what_failed_is_asked_for_again(hundred: VendorStandin, tmp_path: Path, time: Time) -> None:
    hundred.faults["F007"] = Fault("not_found_404")
    wanted = FetchRequest("equity", only=frozenset({"F006", "F007", "F008"}))
    assert len([d for d in live(many(), tmp_path, time).fetch(wanted) if d.failure]) == 1
    hundred.faults, before = {}, len(hundred.requests)

    assert [d.failure for d in live(many(), tmp_path, time).fetch(wanted)] == [None] * 3
    assert asked_for(hundred, before) == ["F007"]


def test_a_cached_answer_does_not_serve_another_request(hundred: VendorStandin, tmp_path: Path, time: Time) -> None:
    first, second, third = many(3).instruments
    list(live(many(3), tmp_path, time).fetch(FetchRequest("equity")))
    before = len(hundred.requests)
    # One has another symbol since, of one more is wanted.
    renamed = many(3).model_copy(update={"instruments": (first.model_copy(update={"yahoo": "F050"}), second, third)})

    deliveries = list(live(renamed, tmp_path, time).fetch(FetchRequest("equity", since={third.id: SESSIONS[-5]})))

    assert asked_for(hundred, before) == ["F050", "F002"]
    assert [len(bars_of(d)) for d in deliveries] == [len(SESSIONS), len(SESSIONS), 5]


ANSWER = FetchResult("IWM", "yahoo:IWM", {"equity_bars": pd.DataFrame({"close": [1.0]})})


@pytest.mark.parametrize(
    ("about", "asked_at", "now", "is_good"),
    [
        # Twelve to four in New York, and across the closes of half days and of whole ones.
        (IWM, "2025-12-12 18:00", "2025-12-12 20:59", True),
        (IWM, "2025-12-12 20:59", "2025-12-12 21:00", False),
        (IWM, "2025-12-12 17:59", "2025-12-12 18:00", False),
        # In summer New York closes an hour earlier by this clock.
        (IWM, "2025-07-11 19:59", "2025-07-11 20:00", False),
        (IWM, "2025-07-11 20:00", "2025-07-11 23:59", True),
        # The same side of the close, but of another one.
        (IWM, "2025-12-12 00:30", "2025-12-12 21:30", False),
        # No longer than six hours; not from the future, as after a clock that was set back.
        (IWM, "2025-12-12 06:00", "2025-12-12 11:59", True),
        (IWM, "2025-12-12 06:00", "2025-12-12 12:00", False),
        (IWM, "2025-12-12 10:01", "2025-12-12 10:00", False),
        # A coin's day ends with the UTC day.
        (BTC, "2025-12-12 22:00", "2025-12-12 23:59", True),
        (BTC, "2025-12-12 23:59", "2025-12-13 00:00", False),
        # A release may come at any time.
        (RATE, "2025-12-12 10:00", "2025-12-12 10:59", True),
        (RATE, "2025-12-12 10:00", "2025-12-12 11:00", False),
    ],
)
def test_an_answer_is_good_until_a_session_closes_or_it_is_old(
    about: Instrument | Series, asked_at: str, now: str, is_good: bool, tmp_path: Path
) -> None:
    kept, request = ResponseCache(tmp_path), VendorRequest(about, None)
    kept.keep(request, datetime.fromisoformat(f"{asked_at}+00:00"), ANSWER)

    answer = kept.get(request, datetime.fromisoformat(f"{now}+00:00"))

    assert (answer is not None) == is_good
    assert len(list(tmp_path.rglob("*.pickle"))) == is_good


def test_a_file_that_cannot_be_trusted_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, request = ResponseCache(tmp_path), VendorRequest(IWM, None)
    kept.keep(request, NOON, ANSWER)
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    whole = path.read_bytes()
    middle = len(whole) // 2

    for spoiled in (b"", whole[:10], whole[:-1], whole[:middle] + bytes(len(whole) - middle), b"x" * len(whole)):
        path.write_bytes(spoiled)
        assert kept.get(request, NOON) is None and not path.exists()
    # One that other code wrote, without or with a change in what frames are packed by.
    path.write_bytes(whole)
    with monkeypatch.context() as other:
        other.setattr(response_cache, "_MADE_WITH", b"another pandas")
        assert kept.get(request, NOON) is None and not path.exists()
    path.write_bytes(whole)
    with monkeypatch.context() as other:
        other.delattr(response_cache, "_Kept")
        assert kept.get(request, NOON) is None and not path.exists()


@pytest.mark.slow
def test_an_answer_that_cannot_be_kept_is_delivered_all_the_same(
    hundred: VendorStandin, tmp_path: Path, time: Time
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "answers").write_text("in the way")

    assert [d.failure for d in live(many(3), tmp_path, time).fetch(FetchRequest("equity"))] == [None] * 3
