"""Rate limits and retries for vendors on the network.

Here: a failed request (`VendorFault`), how fast requests to a host may start (`RateLimiter`), and whether a failed one
is repeated (`Retrier`). What a vendor's errors mean is in the vendor's module. The limits per host, and how many
requests run at a time, are in `live`.
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

# Four tries over about ten seconds are enough for a short outage. The next scheduled run deals with a longer one.
TRIES = 4
FIRST_DELAY_SECONDS = 2.0
# If a vendor asks to wait longer than this, the run does not try again.
LONGEST_DELAY_SECONDS = 60.0
# One failed connection may be chance. Three in a row mean that the network is down; more tries would only cost minutes.
FAULTS_UNTIL_GIVEN_UP = 3


class VendorFault(Exception):
    """A request that failed. The text is one line for the person who reads the result of the run."""

    def __init__(
        self, reason: str, *, is_passing: bool = False, is_general: bool = False, retry_after: float | None = None
    ) -> None:
        """Describe the fault.

        Args:
            reason: What went wrong, in one line.
            is_passing: The same request may succeed a little later.
            is_general: Requests for other symbols would fail too (no connection, too many requests).
            retry_after: Seconds that the vendor asks to wait; None if it does not say.
        """
        super().__init__(reason)
        self.is_passing = is_passing
        self.is_general = is_general
        self.retry_after = retry_after

    @property
    def may_pass(self) -> bool:
        """Whether a later run may succeed, also where this one gives up."""
        return self.is_passing or self.is_general


def status_fault(vendor: str, what: str, status: int, detail: str, retry_after: str | None) -> VendorFault:
    """The fault that an HTTP status other than 200 means.

    Args:
        vendor: The name of the vendor.
        what: The symbol or series that was requested.
        status: The HTTP status.
        detail: What the vendor says about it.
        retry_after: The Retry-After header, if the answer has one.

    Returns:
        The fault, to be raised.
    """
    seconds = None if retry_after is None else seconds_to_wait(retry_after, datetime.now(UTC))
    match status:
        case 404:
            return VendorFault(f"404: {vendor} does not know {what}")
        case 429:
            reason = f"429: {vendor} reports too many requests"
            return VendorFault(reason, is_passing=True, is_general=True, retry_after=seconds)
        case 401 | 403:
            return VendorFault(f"{status}: {vendor} denied access to {what} ({detail})", is_passing=True)
        case _ if status >= 500:
            reason = f"{status}: server error at {vendor}"
            return VendorFault(reason, is_passing=True, retry_after=seconds)
        case _:
            return VendorFault(f"{status}: {vendor} rejected the request for {what} ({detail})")


def seconds_to_wait(retry_after: str, now: datetime) -> float | None:
    """The seconds to wait that a Retry-After header (a number of seconds, or a date) means; None if it is neither."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    # HTTP dates are in GMT; Python returns one that is written with -0000 without a zone.
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


class RateLimiter:
    """Limits how fast requests to one host start, for all threads and all fetches that share this object."""

    def __init__(
        self,
        *limits: tuple[int, float],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the limits.

        Args:
            limits: Each is (requests, seconds): no more than so many requests start in any window of so many seconds.
            sleep: Waits a number of seconds; tests pass their own.
            clock: Monotonic seconds; tests pass their own.
        """
        self.sleep = sleep
        self._clock = clock
        self._limits = [(deque[float](maxlen=most), seconds) for most, seconds in limits]
        self._lock = threading.Lock()
        self._resumes_at = clock()
        self._pause_reason = ""

    def wait_for_turn(self) -> None:
        """Wait until a request may start. Raises VendorFault if the host demands a longer pause than we wait."""
        while (wait := self._take_turn()) > 0:
            self.sleep(wait)

    def pause(self, seconds: float, reason: str) -> None:
        """Let no request start for some seconds.

        Args:
            seconds: The length of the pause from now on. A longer pause that is under way stays.
            reason: The text of the VendorFault if that is longer than we wait.
        """
        with self._lock:
            resumes_at = self._clock() + seconds
            if resumes_at > self._resumes_at:
                self._resumes_at, self._pause_reason = resumes_at, reason

    def _take_turn(self) -> float:
        """Count a request as started and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            now = self._clock()
            if self._resumes_at - now > LONGEST_DELAY_SECONDS:
                raise VendorFault(self._pause_reason, is_general=True)
            full = (starts[0] + seconds for starts, seconds in self._limits if len(starts) == starts.maxlen)
            free = max((self._resumes_at, *full))
            if free > now:
                # No turn is reserved, because the host may ask for a pause before it comes.
                return free - now
            for starts, _ in self._limits:
                starts.append(now)
            return 0.0


class Retrier:
    """Repeats failed requests of one fetch to one vendor. Threads may share it.

    The caller calls `limiter.wait_for_turn` before every single request; one attempt may need several requests.
    """

    def __init__(self, limiter: RateLimiter, *, jitter: Callable[[], float] = random.random) -> None:
        """Use a rate limiter; `jitter` returns a number from 0 to 1, and tests pass their own."""
        self.limiter = limiter
        self._jitter = jitter
        self._lock = threading.Lock()
        self._general_faults = 0
        self._given_up: str | None = None

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """Return the answer of `attempt`, which is repeated while its fault may pass.

        Raises the last VendorFault. After three calls in a row that failed for a general reason, all further calls
        raise that one at once.
        """
        # Half of each delay is random, so that threads that failed together do not come back together.
        delays = (FIRST_DELAY_SECONDS * 2**n * (1 + self._jitter()) / 2 for n in range(TRIES - 1))
        while True:
            if self._given_up is not None:
                raise VendorFault(self._given_up, is_general=True)
            try:
                answer = attempt()
            except VendorFault as fault:
                delay = next(delays, None)
                wait = max(delay or 0.0, fault.retry_after or 0.0)
                # Too many requests, or a time to wait, concerns every request to this host.
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
