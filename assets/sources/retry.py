"""Rate limits and retries for vendors on the network.

Here: what a failed request is (`VendorFault`), how fast a host is asked (`RateLimiter`), and whether it is asked again
(`Retrier`). What a vendor's errors mean is in the vendor's module. Each host's limits, and how many requests run at
once, are in `live`.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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
    seconds = None if retry_after is None else seconds_to_wait(retry_after, datetime.now(UTC))
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


def seconds_to_wait(retry_after: str, now: datetime) -> float | None:
    """What a Retry-After header asks for, which is a number of seconds or a date; None if it is neither."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    # HTTP dates are in GMT; Python leaves the zone out of one that is written as -0000.
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


class RateLimiter:
    """How fast one host is asked, by all threads and all fetches that share this object.

    Each of `limits` is (most, seconds): no more than `most` requests start in any window of so many seconds. `sleep`
    and `clock` (seconds, monotonic) stand in for time in tests.
    """

    def __init__(
        self,
        *limits: tuple[int, float],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sleep = sleep
        self._clock = clock
        self._limits = [(deque[float](maxlen=most), seconds) for most, seconds in limits]
        self._lock = threading.Lock()
        self._resumes_at = clock()
        self._refusal = ""

    def wait_for_turn(self) -> None:
        """Come back when a request may start. Raises VendorFault when the host wants to be left alone for too long."""
        while (wait := self._take_turn()) > 0:
            self.sleep(wait)

    def pause(self, seconds: float, refusal: str) -> None:
        """Let nobody start before so many seconds have passed; `refusal` tells why, should that be too long."""
        with self._lock:
            resumes_at = self._clock() + seconds
            if resumes_at > self._resumes_at:
                self._resumes_at, self._refusal = resumes_at, refusal

    def _take_turn(self) -> float:
        """The seconds until a request may start; 0 when one has just been counted as started."""
        with self._lock:
            now = self._clock()
            if self._resumes_at - now > LONGEST_DELAY_SECONDS:
                raise VendorFault(self._refusal, is_general=True)
            full = (starts[0] + seconds for starts, seconds in self._limits if len(starts) == starts.maxlen)
            free = max((self._resumes_at, *full))
            if free > now:
                # A turn that is still to come is nobody's: the host may call a pause before.
                return free - now
            for starts, _ in self._limits:
                starts.append(now)
            return 0.0


class Retrier:
    """How long one fetch bears with one vendor; safe to share between threads.

    A caller waits for its turn at `limiter` before every single request, of which a try may need several.
    `jitter` (0 to 1) stands in for chance in tests.
    """

    def __init__(self, limiter: RateLimiter, *, jitter: Callable[[], float] = random.random) -> None:
        self.limiter = limiter
        self._jitter = jitter
        self._lock = threading.Lock()
        self._general_faults = 0
        self._given_up: str | None = None

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """The answer of `attempt`, which is tried again while that makes sense.

        Raises the last VendorFault; after three calls in a row that failed for a general reason, that one at once.
        """
        # Half of each delay is chance, lest threads that were refused together come back together.
        delays = (FIRST_DELAY_SECONDS * 2**n * (1 + self._jitter()) / 2 for n in range(TRIES - 1))
        while True:
            if self._given_up is not None:
                raise VendorFault(self._given_up)
            try:
                answer = attempt()
            except VendorFault as fault:
                delay = next(delays, None)
                wait = max(delay or 0.0, fault.retry_after or 0.0)
                # A host that refuses requests, or says when it can be asked again, means everybody.
                is_for_all = fault.is_passing and (fault.is_general or fault.retry_after is not None)
                if is_for_all:
                    self.limiter.pause(wait, str(fault))
                if not fault.is_passing or delay is None or wait > LONGEST_DELAY_SECONDS:
                    self._remember(fault)
                    raise
                if not is_for_all:
                    self.limiter.sleep(wait)
            else:
                self._remember(None)
                return answer

    def _remember(self, fault: VendorFault | None) -> None:
        with self._lock:
            self._general_faults = self._general_faults + 1 if fault is not None and fault.is_general else 0
            if self._general_faults >= FAULTS_UNTIL_GIVEN_UP:
                self._given_up = str(fault)
