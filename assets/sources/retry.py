"""How a vendor on the network is approached: spaced, with patience, and not at all once that is pointless.

Here: what a failed contact is (`VendorFault`) and who decides whether it is tried again (`Patience`). What a vendor's
errors mean stands in the vendor's module; how many requests run at once stands in `live`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

# Four tries spread over about ten seconds outlast a hiccup; what lasts longer is for the next scheduled run.
TRIES = 4
FIRST_DELAY_SECONDS = 2.0
# A vendor that asks for more than this wants to be left alone in this run.
LONGEST_DELAY_SECONDS = 60.0
# One symbol without a connection may be chance; three in a row are the network, and fifty would only cost minutes.
FAULTS_UNTIL_GIVEN_UP = 3


class VendorFault(Exception):
    """A contact that brought nothing. The text is one line for the person who reads the run's result.

    `is_passing`: the same question may be answered in a moment. `is_general`: it would meet every other symbol too
    (no connection, too many requests). `retry_after`: seconds that the vendor asks to wait, if it said so.
    """

    def __init__(
        self, reason: str, *, is_passing: bool = False, is_general: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.is_passing = is_passing
        self.is_general = is_general
        self.retry_after = retry_after


def status_fault(vendor: str, what: str, status: int, detail: str, retry_after: str | None) -> VendorFault:
    """The fault behind an HTTP status other than 200; `what` was asked for, `detail` is the vendor's own word on it."""
    # Retry-After may also be a date; that form is not honoured, as both vendors only send seconds.
    seconds = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
    match status:
        case 404:
            return VendorFault(f"404: {vendor} does not know {what}")
        case 429:
            reason = f"429: {vendor} refuses because of too many requests"
            return VendorFault(reason, is_passing=True, is_general=True, retry_after=seconds)
        case 401 | 403:
            return VendorFault(f"{status}: {vendor} refuses to answer for {what} ({detail})", is_passing=True)
        case _ if status >= 500:
            reason = f"{status}: {vendor} has a fault of its own"
            return VendorFault(reason, is_passing=True, retry_after=seconds)
        case _:
            return VendorFault(f"{status}: {vendor} refuses {what} ({detail})")


class Patience:
    """The manners towards one vendor during one fetch; safe to share between threads.

    `spacing` is the least number of seconds from the start of one try to the start of the next, over all threads.
    `sleep`, `clock` (seconds, monotonic) and `jitter` (0 to 1) stand in for time and chance in tests.
    """

    def __init__(
        self,
        spacing: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._spacing = spacing
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._next_start = clock()
        self._general_faults = 0
        self._given_up: str | None = None

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """The answer of `attempt`, which is tried again while that makes sense.

        Raises the last VendorFault; after three calls in a row that failed for a general reason, that one at once.
        """
        # Half of each delay is chance, lest threads that were refused together come back together.
        delays = (FIRST_DELAY_SECONDS * 2**n * (1 + self._jitter()) / 2 for n in range(TRIES - 1))
        while True:
            self._wait_for_turn()
            try:
                answer = attempt()
            except VendorFault as fault:
                delay = next(delays, None)
                wait = max(delay or 0.0, fault.retry_after or 0.0)
                if not fault.is_passing or delay is None or wait > LONGEST_DELAY_SECONDS:
                    self._remember(fault)
                    raise
                self._sleep(wait)
            else:
                self._remember(None)
                return answer

    def _wait_for_turn(self) -> None:
        with self._lock:
            if self._given_up is not None:
                raise VendorFault(self._given_up)
            now = self._clock()
            start = max(now, self._next_start)
            self._next_start = start + self._spacing
        if start > now:
            self._sleep(start - now)

    def _remember(self, fault: VendorFault | None) -> None:
        with self._lock:
            self._general_faults = self._general_faults + 1 if fault is not None and fault.is_general else 0
            if self._general_faults >= FAULTS_UNTIL_GIVEN_UP:
                self._given_up = str(fault)
