"""Yahoo and FRED on this machine: a proxy on 127.0.0.1 that answers in their place, over real TLS.

The code under test is not touched: yfinance, curl and requests only find a proxy and a certificate authority in their
environment, in this process or in a child. Here: the market that the stand-in sells, the faults that a test can set,
and the wire formats. What the project makes of them is for the tests.

    with VendorStandin(StandinMarket.for_universe(universe, sessions=days)) as standin:
        subprocess.run([...], env={**os.environ, **standin.environment})
        standin.faults["IWM"] = Fault("too_many_429", retry_after=1)
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np
import pandas as pd
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from assets.config.universe import Universe

COOKIE_HOST = "fc.yahoo.com"
CHART_HOSTS = ("query1.finance.yahoo.com", "query2.finance.yahoo.com")
FRED_HOST = "fred.stlouisfed.org"
HOSTS = (COOKIE_HOST, *CHART_HOSTS, FRED_HOST)

PRICES = ("open", "high", "low", "close")
Frequency = Literal["daily", "weekly", "monthly"]

FaultKind = Literal[
    # No proper answer.
    "not_found_404",
    "invalid_crumb_401",
    "too_many_429",
    "server_error_500",
    "timeout",
    "reset",
    "latency",
    "truncated_json",
    "html",
    "odd_shape",
    # Yahoo: a proper answer with something wrong in it.
    "empty_window",
    "null_rows",
    "all_nan_last_row",
    "duplicate_last_row",
    "zero_volume",
    "missing_volume",
    "x100",
    "negative_price",
    "wrong_symbol",
    "wrong_currency",
    "missing_session",
    "weekend_row",
    "descending",
    "shorter",
    "last_row_unfinished",
    # FRED: the same; "shorter" is known to both.
    "empty_body",
    "wrong_heading",
    "old_format",
    "garbled_rows",
]


@dataclass
class Fault:
    """What goes wrong with a symbol, a series or a host, `times` requests long (None: until it is taken away).

    A refusal (4xx, 5xx) makes yfinance ask a second time on its own, so `times=2` spoils one try of the project's;
    with 429, or with `retry_after`, the project does not let it. `retry_after` goes out with 429 and 500, as seconds or
    as a date. `seconds` is what "latency" adds, `day` what "missing_session" removes, `rows` what "shorter" leaves: the
    last so many of all that is sold.
    """

    kind: FaultKind
    times: int | None = None
    retry_after: float | datetime | None = None
    seconds: float = 0.0
    day: date = date.min
    rows: int = 0


@dataclass(frozen=True)
class StandinSymbol:
    """What Yahoo knows of a symbol. `bars`: columns date, open, high, low, close, volume, by date."""

    bars: pd.DataFrame
    dividends: Mapping[date, float] = field(default_factory=dict)
    splits: Mapping[date, tuple[int, int]] = field(default_factory=dict)
    currency: str | None = "USD"
    timezone: str = "America/New_York"
    instrument_type: str = "ETF"
    opens_at: time_of_day = time_of_day(9, 30)


@dataclass(frozen=True)
class StandinMarket:
    """All that the vendors sell: Yahoo's symbols, and FRED's series as (date, value or None if unknown)."""

    symbols: dict[str, StandinSymbol] = field(default_factory=dict)
    series: dict[str, list[tuple[date, float | None]]] = field(default_factory=dict)

    @classmethod
    def for_universe(cls, universe: Universe, *, sessions: Sequence[date], end: date | None = None) -> StandinMarket:
        """A small market with every symbol and series of the universe."""
        return cls.small(
            [span.symbol for instrument in universe.instruments for span in instrument.yahoo_spans],
            [series.fred_id for series in universe.series if series.fred_id is not None],
            sessions=sessions,
            end=end,
            frequencies={series.fred_id: series.frequency for series in universe.series if series.fred_id is not None},
        )

    @classmethod
    def small(
        cls,
        symbols: Iterable[str],
        series_ids: Iterable[str] = (),
        *,
        sessions: Sequence[date],
        end: date | None = None,
        frequencies: Mapping[str, Frequency] | None = None,
    ) -> StandinMarket:
        """A random walk per name, the same one every time.

        `sessions` are the days of the equity market; coins (symbols like BTC-USD) trade every day from the first of
        them to `end` (the last of them, if not given). Funds pay a dividend on the first session of each quarter,
        indices (^...) neither pay nor have a volume. Series are daily on the sessions unless `frequencies` says so.
        """
        every_day = pd.date_range(sessions[0], end or sessions[-1])
        weekdays = pd.DatetimeIndex(list(sessions))
        calendars: dict[Frequency, pd.DatetimeIndex] = {
            "daily": weekdays,
            "weekly": every_day[every_day.day_of_week == 2],
            "monthly": every_day[every_day.day == 1],
        }
        return cls(
            symbols={symbol: _small_symbol(symbol, weekdays, every_day) for symbol in symbols},
            series={
                series_id: _small_series(series_id, calendars[(frequencies or {}).get(series_id, "daily")])
                for series_id in series_ids
            },
        )

    def split(self, symbol: str, day: date, numerator: int, denominator: int) -> None:
        """Let a split take effect on `day`: `numerator` new shares for `denominator` old ones.

        As Yahoo does, all before that day is stated in new shares from now on: prices, dividends and volume. What was
        traded from that day on is left alone, as it was traded in new shares.
        """
        known = self.symbols[symbol]
        ratio = numerator / denominator
        is_before = known.bars["date"].dt.date < day
        bars = known.bars.copy()
        bars.loc[is_before, list(PRICES)] = (
            (bars.loc[is_before, list(PRICES)] / ratio).astype("float32").astype("float64")
        )
        bars.loc[is_before, "volume"] = np.round(bars.loc[is_before, "volume"] * ratio)
        self.symbols[symbol] = replace(
            known,
            bars=bars,
            dividends={paid: sum_ / ratio if paid < day else sum_ for paid, sum_ in known.dividends.items()},
            splits={**known.splits, day: (numerator, denominator)},
        )


def weekdays(start: date, end: date, holidays: Iterable[date] = ()) -> list[date]:
    """Monday to Friday from `start` to `end`, both inclusive, without the holidays."""
    return [day.date() for day in pd.bdate_range(start, end) if day.date() not in set(holidays)]


def _small_symbol(symbol: str, weekdays: pd.DatetimeIndex, every_day: pd.DatetimeIndex) -> StandinSymbol:
    is_coin, is_index = symbol.endswith("-USD"), symbol.startswith("^")
    days = every_day if is_coin else weekdays
    chance = np.random.default_rng(zlib.crc32(symbol.encode()))
    close = 100 * np.exp(np.cumsum(chance.normal(0.0003, 0.03 if is_coin else 0.01, len(days))))
    opening = close * np.exp(chance.normal(0, 0.003, len(days)))
    bars = pd.DataFrame(
        {
            "date": days,
            "open": opening,
            "high": np.maximum(opening, close) * 1.004,
            "low": np.minimum(opening, close) * 0.996,
            "close": close,
            "volume": np.zeros(len(days)) if is_index else chance.integers(1_000_000, 9_000_000, len(days)) * 1.0,
        }
    )
    # Yahoo keeps prices as float32 and prints them as float64.
    bars[list(PRICES)] = bars[list(PRICES)].astype("float32").astype("float64")
    if is_coin:
        return StandinSymbol(bars, timezone="UTC", instrument_type="CRYPTOCURRENCY", opens_at=time_of_day(0))
    if is_index:
        return StandinSymbol(bars, instrument_type="INDEX")
    quarters = pd.Series(days, index=days).groupby(days.to_period("Q")).first()
    return StandinSymbol(bars, dividends={day.date(): 0.3 for day in quarters[1:]})


def _small_series(series_id: str, days: pd.DatetimeIndex) -> list[tuple[date, float | None]]:
    chance = np.random.default_rng(zlib.crc32(series_id.encode()))
    values = np.round(100 + np.cumsum(chance.normal(0, 0.2, len(days))), 2)
    return [(day.date(), float(value)) for day, value in zip(days, values, strict=True)]


def forget_vendors() -> None:
    """Put yfinance back to the state of a process that has not used it: it keeps its connection and caches for life."""
    if "yfinance" not in sys.modules:
        return
    from yfinance import cache as yfinance_cache
    from yfinance.data import SingletonMeta

    SingletonMeta._instances.clear()
    yfinance_cache._TzCacheManager._tz_cache = None
    yfinance_cache._TzDBManager._db = None
    yfinance_cache._CookieCacheManager._Cookie_cache = None
    yfinance_cache._CookieDBManager._db = None


@dataclass(frozen=True)
class Request:
    """A request that arrived: `query` is decoded, `at` is monotonic seconds."""

    host: str
    path: str
    query: Mapping[str, str]
    at: float


class VendorStandin:
    """The running stand-in. A context manager: inside it, `environment` leads any process to it.

    `requests` is what arrived so far. `faults` maps a Yahoo symbol, a FRED id or a host to what is wrong with it; it
    may be changed at any time.
    """

    def __init__(self, market: StandinMarket) -> None:
        self.market = market
        self.requests: list[Request] = []
        self.faults: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> VendorStandin:
        self._folder = tempfile.TemporaryDirectory(prefix="standin-")
        authority, chain = _certificates()
        authority_file, chain_file = Path(self._folder.name, "authority.pem"), Path(self._folder.name, "chain.pem")
        authority_file.write_bytes(authority)
        chain_file.write_bytes(chain)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(chain_file)
        tls.set_alpn_protocols(["http/1.1"])
        self._server = _Server(self, tls)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        proxy = f"http://127.0.0.1:{self._server.server_port}"
        here = "127.0.0.1,localhost"
        trust = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(authority_file))
        self.environment = {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": here,
            "no_proxy": here,
            **trust,
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def asked(self, name: str) -> list[Request]:
        """The requests so far for the Yahoo symbol's chart, or for the FRED series."""
        return [r for r in self.requests if r.path.endswith(f"/chart/{name}") or r.query.get("id") == name]

    def take_fault(self, *names: str) -> Fault | None:
        """The fault of the first of the names that has one, used up by one."""
        with self._lock:
            name = next((name for name in names if name in self.faults), None)
            if name is None:
                return None
            fault = self.faults[name]
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self.faults[name]
            return fault


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = "application/json;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, standin: VendorStandin, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.standin = standin
        self.tls = tls
        self.closing = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    """One connection: a CONNECT, then requests over TLS for the host that it named."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    host = ""

    def handle(self) -> None:
        # Clients hang up as they please: that is no fault of a test.
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError, ValueError):
            super().handle()

    def finish(self) -> None:
        # The server only knows, and closes, the plain socket.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.host = self.path.partition(":")[0]
        if self.host not in HOSTS:
            self.send_error(502, "not a vendor of the stand-in")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path), dict(parse_qsl(url.query))
        standin = self.server.standin
        standin.requests.append(Request(self.host, path, query, time.monotonic()))
        name = query.get("id", "") if self.host == FRED_HOST else path.rpartition("/")[2]
        fault = standin.take_fault(name, self.host)
        kind = fault.kind if fault is not None else None
        if kind == "timeout":
            self.server.closing.wait(30)
        if kind in ("timeout", "reset"):
            self._hang_up()
            return
        if fault is not None and kind == "latency":
            time.sleep(fault.seconds)
        answer = _refusal(fault) if fault is not None else None
        if answer is None:
            answer = self._answer(path, query, fault)
        if kind == "truncated_json":
            answer = _Answer(answer.status, answer.body[: len(answer.body) // 2], answer.content_type)
        self.send_response(answer.status)
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def _answer(self, path: str, query: dict[str, str], fault: Fault | None) -> _Answer:
        market = self.server.standin.market
        if self.host == COOKIE_HOST:
            # The real host has no page either; it is requested for its cookie.
            cookie = "A3=d=standin&S=standin; Max-Age=31557600; Domain=.yahoo.com; Path=/; SameSite=None; Secure"
            return _Answer(404, b"", "text/html", {"Set-Cookie": cookie})
        if self.host == FRED_HOST and path == "/graph/fredgraph.csv":
            return _observations(market, query, fault)
        if self.host in CHART_HOSTS and path == "/v1/test/getcrumb":
            return _Answer(200, b"standincrumb", "text/plain;charset=utf-8")
        if self.host in CHART_HOSTS and path.startswith("/v8/finance/chart/"):
            return _chart(market, path.removeprefix("/v8/finance/chart/"), query, fault)
        return _Answer(404, b"not at the stand-in", "text/plain")

    def _hang_up(self) -> None:
        """Break the connection off without a TLS farewell, as a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _refusal(fault: Fault) -> _Answer | None:
    wait = {} if fault.retry_after is None else {"Retry-After": _retry_after(fault.retry_after)}
    match fault.kind:
        case "not_found_404":
            return _chart_error(404, "Not Found", "No data found, symbol may be delisted")
        case "invalid_crumb_401":
            error = {"code": "Unauthorized", "description": "Invalid Crumb"}
            return _Answer(401, json.dumps({"finance": {"result": None, "error": error}}).encode())
        case "too_many_429":
            return _Answer(429, b"Edge: Too Many Requests", "text/plain", wait)
        case "server_error_500":
            return _Answer(500, b"Internal Server Error", "text/plain", wait)
        case "html":
            return _Answer(200, b"<!DOCTYPE html><html><body>Be right with you</body></html>", "text/html")
        case "odd_shape":
            return _Answer(200, json.dumps({"chart": {"result": [{"meta": {}}], "error": None}}).encode())
        case "empty_body":
            return _Answer(200, b"", "text/csv")
    return None


