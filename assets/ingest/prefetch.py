"""Fetching without holding the warehouse: in a thread, and the next asset class while one is stored.

Here: the thread that fetches, and how it ends. Fetching itself is in `stage`, storing in `store`. Classes are fetched
one after the other, in their order, so that a vendor of two classes gets requests for one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from threading import Event

from assets.ingest import fetch_plan
from assets.ingest.stage import ClassResult, Fetched, fetch
from assets.ingest.store import compare_and_store
from assets.sources.base import AssetClass, FetchRequest
from assets.warehouse.run import Run


class Prefetch:
    """The classes of a run, each fetched on a connection of its own, which keeps the staging tables until storing."""

    def __init__(self, run: Run, asset_classes: Sequence[AssetClass]) -> None:
        """Start fetching the first of the classes. Others are fetched when they are stored."""
        self._run = run
        self._stopped = Event()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._fetched = {asset_class: self._submit(asset_class) for asset_class in asset_classes}

    def ingest(self, asset_class: AssetClass) -> ClassResult:
        """Wait until the class is fetched, and store it. Raises what `store.ingest` raises."""
        waited = self._fetched.pop(asset_class, None) or self._submit(asset_class)
        # A folder of files answers at once.
        is_quick = waited.done() or not self._run.source.has_clock
        with nullcontext() if is_quick else self._run.locks.waiting():
            fetched = waited.result()
        with closing(fetched.run.connection):
            self._run.locks.use(fetched.run.connection)
            return compare_and_store(fetched)

    def close(self) -> None:
        """Drop what was not stored. A fetch that is under way ends after its current delivery."""
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
        for fetched in self._fetched.values():
            # Nothing will be stored any more, so the reason for a failed fetch does not matter.
            with suppress(BaseException):
                fetched.result().run.connection.close()

    def _submit(self, asset_class: AssetClass) -> Future[Fetched]:
        return self._thread.submit(self._fetch, fetch_plan.request(self._run, asset_class))

    def _fetch(self, request: FetchRequest) -> Fetched:
        connection = self._run.connection.cursor()
        try:
            return fetch(replace(self._run, connection=connection), request, self._stopped.is_set)
        except BaseException:
            connection.close()
            raise
