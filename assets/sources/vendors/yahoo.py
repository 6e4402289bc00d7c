"""Yahoo: daily bars, dividends and splits through yfinance, which no other module imports.

Here: requesting one instrument, explaining what went wrong, and turning the answer into the columns of the raw
contracts. Whether a price is plausible, and which of two rows for one session is right, is not decided here.

yfinance sends the request (cookies, crumbs, consent, browser fingerprint) and reports errors. The answer is read as
Yahoo sent it, not from yfinance's frame: that has 0 for an unknown volume, one row where Yahoo sent two, and moves a
dividend whose session is missing to the session before.
"""

from __future__ import annotations

import json
import logging
import threading
import warnings
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
# Requests start this long before the first requested day. No market is closed for a week, so an answer without any
# session is always a fault and never just a long weekend.
LEAD = timedelta(days=7)

_PRICES = ["open", "high", "low", "close"]
_TYPES = {"index": {"INDEX"}, "fund": {"ETF", "MUTUALFUND"}, "share": {"EQUITY"}, "coin": {"CRYPTOCURRENCY"}}
# The expected zone first. Indices of the Cboe are in Chicago time; their sessions have the same dates.
_ZONES = {"XNYS": ("America/New_York", "America/Chicago"), "CRYPTO": ("UTC",)}


