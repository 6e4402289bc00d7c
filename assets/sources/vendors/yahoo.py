"""Yahoo: daily bars, dividends and splits through yfinance, which is imported nowhere else.

Here: asking for one instrument, telling what went wrong, and turning the answer into the raw contracts' columns.
Whether a price is plausible, and which of two rows for one session counts, is not decided here.

yfinance carries the request (cookies, crumbs, consent, browser fingerprint) and says whether it was answered. The
answer itself is read as Yahoo sent it, because yfinance's frame has 0 where the volume is unknown, one row where Yahoo
sent two, and moves a dividend whose session is missing to the session before.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from assets.config.universe import Instrument
from assets.sources.base import FetchResult, UnparsedRow
from assets.sources.retry import RateLimiter, Retrier, VendorFault, status_fault

# A century of daily bars is 2 MB and takes a few seconds.
TIMEOUT_SECONDS = 20.0
CONNECT_TIMEOUT_SECONDS = 5.0
# The request starts this much before the first day wanted: no calendar rests for a week, so that an answer without
# any session is always a fault and never just a quiet weekend.
LEAD = timedelta(days=7)

_PRICES = ["open", "high", "low", "close"]
_TYPES = {"index": {"INDEX"}, "fund": {"ETF", "MUTUALFUND"}, "share": {"EQUITY"}, "coin": {"CRYPTOCURRENCY"}}
# The usual one first. The Cboe's indices are on Chicago time; their session has the same date.
_ZONES = {"XNYS": ("America/New_York", "America/Chicago"), "CRYPTO": ("UTC",)}


@dataclass(frozen=True)
class _Window:
    """The days wanted of one symbol, both inclusive; None is without an end."""

    first: date | None
    last: date | None

    @property
    def is_empty(self) -> bool:
        return self.first is not None and self.last is not None and self.first > self.last

    def contains(self, days: pd.Series) -> pd.Series:
        inside = pd.Series(True, index=days.index)
        if self.first is not None:
            inside &= days >= pd.Timestamp(self.first)
        if self.last is not None:
            inside &= days <= pd.Timestamp(self.last)
        return inside


class Yahoo:
    """Asks Yahoo for one instrument at a time; safe to use from several threads once one answer has come.

    `cache` is the folder where yfinance keeps its cookies (it takes the first one of the process), `timeout`
    the seconds that an answer may take.
    """

    def __init__(self, cache: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        self._cache = cache
        self._timeout = timeout

    def fetch(self, instrument: Instrument, since: date | None, retrier: Retrier) -> FetchResult:
        """The instrument's bars, and for equity its dividends and splits, from `since` on; all there is without it.

        A renamed instrument is asked for under each of its names that the days wanted fall into. Never raises for a
        vendor's fault: `failure` says what is missing and why.
        """
        bars, actions, rejected, failures = [], [], [], []
        for span in instrument.yahoo_spans:
            window = _Window(
                first=max((day for day in (since, span.valid_from) if day is not None), default=None),
                last=min((day for day in (span.valid_to, instrument.valid_to) if day is not None), default=None),
            )
            if window.is_empty:
                continue
            try:
                zone = _ZONES[instrument.calendar][0]
                chart = retrier.call(partial(self._ask, span.symbol, window, zone, retrier.limiter))
                _verify(chart["meta"], instrument, span.symbol)
            except VendorFault as fault:
                failures.append(str(fault))
                continue
            with_prices, without = _bars(chart, instrument, window)
            bars.append(with_prices)
            rejected.extend(without)
            actions.append(_actions(chart, instrument, window))
        tables = {f"{instrument.asset_class}_bars": bars}
        if instrument.asset_class == "equity":
            tables["equity_actions"] = actions
        return FetchResult(
            id=instrument.id,
            origin="yahoo:" + ",".join(span.symbol for span in instrument.yahoo_spans),
            tables={name: pd.concat(parts, ignore_index=True) for name, parts in tables.items() if parts},
            rejected=tuple(rejected),
            failure="; ".join(failures) or None,
            since=since,
        )

    def _ask(self, symbol: str, window: _Window, zone: str, limiter: RateLimiter) -> dict[str, Any]:
        """Yahoo's chart of the symbol, as it came; `zone` turns the window into instants. Raises VendorFault."""
        session = self._session
        import yfinance
        from curl_cffi.requests.exceptions import RequestException
        from yfinance.data import YfData
        from yfinance.exceptions import YFException

        days: dict[str, Any] = {} if window.first else {"period": "max"}
        if window.first is not None:
            days["start"] = window.first - LEAD
        if window.last is not None:
            days["end"] = window.last + timedelta(days=1)
        # yfinance also keeps answers that were errors, and would repeat them to every further try.
        YfData.cache_get.cache_clear()
        session.start(symbol, limiter)
        ticker = yfinance.Ticker(symbol, session=session)
        # Otherwise yfinance asks for the zone first, which takes a second request for each new symbol, and writes it to
        # a file that its threads lock each other out of. An hour more or less is nothing to LEAD.
        ticker._tz = zone
        try:
            ticker.history(**days, auto_adjust=False, actions=True, keepna=True, repair=False, timeout=self._timeout)
        # yfinance walks through the answer unguarded, so one of another shape ends in any of the last five.
        except (YFException, RequestException, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise _fault(symbol, error, session.answer) from error
        chart: dict[str, Any] = session.answer.json()["chart"]["result"][0]
        return chart

    @cached_property
    def _session(self) -> Any:
        """The connection that all questions share; yfinance is told where its files go and to raise what it meets."""
        import yfinance

        self._cache.mkdir(parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(self._cache))
        yfinance.config.debug.hide_exceptions = False
        # All that it would log comes back as an exception, and in our words.
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        return _open_session(self._timeout)


def _open_session(timeout: float) -> Any:
    from curl_cffi import requests

    class Session(requests.Session[requests.Response]):  # type: ignore[misc]  # the type checker leaves curl_cffi out
        """Holds every request to the pace and to one timeout, and remembers, per thread, the last answer for a chart.

        An answer that asks everybody to wait ends the request there, as yfinance would ask again at once.
        """

        def __init__(self) -> None:
            super().__init__(impersonate="chrome")
            self._by_thread = threading.local()

        def start(self, symbol: str, limiter: RateLimiter) -> None:
            """The thread's next requests are about the symbol, and none of them has been answered."""
            self._by_thread.symbol, self._by_thread.limiter, self._by_thread.answer = symbol, limiter, None

        @property
        def answer(self) -> requests.Response | None:
            """None when the last request was not answered at all."""
            answer: requests.Response | None = self._by_thread.answer
            return answer

        def request(self, *args: Any, **kwargs: Any) -> requests.Response:
            kwargs["timeout"] = (min(CONNECT_TIMEOUT_SECONDS, timeout), timeout)
            self._by_thread.limiter.wait_for_turn()
            if "/v8/finance/chart/" not in kwargs["url"]:
                return super().request(*args, **kwargs)
            self._by_thread.answer = None
            answer = self._by_thread.answer = super().request(*args, **kwargs)
            if answer.status_code == 429 or (answer.status_code != 200 and "Retry-After" in answer.headers):
                raise _refusal(self._by_thread.symbol, answer)
            return answer

    return Session()


def _fault(symbol: str, error: Exception, answer: Any) -> VendorFault:
    """What an exception of yfinance means, given the last answer that came (None: no answer)."""
    from curl_cffi.requests.exceptions import RequestException
    from yfinance.exceptions import YFPricesMissingError

    if answer is not None and answer.status_code != 200:
        return _refusal(symbol, answer)
    if isinstance(error, RequestException):
        return _connection_fault(symbol, error)
    if isinstance(error, json.JSONDecodeError):
        return VendorFault(f"not JSON: Yahoo's answer for {symbol} cannot be read", is_passing=True)
    if isinstance(error, YFPricesMissingError):
        return VendorFault(f"no sessions: Yahoo knows {symbol} but sent none of the days asked for")
    problem = " ".join(str(error).split())
    return VendorFault(f"not a chart: Yahoo's answer for {symbol} has another shape ({problem})", is_passing=True)


def _refusal(symbol: str, answer: Any) -> VendorFault:
    """What an answer with a status other than 200 means."""
    return status_fault(
        "Yahoo", symbol, answer.status_code, _description(answer.text), answer.headers.get("Retry-After")
    )


def _connection_fault(symbol: str, error: Any) -> VendorFault:
    """What a missing answer means: nobody could be reached, nobody answered in time, or the line broke."""
    from curl_cffi.const import CurlECode
    from curl_cffi.requests.exceptions import DNSError, ProxyError, SSLError, Timeout

    # libcurl numbers both timeouts alike: only its text tells which one it was ("Connection timed out after ...").
    is_unconnected = isinstance(error, Timeout) and "Operation timed out" not in str(error)
    if is_unconnected or isinstance(error, (DNSError, ProxyError, SSLError)) or error.code == CurlECode.COULDNT_CONNECT:
        problem = str(error).partition(" See https://")[0].removeprefix("Failed to perform, ")
        return VendorFault(f"no connection: Yahoo cannot be reached ({problem})", is_general=True)
    if isinstance(error, Timeout):
        return VendorFault(f"timeout: Yahoo did not answer for {symbol}", is_passing=True)
    return VendorFault(f"connection lost: Yahoo broke off while answering for {symbol}", is_passing=True)


def _description(body: str) -> str:
    """Yahoo's own reason in the body of an error ({"chart" or "finance": {"error": ...}}), else how the body starts."""
    try:
        return str(next(iter(json.loads(body).values()))["error"]["description"])
    except (ValueError, AttributeError, StopIteration, KeyError, TypeError):
        return " ".join(body[:80].split())


def _verify(meta: dict[str, Any], instrument: Instrument, symbol: str) -> None:
    """Raises VendorFault unless the answer is about the instrument that was meant."""
    for what, got, wanted in (
        ("symbol", meta.get("symbol"), (symbol,)),
        ("instrumentType", meta["instrumentType"], _TYPES[instrument.kind]),
        ("currency", meta["currency"], (instrument.currency,)),
        ("exchangeTimezoneName", meta["exchangeTimezoneName"], _ZONES[instrument.calendar]),
    ):
        if got not in wanted:
            raise VendorFault(
                f"wrong {what}: Yahoo's answer for {symbol} says {got} instead of {' or '.join(sorted(wanted))}"
            )


def _bars(chart: dict[str, Any], instrument: Instrument, window: _Window) -> tuple[pd.DataFrame, list[UnparsedRow]]:
    """The sessions in the window in the bars contract's columns, and those without any price for the quarantine."""
    quote = chart["indicators"]["quote"][0]
    bars = pd.DataFrame(
        {
            "instrument_id": instrument.id,
            "session_date": _local_days(pd.Series(chart["timestamp"]), chart),
            **{name: pd.Series(quote[name], dtype="float64") for name in _PRICES},
            # Yahoo delivers dividends, so the total return is derived from them.
            "adj_close": float("nan"),
            "volume": pd.Series(quote["volume"], dtype="float64"),
        }
    )
    bars = bars[window.contains(bars["session_date"])]
    is_blank = bars[_PRICES].isna().all(axis=1)
    rejected = [
        UnparsedRow(
            payload=row.drop(labels="adj_close").to_json(date_format="iso"),
            reason="vendor sent the session without prices",
        )
        for _, row in bars[is_blank].iterrows()
    ]
    return bars[~is_blank].reset_index(drop=True), rejected


def _actions(chart: dict[str, Any], instrument: Instrument, window: _Window) -> pd.DataFrame:
    """The dividends and splits in the window, in the actions contract's columns, by date."""
    events = chart.get("events", {})
    dividends = pd.DataFrame(list(events.get("dividends", {}).values()), columns=["date", "amount"], dtype="float64")
    splits = pd.DataFrame(
        list(events.get("splits", {}).values()), columns=["date", "numerator", "denominator"], dtype="float64"
    )
    actions = pd.DataFrame(
        {
            "instrument_id": instrument.id,
            "ex_date": _local_days(pd.concat([dividends["date"], splits["date"]], ignore_index=True), chart),
            "kind": ["dividend"] * len(dividends) + ["split"] * len(splits),
            "value": pd.concat([dividends["amount"], splits["numerator"] / splits["denominator"]], ignore_index=True),
        }
    )
    return actions[window.contains(actions["ex_date"])].sort_values(["ex_date", "kind"], ignore_index=True)


def _local_days(seconds: pd.Series, chart: dict[str, Any]) -> pd.Series:
    """Instants (UTC seconds) as dates of the exchange's own clock."""
    instants = pd.to_datetime(seconds, unit="s", utc=True).dt.tz_convert(chart["meta"]["exchangeTimezoneName"])
    return instants.dt.tz_localize(None).dt.normalize()
