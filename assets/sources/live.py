"""The live source: fetches the instruments and series of the universe from their vendors, now.

Here: which vendor gets which request, in which order, how many at a time and how fast. How a request is sent and what
the answer means is in the vendor's module. What an interrupted run leaves for the next one is in `response_cache`.
Groups of shares and market values have no live vendor; they come from files.
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

# Yahoo answers within 0.2 to 1 second, nearly all of it waiting. More workers gain little, as yfinance takes about as
# long to process the answers (benchmarks/vendor_speed.py), and they look like a crawler.
YAHOO_WORKERS = 8
# Yahoo publishes no limit, so this is courtesy. A fortieth of a second between two requests avoids bursts and keeps the
# workers busy when answers are quick. Over time it is four requests per second; a minute's worth may be sent at once,
# which is enough for more than two hundred symbols with one request each.
YAHOO_LIMITS = ((1, 0.025), (240, 60.0))


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LiveSource:
    """Yahoo for prices, FRED for macro series.

    The environment variable CASCADE_FRED_DELAY_SECONDS replaces FRED's crawl delay. Use it only with a stand-in for
    FRED.
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
        """Prepare the source; nothing is fetched yet.

        Args:
            universe: What to fetch.
            cache: The folder for yfinance's cookies, and for what was fetched and not stored yet.
            sleep: Waits a number of seconds; tests pass their own.
            clock: Monotonic seconds; tests pass their own.
            now: The current time, which decides whether a cached answer is still good; tests pass their own.
            timeout: Seconds to wait for an answer; None for the vendors' defaults.

        Raises:
            SourceError: CASCADE_FRED_DELAY_SECONDS is not a number.
        """
        self._universe = universe
        self._now = now
        # One limiter per host: shares and coins both come from Yahoo.
        self._yahoo_limiter = RateLimiter(*YAHOO_LIMITS, sleep=sleep, clock=clock)
        self._fred_limiter = RateLimiter((1, _fred_delay()), sleep=sleep, clock=clock)
        self._yahoo = yahoo.Yahoo(cache, timeout or yahoo.TIMEOUT_SECONDS)
        self._fred = fred.Fred(timeout or fred.TIMEOUT_SECONDS)
        self._cache = ResponseCache(cache / "answers")

    def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
        """Yield one result per requested instrument or series that has a vendor, in the order of the universe.

        If one instrument fails, the others are still fetched. If a vendor cannot be reached at all, the rest of its
        instruments fail at once. An answer that an interrupted run left in the cache is used while it is good.
        """
        if request.asset_class == "macro":
            yield from self._observations(request)
        else:
            yield from self._bars(request)

    def on_stored(self, asset_class: AssetClass) -> None:
        """Drop the cached answers of the class: they are in the warehouse now."""
        self._cache.forget(asset_class)

    def _bars(self, request: FetchRequest) -> Iterator[FetchResult]:
        retrier = Retrier(self._yahoo_limiter)

        def cached(instrument: Instrument) -> FetchResult | None:
            return self._cache.get(VendorRequest(instrument, request.since.get(instrument.id)), self._now())

        def fetched(instrument: Instrument) -> FetchResult:
            vendor_request = VendorRequest(instrument, request.since.get(instrument.id))
            return self._caching(vendor_request, lambda: self._yahoo.fetch(instrument, vendor_request.since, retrier))

        waiting = (
            i
            for i in self._universe.instruments
            if i.asset_class == request.asset_class and i.yahoo_spans and request.wants(i.id)
        )
        # The first request is sent alone: threads that create yfinance's cache at the same time lock each other out.
        for instrument in waiting:
            answer = cached(instrument)
            yield answer or fetched(instrument)
            if answer is None:
                break
        with ThreadPoolExecutor(YAHOO_WORKERS) as pool:
            yield from pool.map(lambda instrument: cached(instrument) or fetched(instrument), waiting)

    def _observations(self, request: FetchRequest) -> Iterator[FetchResult]:
        retrier = Retrier(self._fred_limiter)

        def fetched(series: Series, vendor_request: VendorRequest) -> FetchResult:
            return self._caching(vendor_request, lambda: self._fred.fetch(series, vendor_request.since, retrier))

        for series in self._universe.series:
            if series.fred_id is not None and request.wants(series.id):
                vendor_request = VendorRequest(series, request.since.get(series.id))
                yield self._cache.get(vendor_request, self._now()) or fetched(series, vendor_request)

    def _caching(self, vendor_request: VendorRequest, fetch: Callable[[], FetchResult]) -> FetchResult:
        """The vendor's answer to the request, which is put into the cache if it is complete."""
        requested_at = self._now()
        result = fetch()
        if result.failure is None:
            self._cache.keep(vendor_request, requested_at, result)
        return result


def _fred_delay() -> float:
    text = os.environ.get("CASCADE_FRED_DELAY_SECONDS", str(fred.CRAWL_DELAY_SECONDS))
    try:
        delay = float(text)
    except ValueError as error:
        raise SourceError(f"CASCADE_FRED_DELAY_SECONDS is {text!r}; it must be a number of seconds") from error
    return delay