@dataclass(frozen=True)
class _Window:
    """The requested days of one symbol, both inclusive; None means open-ended."""

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
    """Fetches one instrument at a time. Several threads may share it once the first answer has arrived."""

    def __init__(self, cache: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        """Keep yfinance's cookies in `cache` (the first folder of a process counts), and wait `timeout` seconds."""
        self._cache = cache
        self._timeout = timeout

    def fetch(self, instrument: Instrument, since: date | None, retrier: Retrier) -> FetchResult:
        """Fetch the bars of an instrument, and for equity its dividends and splits.

        A renamed instrument is requested under each of its symbols that were valid on the requested days.

        Args:
            instrument: The instrument; it must have a Yahoo symbol.
            since: The first day to fetch; None for the full history.
            retrier: Repeats failed requests and limits their rate.

        Returns:
            The rows. A fault of the vendor is never raised: `failure` says what is missing and why.
        """
        bars, actions, unparsed = [], [], []
        faults: list[VendorFault] = []
        for span in instrument.yahoo_spans:
            window = _Window(
                first=max((day for day in (since, span.valid_from) if day is not None), default=None),
                last=min((day for day in (span.valid_to, instrument.valid_to) if day is not None), default=None),
            )
            if window.is_empty:
                continue
            try:
                zone = _ZONES[instrument.calendar][0]
                chart = retrier.call(partial(self._request, span.symbol, window, zone, retrier.limiter))
                _verify(chart["meta"], instrument, span.symbol)
            except VendorFault as fault:
                faults.append(fault)
                continue
            with_prices, without = _bars(chart, instrument, window)
            bars.append(with_prices)
            unparsed.extend(without)
            actions.append(_actions(chart, instrument, window))
        tables = {f"{instrument.asset_class}_bars": bars}
        if instrument.asset_class == "equity":
            tables["equity_actions"] = actions
        return FetchResult(
            id=instrument.id,
            origin="yahoo:" + ",".join(span.symbol for span in instrument.yahoo_spans),
            tables={name: pd.concat(parts, ignore_index=True) for name, parts in tables.items() if parts},
            unparsed=tuple(unparsed),
            failure="; ".join(map(str, faults)) or None,
            may_pass=bool(faults) and all(fault.may_pass for fault in faults),
            since=since,
        )

    def _request(self, symbol: str, window: _Window, zone: str, limiter: RateLimiter) -> dict[str, Any]:
        """Yahoo's chart of the symbol as it was sent; `zone` turns the window into instants. Raises VendorFault."""
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
        # yfinance caches errors too, and would return them to every further attempt.
        YfData.cache_get.cache_clear()
        session.start(symbol, limiter)
        ticker = yfinance.Ticker(symbol, session=session)
        # Otherwise yfinance requests the zone first, with a second request for each new symbol, and writes it to a file
        # from which its threads lock each other out. An hour more or less does not matter, because of LEAD.
        ticker._tz = zone
        try:
            ticker.history(**days, auto_adjust=False, actions=True, keepna=True, repair=False, timeout=self._timeout)
        # yfinance reads the answer without checks, so an unexpected shape raises any of the last five.
        except (YFException, RequestException, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise _fault(symbol, error, session.answer) from error
        chart: dict[str, Any] = session.answer.json()["chart"]["result"][0]
        return chart

    @cached_property
    def _session(self) -> Any:
        """The connection that all requests share. yfinance is set up to use the cache folder and to raise errors."""
        import yfinance

        # yfinance 1.7 shows the warnings of its own code, which uses what pandas 4 will not have.
        warnings.filterwarnings("ignore", category=pd.errors.Pandas4Warning, module="^yfinance")
        self._cache.mkdir(parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(self._cache))
        yfinance.config.debug.hide_exceptions = False
        # Everything that it would log is raised as an exception too.
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        return _open_session(self._timeout)


def _open_session(timeout: float) -> Any:
    from curl_cffi import requests

    class Session(requests.Session[requests.Response]):  # type: ignore[misc]  # the type checker leaves curl_cffi out
        """Applies rate limit and timeout to every request, and keeps the last answer for a chart per thread.

        An answer that asks to wait is raised at once, because yfinance would repeat the request immediately.
        """

        def __init__(self) -> None:
            super().__init__(impersonate="chrome")
            self._by_thread = threading.local()

        def start(self, symbol: str, limiter: RateLimiter) -> None:
            """Begin the requests of this thread for a symbol."""
            self._by_thread.symbol, self._by_thread.limiter, self._by_thread.answer = symbol, limiter, None

        @property
        def answer(self) -> requests.Response | None:
            """The last answer for a chart; None if the last request got no answer."""
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
                raise _error_status(self._by_thread.symbol, answer)
            return answer

    return Session()


def _fault(symbol: str, error: Exception, answer: Any) -> VendorFault:
    """The fault that an exception of yfinance means, given the last answer (None: no answer)."""
    from curl_cffi.requests.exceptions import RequestException
    from yfinance.exceptions import YFPricesMissingError

    if answer is not None and answer.status_code != 200:
        return _error_status(symbol, answer)
    if isinstance(error, RequestException):
        return _connection_fault(symbol, error)
    if isinstance(error, json.JSONDecodeError):
        return VendorFault(f"not JSON: Yahoo's answer for {symbol} cannot be read", is_passing=True)
    if isinstance(error, YFPricesMissingError):
        return VendorFault(f"no sessions: Yahoo knows {symbol} but sent none of the requested days")
    problem = " ".join(str(error).split())
    return VendorFault(f"not a chart: Yahoo's answer for {symbol} has an unexpected shape ({problem})", is_passing=True)


def _error_status(symbol: str, answer: Any) -> VendorFault:
    """The fault that a status other than 200 means."""
    return status_fault(
        "Yahoo", symbol, answer.status_code, _description(answer.text), answer.headers.get("Retry-After")
    )


def _connection_fault(symbol: str, error: Any) -> VendorFault:
    """The fault that a missing answer means: no connection, a timeout, or a broken connection."""
    from curl_cffi.const import CurlECode
    from curl_cffi.requests.exceptions import DNSError, ProxyError, SSLError, Timeout

    # libcurl uses one code for both timeouts. Only its text says which one it was ("Connection timed out after ...").
    is_unconnected = isinstance(error, Timeout) and "Operation timed out" not in str(error)
    if is_unconnected or isinstance(error, (DNSError, ProxyError, SSLError)) or error.code == CurlECode.COULDNT_CONNECT:
        problem = str(error).partition(" See https://")[0].removeprefix("Failed to perform, ")
        return VendorFault(f"no connection: Yahoo cannot be reached ({problem})", is_general=True)
    if isinstance(error, Timeout):
        return VendorFault(f"timeout: Yahoo did not answer for {symbol}", is_passing=True)
    return VendorFault(f"connection lost: Yahoo closed the connection while answering for {symbol}", is_passing=True)


def _description(body: str) -> str:
    """Yahoo's reason in the body of an error ({"chart" or "finance": {"error": ...}}), else the start of the body."""
    try:
        return str(next(iter(json.loads(body).values()))["error"]["description"])
    except (ValueError, AttributeError, StopIteration, KeyError, TypeError):
        return " ".join(body[:80].split())


def _verify(meta: dict[str, Any], instrument: Instrument, symbol: str) -> None:
    """Raises VendorFault unless the answer is about the requested instrument."""
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
    """The sessions in the window in the columns of the raw contract, and those without a price, for the quarantine."""
    quote = chart["indicators"]["quote"][0]
    bars = pd.DataFrame(
        {
            "instrument_id": instrument.id,
            "session_date": _local_days(pd.Series(chart["timestamp"]), chart),
            **{name: pd.Series(quote[name], dtype="float64") for name in _PRICES},
            # The total return is derived from the dividends, which Yahoo sends too.
            "adj_close": float("nan"),
            "volume": pd.Series(quote["volume"], dtype="float64"),
        }
    )
    bars = bars[window.contains(bars["session_date"])]
    is_blank = bars[_PRICES].isna().all(axis=1)
    unparsed = [
        UnparsedRow(
            payload=row.drop(labels="adj_close").to_json(date_format="iso"),
            reason="vendor sent the session without prices",
        )
        for _, row in bars[is_blank].iterrows()
    ]
    return bars[~is_blank].reset_index(drop=True), unparsed


def _actions(chart: dict[str, Any], instrument: Instrument, window: _Window) -> pd.DataFrame:
    """The dividends and splits in the window, in the columns of the raw contract, by date."""
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
    """Instants (UTC seconds) as dates in the time zone of the exchange."""
    instants = pd.to_datetime(seconds, unit="s", utc=True).dt.tz_convert(chart["meta"]["exchangeTimezoneName"])
    return instants.dt.tz_localize(None).dt.normalize()