def _retry_after(wait: float | datetime) -> str:
    return format_datetime(wait, usegmt=True) if isinstance(wait, datetime) else f"{wait:g}"


def _chart_error(status: int, code: str, description: str) -> _Answer:
    body = {"chart": {"result": None, "error": {"code": code, "description": description}}}
    return _Answer(status, json.dumps(body).encode())


def _chart(market: StandinMarket, name: str, query: dict[str, str], fault: Fault | None) -> _Answer:
    """Yahoo's /v8/finance/chart/SYMBOL: the rows whose opening falls into period1 to period2 (UTC seconds)."""
    symbol = market.symbols.get(name)
    if symbol is None:
        return _chart_error(404, "Not Found", "No data found, symbol may be delisted")
    bars = _spoiled(symbol.bars, fault) if fault is not None else symbol.bars
    bars = bars.assign(
        at=_seconds(bars["date"], symbol), adjclose=bars["close"] * _dividend_factor(bars, symbol.dividends)
    )
    if fault is not None and fault.kind == "duplicate_last_row":
        # While or after a session Yahoo appends the last trade as a row of its own, at the time of that trade.
        live = bars.iloc[[-1]]
        bars = pd.concat([bars, live.assign(at=live["at"] + 6 * 3600, volume=live["volume"] + 100)], ignore_index=True)
    meta = _meta(name, symbol, fault)
    if "period1" in query:
        start, end = int(query["period1"]), int(query["period2"])
        if start > end:
            reason = f"Invalid input - start date cannot be after end date. startDate = {start}, endDate = {end}"
            return _chart_error(400, "Bad Request", reason)
        if end < meta["firstTradeDate"]:
            reason = f"Data doesn't exist for startDate = {start}, endDate = {end}"
            return _chart_error(400, "Bad Request", reason)
        bars = bars[bars["at"].between(start, end)]
    else:
        bars = bars.tail(1)
        start, end = int(bars["at"].iloc[0]), int(bars["at"].iloc[-1])
    if fault is not None and fault.kind == "descending":
        bars = bars[::-1]
    if bars.empty or (fault is not None and fault.kind == "empty_window"):
        result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
    else:
        quote = {name: _with_nulls(bars[name]) for name in (*PRICES, "volume")}
        result = {
            "meta": meta,
            "timestamp": [int(second) for second in bars["at"]],
            **_events(symbol, query.get("events", ""), start, end),
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": _with_nulls(bars["adjclose"])}]},
        }
    return _Answer(200, json.dumps({"chart": {"result": [result], "error": None}}).encode())


