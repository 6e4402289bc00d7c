"""The live source: what the universe names, asked of its vendors now.

Here: who is asked for what, in which order, how many at once and how fast. How a vendor is asked and what its answer
means stands in the vendor's module; what a run that was cut short leaves to the next one in `response_cache`. Groups of
shares and market values have no live vendor and come from files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from assets.config.universe import Instrument, Series, Universe
from assets.sources.base import AssetClass, FetchRequest, FetchResult, SourceError
from assets.sources.response_cache import ResponseCache, VendorRequest
from assets.sources.retry import RateLimiter, Retrier
from assets.sources.vendors import fred, yahoo

# An answer takes Yahoo a fifth of a second to a whole one, nearly all of it waiting. More at once gain little, as what
# yfinance makes of the answers takes as long (benchmarks/vendor_speed.py), and look like a crawler.
YAHOO_WORKERS = 8
# Yahoo publishes no limit, so these are manners. A fortieth of a second between two starts is no volley, and keeps the
# workers busy when answers are quick. In the long run it is four a second; a minute's worth may go at once, which is
# more than two hundred symbols at one request each.
YAHOO_LIMITS = ((1, 0.025), (240, 60.0))


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LiveSource:
    """Yahoo for prices, FRED for macro series.

    `cache` is a folder for yfinance's cookies, and for what was fetched and not stored yet. The
    environment variable CASCADE_FRED_DELAY_SECONDS replaces FRED's crawl delay, which is for runs against a stand-in of
    FRED only. `sleep` and `clock` (monotonic seconds) take the place of the real ones in tests, as do `now` and
    `timeout` (seconds per answer).

    Raises SourceError if the environment variable is not a number of seconds.
    """

    name: str = "live"
    is_synthetic: bool = False
    has_clock: bool = True

    def __init__(
        self,
        universe: Universe,
        cache: Path,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
        timeout: float | None = None,
    ) -> None:
        self._universe = universe
        self._now = now
        # One limiter per host, whatever is fetched of it: shares and coins are both Yahoo's.
        self._yahoo_limiter = RateLimiter(*YAHOO_LIMITS, sleep=sleep, clock=clock)
        self._fred_limiter = RateLimiter((1, _fred_delay()), sleep=sleep, clock=clock)
        self._yahoo = yahoo.Yahoo(cache, timeout or yahoo.TIMEOUT_SECONDS)
        self._fred = fred.Fred(timeout or fred.TIMEOUT_SECONDS)
        self._kept = ResponseCache(cache / "answers")

    def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
        """One delivery per instrument or series that has a vendor and is asked for, in the universe's order.

        An instrument that fails does not stop the others; a vendor that cannot be reached fails the rest at once. What
        an earlier fetch brought and nobody stored is not asked for again while it is good.
        """
        if request.asset_class == "macro":
            yield from self._observations(request)
        else:
            yield from self._bars(request)

    def on_stored(self, asset_class: AssetClass) -> None:
        """What was fetched of the class is in the warehouse now: it need not be kept here any longer."""
        self._kept.forget(asset_class)

    def _bars(self, request: FetchRequest) -> Iterator[FetchResult]:
        retrier = Retrier(self._yahoo_limiter)

        def kept(instrument: Instrument) -> FetchResult | None:
            return self._kept.get(VendorRequest(instrument, request.since.get(instrument.id)), self._now())

        def asked(instrument: Instrument) -> FetchResult:
            vendor_request = VendorRequest(instrument, request.since.get(instrument.id))
            return self._keeping(vendor_request, lambda: self._yahoo.fetch(instrument, vendor_request.since, retrier))

        waiting = (
            i
            for i in self._universe.instruments
            if i.asset_class == request.asset_class and i.yahoo_spans and request.wants(i.id)
        )
        # The first that is asked for goes alone: several threads that create yfinance's cache at once lock each other
        # out of it.
        for instrument in waiting:
            answer = kept(instrument)
            yield answer or asked(instrument)
            if answer is None:
                break
        with ThreadPoolExecutor(YAHOO_WORKERS) as pool:
            yield from pool.map(lambda instrument: kept(instrument) or asked(instrument), waiting)

    def _observations(self, request: FetchRequest) -> Iterator[FetchResult]:
        retrier = Retrier(self._fred_limiter)

        def asked(series: Series, vendor_request: VendorRequest) -> FetchResult:
            return self._keeping(vendor_request, lambda: self._fred.fetch(series, vendor_request.since, retrier))

        for series in self._universe.series:
            if series.fred_id is not None and request.wants(series.id):
                vendor_request = VendorRequest(series, request.since.get(series.id))
                yield self._kept.get(vendor_request, self._now()) or asked(series, vendor_request)

    def _keeping(self, vendor_request: VendorRequest, ask: Callable[[], FetchResult]) -> FetchResult:
        """The vendor's answer to the request, kept if it is whole."""
        asked_at = self._now()
        delivery = ask()
        if delivery.failure is None:
            self._kept.keep(vendor_request, asked_at, delivery)
        return delivery


def _fred_delay() -> float:
    text = os.environ.get("CASCADE_FRED_DELAY_SECONDS", str(fred.CRAWL_DELAY_SECONDS))
    try:
        delay = float(text)
    except ValueError as error:
        raise SourceError(f"CASCADE_FRED_DELAY_SECONDS is {text!r}; it must be a number of seconds") from error
    return delay
