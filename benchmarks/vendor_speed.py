"""Measures fetching many symbols from Yahoo: the live source against a script that fetches one symbol at a time.

    .venv/bin/python benchmarks/vendor_speed.py [--symbols 100] [--latency 0.2]

Yahoo is replaced by a local stand-in in a separate process, which waits for the latency before each answer. Both use
the real yfinance with empty caches. Prints wall seconds, the number of requests, and the most requests that the live
source started in any window, compared with its own limit. Exits with an error if a row was lost.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import pandas as pd

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests" / "support"))

from standin import CHART_HOSTS, COOKIE_HOST, Fault, StandinMarket, VendorStandin, forget_vendors, weekdays  # noqa: E402

from assets.config.universe import Instrument, load_universe  # noqa: E402
from assets.sources.base import FetchRequest  # noqa: E402
from assets.sources.live import YAHOO_LIMITS, LiveSource  # noqa: E402
from assets.sources.retry import RateLimiter  # noqa: E402

SESSIONS = weekdays(date(2024, 12, 2), date(2025, 11, 28))


def market(symbols: list[str]) -> StandinMarket:
    """A year of bars for each symbol."""
    return StandinMarket.small(symbols, sessions=SESSIONS)


def serve(symbols: list[str], latency: float, line: Connection) -> None:
    """Run the stand-in until "end" arrives.

    Args:
        symbols: The symbols that it has.
        latency: Seconds before each answer.
        line: The other end of the pipe. It sends "requests" to get the number of requests since the last time.
    """
    with VendorStandin(market(symbols)) as standin:
        for host in (COOKIE_HOST, *CHART_HOSTS):
            standin.faults[host] = Fault("latency", seconds=latency)
        line.send(standin.environment)
        while line.recv() == "requests":
            line.send(len(standin.requests))
            standin.requests.clear()


@contextmanager
def vendor(symbols: list[str], latency: float) -> Iterator[Connection]:
    """Start the stand-in in a separate process and direct this process to it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(symbols, latency, theirs))
    process.start()
    os.environ.update(ours.recv())
    try:
        yield ours
    finally:
        ours.send("end")
        process.join()


def one_at_a_time(symbols: list[str], cache: Path) -> dict[str, pd.DataFrame]:
    """What a simple script does with yfinance: one symbol after the other."""
    import yfinance

    yfinance.set_tz_cache_location(str(cache))
    histories = {}
    for symbol in symbols:
        history = yfinance.Ticker(symbol).history(period="max", auto_adjust=False)
        histories[symbol] = history.reset_index().rename(columns=str.lower)
    return histories


class WatchedPace(RateLimiter):
    """Records when each request started: the time that its thread last read from the clock before its turn."""

    starts: ClassVar[list[float]] = []
    last_read = threading.local()

    @classmethod
    def clock(cls) -> float:
        """Monotonic seconds."""
        cls.last_read.at = now = time.monotonic()
        return now

    def wait_for_turn(self) -> None:
        super().wait_for_turn()
        self.starts.append(self.last_read.at)


def live_source(symbols: list[str], cache: Path) -> dict[str, pd.DataFrame]:
    """What Cascade does."""
    funds = (
        Instrument(id=symbol, name=symbol, asset_class="equity", kind="fund", role="us_large_cap", yahoo=symbol)
        for symbol in symbols
    )
    universe = load_universe().model_copy(update={"instruments": tuple(funds)})
    with patch("assets.sources.live.RateLimiter", WatchedPace):
        source = LiveSource(universe, cache, clock=WatchedPace.clock)
    deliveries = source.fetch(FetchRequest("equity"))
    return {delivery.id: delivery.tables["equity_bars"] for delivery in deliveries if delivery.failure is None}


def lost(sold: StandinMarket, got: dict[str, pd.DataFrame]) -> list[str]:
    """The symbols whose rows are not exactly those of the stand-in."""
    columns = ["open", "high", "low", "close", "volume"]
    return [
        symbol
        for symbol, known in sold.symbols.items()
        if symbol not in got or not got[symbol][columns].astype("float64").equals(known.bars[columns])
    ]


def most_in_any(seconds: float, starts: list[float]) -> int:
    """The largest number of starts within any window of that many seconds."""
    return max(sum(1 for start in starts if first <= start < first + seconds) for first in starts)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.2)
    arguments = parser.parse_args()
    symbols = [f"S{number:03}" for number in range(arguments.symbols)]
    sold = market(symbols)
    seconds = {}
    # The imports are not what is measured.
    import yfinance  # noqa: F401

    with vendor(symbols, arguments.latency) as line:
        for fetch in (one_at_a_time, live_source):
            forget_vendors()
            with tempfile.TemporaryDirectory() as cache:
                begin = time.perf_counter()
                got = fetch(symbols, Path(cache))
                seconds[fetch] = time.perf_counter() - begin
            if missing := lost(sold, got):
                sys.exit(f"{fetch.__name__} lost rows of {', '.join(missing)}")
            line.send("requests")
            requests, rows = line.recv(), sum(map(len, got.values()))
            print(f"{fetch.__name__:14} {seconds[fetch]:6.1f} s  {requests} requests, {rows} rows, none lost")
    print(f"{seconds[one_at_a_time] / seconds[live_source]:.1f} times as fast")
    for most, window in YAHOO_LIMITS:
        print(f"most starts within {window:g} s: {most_in_any(window, WatchedPace.starts)} (limit {most})")


if __name__ == "__main__":
    main()
