"""What a fetch that was cut short had already brought: kept on disk, so that the next one need not ask for it again.

Here: which answer belongs to which request, and how long it is as good as a new one. An answer is only kept
until its class is in the warehouse; what is known for good stands there and nowhere else.
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

# Whoever starts a run again that was cut short does so the same morning or evening; what is older is worth a new look,
# as vendors correct their bars. Releases come at odd minutes, and none shall be missed for longer than an hour.
GOOD_FOR: Mapping[AssetClass, timedelta] = {
    "equity": timedelta(hours=6),
    "crypto": timedelta(hours=6),
    "macro": timedelta(hours=1),
}
# When New York may close: on half days, and on all others. Asking once more on a day that is no half day costs less
# than loading the calendar to learn it.
_CLOSES = (time(13), time(16))

# What decides whether a file can be read here: another pandas packs frames in another way.
_MADE_WITH = repr((pd.__version__, [field.name for field in fields(FetchResult)])).encode()


@dataclass(frozen=True)
class VendorRequest:
    """What a vendor is asked for: an instrument or series, as the universe has it, from `since` on (None: whole).

    All of the entry counts, because a new symbol, currency or last day makes it another request.
    """

    about: Instrument | Series
    since: date | None

    @property
    def asset_class(self) -> AssetClass:
        return "macro" if isinstance(self.about, Series) else self.about.asset_class


@dataclass(frozen=True)
class _Kept:
    request: VendorRequest
    asked_at: datetime
    delivery: FetchResult

    def is_good(self, request: VendorRequest, now: datetime) -> bool:
        """Whether it is the answer to the request, and a new answer would say the same as far as one can tell.

        No session may have closed since: what was the bar of an unfinished day would be taken for a final one.
        """
        age = now - self.asked_at
        return (
            self.request == request
            and timedelta(0) <= age < GOOD_FOR[request.asset_class]
            and _stretch(self.asked_at) == _stretch(now)
        )


class ResponseCache:
    """The kept answers of one source, one file per instrument or series, in `folder`; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, request: VendorRequest, now: datetime) -> FetchResult | None:
        """The answer to the request, if there is one that is still good; one that is not is removed."""
        path = self._path(request)
        kept = _read(path)
        if kept is not None and kept.is_good(request, now):
            return kept.delivery
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def keep(self, request: VendorRequest, asked_at: datetime, delivery: FetchResult) -> None:
        """Keep a whole answer, at once: the next moment may be the process' last."""
        content = pickle.dumps(_Kept(request, asked_at, delivery))
        path = self._path(request)
        # A disk that takes nothing more is the warehouse's to complain of; without this file it is only asked again.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".new")
            unfinished.write_bytes(_seal(content) + content)
            unfinished.replace(path)

    def forget(self, asset_class: AssetClass) -> None:
        """Remove all that is kept of the class."""
        shutil.rmtree(self._folder / asset_class, ignore_errors=True)

    def _path(self, request: VendorRequest) -> Path:
        return self._folder / request.asset_class / f"{quote(request.about.id, safe='')}.pickle"


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(_MADE_WITH + content).digest()


def _read(path: Path) -> _Kept | None:
    """What the file holds; None if there is none, or none that can be trusted.

    A power cut may leave a file of the right name that was never written to the end, and half a frame of prices can
    unpack without an error; so the seal is looked at first.
    """
    try:
        seal, content = (packed := path.read_bytes())[:32], packed[32:]
    except OSError:
        return None
    if seal != _seal(content):
        return None
    try:
        kept = pickle.loads(content)
    except Exception:  # unpacking what other code has packed can fail in any way, and all mean the same
        return None
    return kept if isinstance(kept, _Kept) else None


def _stretch(instant: datetime) -> tuple[date, date, int]:
    """The stretch between two closes around the instant: coins close with the UTC day, New York on its own clock."""
    local = instant.astimezone(ZoneInfo(NEW_YORK))
    return instant.astimezone(UTC).date(), local.date(), sum(local.time() >= close for close in _CLOSES)
