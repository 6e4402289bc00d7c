"""A cache on disk of vendors' answers that are not stored yet, so that an interrupted fetch need not start over.

Here: which answer belongs to which request, and for how long it is as good as a new one. Answers are dropped as soon as
their asset class is in the warehouse: this is not a store of data.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pandas as pd

from assets.config.calendars import NEW_YORK
from assets.config.universe import Instrument, Series
from assets.sources.base import AssetClass, FetchResult

# An interrupted run is usually repeated the same morning or evening. An older answer is worth a new request, as vendors
# correct their bars. Macro releases come at any minute, and none should be missed for longer than an hour.
GOOD_FOR: Mapping[AssetClass, timedelta] = {
    "equity": timedelta(hours=6),
    "crypto": timedelta(hours=6),
    "macro": timedelta(hours=1),
}
# When New York may close: on half days, and on all other days. One more request on a normal day costs less than loading
# the calendar to find out.
_CLOSES = (time(13), time(16))

# Part of every checksum: an answer that another pandas version pickled cannot be read.
_MADE_WITH = repr((pd.__version__, [field.name for field in fields(FetchResult)])).encode()


@dataclass(frozen=True)
class VendorRequest:
    """The request for one instrument or series to its vendor.

    The whole universe entry is part of it, because a new symbol, currency or last day makes another request.

    Attributes:
        about: The universe entry.
        since: The first day requested; None for the full history.
    """

    about: Instrument | Series
    since: date | None

    @property
    def asset_class(self) -> AssetClass:
        return "macro" if isinstance(self.about, Series) else self.about.asset_class


@dataclass(frozen=True)
class _Kept:
    request: VendorRequest
    requested_at: datetime
    result: FetchResult

    def is_good(self, request: VendorRequest, now: datetime) -> bool:
        """Whether it answers the request, and is recent enough that a new answer would most likely be the same.

        No session may have closed since then, or the bar of an unfinished day would be taken for a final one.
        """
        age = now - self.requested_at
        return (
            self.request == request
            and timedelta(0) <= age < GOOD_FOR[request.asset_class]
            and _between_closes(self.requested_at) == _between_closes(now)
        )


class ResponseCache:
    """The cached answers of one source, one file per instrument or series in a folder. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, request: VendorRequest, now: datetime) -> FetchResult | None:
        """The cached answer to the request if it is still good, else None. An answer that is not good is removed."""
        path = self._path(request)
        kept = _read(path)
        if kept is not None and kept.is_good(request, now):
            return kept.result
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def keep(self, request: VendorRequest, requested_at: datetime, result: FetchResult) -> None:
        """Write a complete answer to disk at once, as the process may be killed at any time.

        Args:
            request: What it answers.
            requested_at: When the request was sent.
            result: The answer.
        """
        content = pickle.dumps(_Kept(request, requested_at, result))
        path = self._path(request)
        # If the disk is full, writing the warehouse will report it. Without this file the vendor is only asked again.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".new")
            unfinished.write_bytes(_checksum(content) + content)
            unfinished.replace(path)

    def forget(self, asset_class: AssetClass) -> None:
        """Remove every answer of the class."""
        shutil.rmtree(self._folder / asset_class, ignore_errors=True)

    def _path(self, request: VendorRequest) -> Path:
        return self._folder / request.asset_class / f"{quote(request.about.id, safe='')}.pickle"


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(_MADE_WITH + content).digest()


def _read(path: Path) -> _Kept | None:
    """The content of the file; None if it does not exist or cannot be trusted.

    A power cut may leave a file with the right name and half of its content, and half a frame of prices may unpickle
    without an error; so the checksum is compared first.
    """
    try:
        checksum, content = (packed := path.read_bytes())[:32], packed[32:]
    except OSError:
        return None
    if checksum != _checksum(content):
        return None
    try:
        kept = pickle.loads(content)
    except Exception:  # unpickling what other code has pickled can fail in any way, and all of them mean the same
        return None
    return kept if isinstance(kept, _Kept) else None


def _between_closes(instant: datetime) -> tuple[date, date, int]:
    """Names the time between two closes that the instant is in. Coins close with the UTC day, shares in New York."""
    local = instant.astimezone(ZoneInfo(NEW_YORK))
    return instant.astimezone(UTC).date(), local.date(), sum(local.time() >= close for close in _CLOSES)
