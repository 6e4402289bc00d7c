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
from assets.sources.base import AssetClass, Delivery, Question, SourceError
from assets.sources.response_cache import KeptAnswers, Request
from assets.sources.retry import Pace, Patience
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
        # One pace per host, whatever is fetched of it: shares and coins are both Yahoo's.
        self._yahoo_pace = Pace(*YAHOO_LIMITS, sleep=sleep, clock=clock)
        self._fred_pace = Pace((1, _fred_delay()), sleep=sleep, clock=clock)
        self._yahoo = yahoo.Yahoo(cache, timeout or yahoo.TIMEOUT_SECONDS)
        self._fred = fred.Fred(timeout or fred.TIMEOUT_SECONDS)
        self._kept = KeptAnswers(cache / "answers")

    def fetch(self, question: Question) -> Iterator[Delivery]:
        """One delivery per instrument or series that has a vendor and is asked for, in the universe's order.

        An instrument that fails does not stop the others; a vendor that cannot be reached fails the rest at once. What
        an earlier fetch brought and nobody stored is not asked for again while it is good.
        """
        if question.asset_class == "macro":
            yield from self._observations(question)
        else:
            yield from self._bars(question)

    def stored(self, asset_class: AssetClass) -> None:
        """What was fetched of the class is in the warehouse now: it need not be kept here any longer."""
        self._kept.forget(asset_class)

    def _bars(self, question: Question) -> Iterator[Delivery]:
        patience = Patience(self._yahoo_pace)

        def kept(instrument: Instrument) -> Delivery | None:
            return self._kept.get(Request(instrument, question.since.get(instrument.id)), self._now())

        def asked(instrument: Instrument) -> Delivery:
            request = Request(instrument, question.since.get(instrument.id))
            return self._keeping(request, lambda: self._yahoo.fetch(instrument, request.since, patience))

        waiting = (
            i
            for i in self._universe.instruments
            if i.asset_class == question.asset_class and i.yahoo_spans and question.wants(i.id)
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

    def _observations(self, question: Question) -> Iterator[Delivery]:
        patience = Patience(self._fred_pace)

        def asked(series: Series, request: Request) -> Delivery:
            return self._keeping(request, lambda: self._fred.fetch(series, request.since, patience))

        for series in self._universe.series:
            if series.fred_id is not None and question.wants(series.id):
                request = Request(series, question.since.get(series.id))
                yield self._kept.get(request, self._now()) or asked(series, request)

    def _keeping(self, request: Request, ask: Callable[[], Delivery]) -> Delivery:
        """The vendor's answer to the request, kept if it is whole."""
        asked_at = self._now()
        delivery = ask()
        if delivery.failure is None:
            self._kept.keep(request, asked_at, delivery)
        return delivery


def _fred_delay() -> float:
    text = os.environ.get("CASCADE_FRED_DELAY_SECONDS", str(fred.CRAWL_DELAY_SECONDS))
    try:
        delay = float(text)
    except ValueError as error:
        raise SourceError(f"CASCADE_FRED_DELAY_SECONDS is {text!r}; it must be a number of seconds") from error
    return delay
