"""The shift test: how often a pattern of events has as extreme a mean response when it is shifted in time.

Here: the shift test of docs/evidence.md as array functions, and its table function. The windows of a target are its
responses from each of its sessions, in order of entry; a pattern is the positions of its events' entries in that order.
Circular shifts keep the clustering of events and the overlap of windows, which drawing events at random would lose. All
shifts are counted, so nothing is random.

The sum over a pattern for all shifts is one slice of the doubled windows per event. For the few dozen events of a
pattern this is much faster than Fourier transforms, whose lengths are often primes here, and it rounds less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters
from assets.statistics.tables import ENTRY_DAY, groups_of, typed_frame

# Differences from the mean that are this close count as equal: sums in another order differ in the last digits.
TIE = 1e-12
_COLUMNS = {
    "pattern_id": "string",
    "target_id": "string",
    "horizon_days": "int32",
    "shifts": "int64",
    "p_value": "float64",
    "min_p": "float64",
}

# Entries as days (N,), responses (N,), and the smallest shift that counts.
_History = tuple[NDArray[np.int64], NDArray[np.float64], int]


@dataclass(frozen=True)
class ShiftTest:
    """The result of a shift test.

    Attributes:
        observed: S_0, the weighted sum of the pattern's responses; with equal weights their mean.
        expected: F, the mean of that sum over all circular shifts.
        shifts: |G|, the number of shifts that are far enough away to count.
        p_value: The two-sided p-value; None without events or shifts that count.
        min_p: The smallest possible p-value; None where p_value is None.
    """

    observed: float
    expected: float
    shifts: int
    p_value: float | None
    min_p: float | None


def guard_of(days: ArrayLike, horizon_days: int) -> int:
    """The smallest shift, in windows, that moves every window at least the horizon away from its own place.

    Any two entries that are this many windows apart are at least `horizon_days` calendar days apart. That is the
    horizon itself with a window each day, about 5/7 of it on an exchange, and N if the history is too short for any
    shift.

    Args:
        days: Entries of the windows in order, as days of any epoch (N,).
        horizon_days: Calendar days held.
    """
    entries = np.asarray(days)
    reached = np.searchsorted(entries, entries + horizon_days)
    return int(np.max(reached - np.arange(len(entries)), initial=0))


def shifted_sums(responses: ArrayLike, positions: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """The weighted sum of the pattern's responses for every circular shift.

    Args:
        responses: One response per window, in order of entry (N,).
        positions: Positions of the events' entries among the windows (E,); a position can occur several times.
        weights: Weights of the events (E,); 1/E each if not given, which makes the sums mean responses.

    Returns:
        S_s for s = 0..N-1 (N,), the sum over the events i of weights[i] * responses[(positions[i] + s) mod N].
    """
    values = np.asarray(responses, dtype=np.float64)
    where = np.asarray(positions, dtype=np.int64)
    size, events = len(values), len(where)
    shares = np.full(events, 1 / events) if weights is None and events else np.asarray(weights, dtype=np.float64)
    doubled = np.concatenate([values, values])
    sums = np.zeros(size)
    # The events of a pattern have one or two different weights, so responses are added up first and weighted once.
    for share in sorted(set(shares.tolist())):
        unweighted = np.zeros(size)
        for position in where[shares == share].tolist():
            unweighted += doubled[position : position + size]
        sums += share * unweighted
    return sums


def shift_test(responses: ArrayLike, positions: ArrayLike, guard: int, weights: ArrayLike | None = None) -> ShiftTest:
    """The two-sided p-value of a pattern among its circular shifts.

    With S_s the sum of shift s, F the mean of S over all N shifts, and G the shifts with guard <= s <= N - guard,

        p = (1 + #{s in G: |S_s - F| >= |S_0 - F| - 1e-12}) / (1 + |G|)

    F is the sum of the weights times the mean response, because each event visits each window once. The pattern itself
    counts, so p is never 0 (Phipson and Smyth 2010).

    Args:
        responses: One response per window, in order of entry, in any unit (N,).
        positions: Positions of the events' entries among the windows (E,).
        guard: The smallest shift that counts, in either direction [windows].
        weights: Weights of the events (E,); 1/E each if not given. Positive weights for one kind of events and negative
            ones for another, which together sum to 0, compare the two kinds.

    Returns:
        S_0, F, |G|, p and the smallest p that G allows, 1 / (1 + |G|). Without events or responses the sums are nan;
        without shifts in G both p are None.
    """
    values = np.asarray(responses, dtype=np.float64)
    where = np.asarray(positions, dtype=np.int64)
    if len(where) == 0 or len(values) == 0:
        return ShiftTest(observed=float("nan"), expected=float("nan"), shifts=0, p_value=None, min_p=None)
    total = 1.0 if weights is None else float(np.sum(np.asarray(weights, dtype=np.float64)))
    sums = shifted_sums(values, where, weights)
    expected = total * float(np.mean(values))
    # A shift by 0 is the pattern itself.
    away = sums[max(guard, 1) : len(values) - max(guard, 1) + 1]
    observed = float(sums[0])
    if len(away) == 0:
        return ShiftTest(observed=observed, expected=expected, shifts=0, p_value=None, min_p=None)
    as_far = int(np.count_nonzero(np.abs(away - expected) >= abs(observed - expected) - TIE))
    return ShiftTest(
        observed=observed,
        expected=expected,
        shifts=len(away),
        p_value=(1 + as_far) / (1 + len(away)),
        min_p=1 / (1 + len(away)),
    )


def p_values(_: Parameters, windows: duckdb.DuckDBPyRelation, pattern_windows: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """The shift test of every pattern on every target at every horizon.

    Args:
        windows: intermediate.forward_windows. The reconstructed windows of a target come before all others.
        pattern_windows: intermediate.pattern_windows, the windows that open after a pattern's events, with weights.

    Returns:
        One row per pattern_id, target_id and horizon_days: shifts, p_value, min_p.
    """
    histories = _histories(windows)
    rows: list[tuple[object, ...]] = []
    for (pattern, target, horizon, has_reconstructed), events in groups_of(
        pattern_windows.aggregate(
            "pattern_id, target_id, horizon_days, has_reconstructed, count(*) as size",
            "pattern_id, target_id, horizon_days, has_reconstructed",
        ),
        pattern_windows.order("pattern_id, target_id, horizon_days, has_reconstructed, entry_date, event_id").project(
            f"{ENTRY_DAY} as day, weight"
        ),
    ):
        days, responses, guard = histories[target, horizon, has_reconstructed]
        test = shift_test(responses, np.searchsorted(days, events["day"]), guard, events["weight"])
        rows.append((pattern, target, horizon, test.shifts, test.p_value, test.min_p))
    return typed_frame(rows, _COLUMNS)


def _histories(windows: duckdb.DuckDBPyRelation) -> Mapping[tuple[str, int, bool], _History]:
    """The windows of each target and horizon, with and without the reconstructed ones."""
    histories = {}
    for (target, horizon, reconstructed), history in groups_of(
        windows.aggregate(
            "target_id, horizon_days, count_if(is_reconstructed)::bigint as reconstructed, count(*) as size",
            "target_id, horizon_days",
        ),
        windows.order("target_id, horizon_days, entry_date").project(f"{ENTRY_DAY} as day, log_return"),
    ):
        for has_reconstructed in (True, False):
            first = 0 if has_reconstructed else reconstructed
            days = history["day"][first:]
            histories[target, horizon, has_reconstructed] = (
                days,
                history["log_return"][first:],
                guard_of(days, horizon),
            )
    return histories
