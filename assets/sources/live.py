"""The live source: what the universe names, asked of its vendors now.

Here: who is asked for what, in which order, how many at once and how fast. How a vendor is asked and what its answer
means stands in the vendor's module. Groups of shares and market values have no live vendor and come from files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from assets.sources import fred, yahoo
from assets.sources.base import AssetClass, Delivery, SourceError
from assets.sources.retry import Patience
from assets.universe import Instrument, Universe

# An answer takes Yahoo up to a second, most of it waiting; more at once gains little and looks like a crawler.
YAHOO_WORKERS = 8
# Yahoo publishes no limit. Ten symbols a second keep the workers busy and fifty symbols well under half a minute.
YAHOO_SPACING_SECONDS = 0.1


class LiveSource:
    """Yahoo for prices, FRED for macro series.

    `cache` is a folder for yfinance's time zones and cookies. The environment variable CASCADE_FRED_DELAY_SECONDS
    replaces FRED's crawl delay, which is for runs against a stand-in of FRED only. `sleep` takes the place of
    time.sleep and `timeout` (seconds per answer) that of the vendors' own one in tests.

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
        timeout: float | None = None,
    ) -> None:
        self._universe = universe
        self._sleep = sleep
        self._fred_delay = _fred_delay()
        self._yahoo = yahoo.Yahoo(cache, timeout or yahoo.TIMEOUT_SECONDS)
        self._fred = fred.Fred(timeout or fred.TIMEOUT_SECONDS)

    def fetch(self, asset_class: AssetClass, since: Mapping[str, date]) -> Iterator[Delivery]:
        """One delivery per instrument or series of the class that has a vendor, in the universe's order.

        An instrument that fails does not stop the others; a vendor that cannot be reached fails the rest at once.
        """
        if asset_class == "macro":
            yield from self._observations(since)
        else:
            instruments = [i for i in self._universe.instruments if i.asset_class == asset_class and i.yahoo_spans]
            yield from self._bars(instruments, since)

    def _bars(self, instruments: list[Instrument], since: Mapping[str, date]) -> Iterator[Delivery]:
        patience = Patience(YAHOO_SPACING_SECONDS, sleep=self._sleep)

        def fetch(instrument: Instrument) -> Delivery:
            return self._yahoo.fetch(instrument, since.get(instrument.id), patience)

        # The first goes alone: several threads that create yfinance's cache at once lock each other out of it.
        yield from map(fetch, instruments[:1])
        with ThreadPoolExecutor(YAHOO_WORKERS) as pool:
            yield from pool.map(fetch, instruments[1:])

    def _observations(self, since: Mapping[str, date]) -> Iterator[Delivery]:
        patience = Patience(self._fred_delay, sleep=self._sleep)
        for series in self._universe.series:
            if series.fred_id is not None:
                yield self._fred.fetch(series, since.get(series.id), patience)


def _fred_delay() -> float:
    text = os.environ.get("CASCADE_FRED_DELAY_SECONDS", str(fred.CRAWL_DELAY_SECONDS))
    try:
        delay = float(text)
    except ValueError as error:
        raise SourceError(f"CASCADE_FRED_DELAY_SECONDS is {text!r}; it must be a number of seconds") from error
    return delay
