"""Fetching ahead: while one asset class is stored, the next one is being fetched.

Here: the thread that does it, and how it ends. What is fetched and what becomes of it stands in `store`. Classes are
fetched one after the other and in their order, so that a vendor of two classes is asked for one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from threading import Event

from assets.ingest.store import Fetched, Ingested, fetch, store
from assets.sources.base import AssetClass
from assets.warehouse.run import Run


class Prefetch:
    """The classes of a run, each on a connection of its own, to which the rows belong until they are stored."""

    def __init__(self, run: Run, asset_classes: Sequence[AssetClass]) -> None:
        """Begins at once with the first of the classes."""
        self._run = run
        self._stopped = Event()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._fetched = {asset_class: self._thread.submit(self._fetch, asset_class) for asset_class in asset_classes}

    def ingest(self, asset_class: AssetClass) -> Ingested:
        """Store what was fetched of a class, once it is there. Raises what `ingest.ingest` raises."""
        fetched = self._fetched.pop(asset_class).result()
        with closing(fetched.run.connection):
            return store(fetched)

    def close(self) -> None:
        """Forget what nobody has stored; what is being fetched ends with the delivery that is waited for."""
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
        for fetched in self._fetched.values():
            # Why one failed is not wanted any more.
            with suppress(BaseException):
                fetched.result().run.connection.close()

    def _fetch(self, asset_class: AssetClass) -> Fetched:
        connection = self._run.connection.cursor()
        try:
            return fetch(replace(self._run, connection=connection), asset_class, self._stopped.is_set)
        except BaseException:
            connection.close()
            raise