def _seconds(days: pd.Series, symbol: StandinSymbol) -> pd.Series:
    """The UTC seconds at which the sessions open."""
    opens = pd.Timedelta(hours=symbol.opens_at.hour, minutes=symbol.opens_at.minute)
    instants = (pd.to_datetime(days) + opens).dt.tz_localize(symbol.timezone).dt.tz_convert("UTC")
    return instants.dt.tz_localize(None).astype("datetime64[s]").astype("int64")


def _with_nulls(values: pd.Series) -> list[float | int | None]:
    if values.name == "volume":
        return [None if np.isnan(value) else int(value) for value in values]
    return [None if np.isnan(value) else float(value) for value in values]


def _dividend_factor(bars: pd.DataFrame, dividends: Mapping[date, float]) -> pd.Series:
    """What the close is multiplied by for the adjusted close: 1 - D / previous close for each later ex-date."""
    dividend = bars["date"].dt.date.map(dividends).fillna(0.0)
    factor = 1 - (dividend / bars["close"].shift()).fillna(0.0)
    later: pd.Series = factor[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
    return later


def _events(symbol: StandinSymbol, asked: str, start: int, end: int) -> dict[str, Any]:
    """The dividends and splits in the window, keyed by their second, as the question's `events` names them."""
    dividends = [(at, {"amount": symbol.dividends[day], "date": at}) for day, at in _stamped(symbol.dividends, symbol)]
    splits = [
        (at, {"date": at, "numerator": new, "denominator": old, "splitRatio": f"{new}:{old}"})
        for day, at in _stamped(symbol.splits, symbol)
        for new, old in [symbol.splits[day]]
    ]
    events = {
        name: {str(at): event for at, event in found if start <= at <= end}
        for name, word, found in (("dividends", "div", dividends), ("splits", "split", splits))
        if word in asked
    }
    events = {name: found for name, found in events.items() if found}
    return {"events": events} if events else {}


def _stamped(days: Iterable[date], symbol: StandinSymbol) -> list[tuple[date, int]]:
    listed = sorted(days)
    seconds = _seconds(pd.Series(listed, dtype="datetime64[ns]"), symbol)
    return [(day, int(at)) for day, at in zip(listed, seconds, strict=True)]


def _meta(name: str, symbol: StandinSymbol, fault: Fault | None) -> dict[str, Any]:
    kind = fault.kind if fault is not None else None
    seconds = _seconds(symbol.bars["date"].iloc[[0, -1]], symbol)
    first, last = int(seconds.iloc[0]), int(seconds.iloc[-1])
    bar = symbol.bars.iloc[-1]
    opened = pd.Timestamp(last, unit="s", tz="UTC").tz_convert(symbol.timezone)
    zone = {"timezone": opened.tzname(), "gmtoffset": int((opened.utcoffset() or timedelta()).total_seconds())}
    session = 6 * 3600 + 1800 if symbol.timezone != "UTC" else 86_340
    return {
        "currency": "GBp" if kind == "wrong_currency" else symbol.currency,
        "symbol": f"{name}2" if kind == "wrong_symbol" else name,
        "exchangeName": "PCX",
        "fullExchangeName": "NYSEArca",
        "instrumentType": symbol.instrument_type,
        "firstTradeDate": first,
        "regularMarketTime": last + session,
        "hasPrePostMarketData": symbol.timezone != "UTC",
        **zone,
        "exchangeTimezoneName": symbol.timezone,
        "regularMarketPrice": round(float(bar["close"]), 2),
        "regularMarketDayHigh": round(float(bar["high"]), 2),
        "regularMarketDayLow": round(float(bar["low"]), 2),
        "regularMarketVolume": int(bar["volume"]),
        "longName": f"{name} of the stand-in",
        "shortName": name,
        "chartPreviousClose": round(float(bar["open"]), 2),
        "priceHint": 2,
        "currentTradingPeriod": {
            "pre": {"start": last - 19_800, "end": last, **zone},
            "regular": {"start": last, "end": last + session, **zone},
            "post": {"start": last + session, "end": last + session + 14_400, **zone},
        },
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }


def _spoiled(bars: pd.DataFrame, fault: Fault) -> pd.DataFrame:
    """The bars with the fault in them. Where a single row is meant it is the last but one, else the last."""
    bars = bars.astype({"volume": "float64"}).reset_index(drop=True)
    last, before = bars.index[-1], bars.index[-2]
    prices = list(PRICES)
    match fault.kind:
        case "null_rows":
            # Two sessions without anything, one that lacks its opening only.
            bars.loc[[before, before - 2], [*prices, "volume"]] = np.nan
            bars.loc[before - 4, "open"] = np.nan
        case "all_nan_last_row":
            bars.loc[last, [*prices, "volume"]] = np.nan
        case "zero_volume":
            bars.loc[last, "volume"] = 0
        case "missing_volume":
            bars.loc[last, "volume"] = np.nan
        case "x100":
            bars.loc[before, prices] *= 100
        case "negative_price":
            bars.loc[before, ["low", "close"]] *= -1
        case "missing_session":
            bars = bars[bars["date"].dt.date != fault.day]
        case "weekend_row":
            # A stale copy of Friday on the last Saturday before the end.
            friday = bars[bars["date"].dt.day_of_week == 4].iloc[[-1]]
            saturday = friday.assign(date=friday["date"] + pd.Timedelta(days=1))
            bars = pd.concat([bars, saturday]).sort_values("date")
        case "shorter":
            bars = bars.tail(fault.rows)
        case "last_row_unfinished":
            # The session is an hour old: its price has hardly moved, and little has been traded.
            opening = bars.loc[last, "open"]
            bars.loc[last, prices] = [opening, opening * 1.002, opening * 0.999, opening * 1.001]
            bars.loc[last, "volume"] = bars.loc[last, "volume"] // 6
    return bars.reset_index(drop=True)


def _observations(market: StandinMarket, query: dict[str, str], fault: Fault | None) -> _Answer:
    """FRED's fredgraph.csv from `cosd` on."""
    kind = fault.kind if fault is not None else None
    series_id = query["id"]
    if series_id not in market.series or kind == "not_found_404":
        return _Answer(404, b"<!DOCTYPE html><html><body>Not found</body></html>", "text/html")
    start = date.fromisoformat(query.get("cosd", "0001-01-01"))
    sold = market.series[series_id]
    if fault is not None and kind == "shorter":
        sold = sold[len(sold) - fault.rows :]
    is_old = kind == "old_format"
    lines = [
        f"{day},{('.' if is_old else '') if value is None else f'{value:g}'}" for day, value in sold if day >= start
    ]
    if kind == "garbled_rows":
        lines += ["2026-13-45,1.5", "2026-01-05,n/a", "2026-01-06"]
    heading = f"{'DATE' if is_old else 'observation_date'},{'OTHER' if kind == 'wrong_heading' else series_id}"
    return _Answer(200, "\n".join([heading, *lines, ""]).encode(), "application/csv")


@cache
def _certificates() -> tuple[bytes, bytes]:
    """An authority's certificate, and key and chain of a server that it vouches for, as PEM; one pair per process."""
    now = datetime.now(UTC)
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stand-in authority")])

    def certificate(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )

    authority = (
        certificate(authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        certificate(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, COOKIE_HOST)]), server_key)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    return authority.public_bytes(pem), key + server.public_bytes(pem) + authority.public_bytes(pem)
