"""How often chance alone does as well: a pattern of events, shifted around the circle of a target's windows.

Here: the shift test of docs/evidence.md as an array function, and the function that makes a table of it. A target's
windows are what it did from each of its sessions on, in order of entry; a pattern is where in that order the events'
entries stand. The shifts keep how the events cluster and how windows overlap, which is what a test that draws events at
random would lose. Every shift is counted, so there is nothing random.

Each of a pattern's entries adds one slice of the doubled windows. For the few dozen events that a pattern has this
takes a fraction of the time of Fourier transforms, whose lengths are often primes here, and rounds less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters

# Two differences from the mean that are closer than this are the same: sums of other orders differ in the last digits.
TIE = 1e-12


@dataclass(frozen=True)
class ShiftTest:
    """What the pattern showed, and how rare that is among its shifts.

    `p_value` and `min_p` are None where nothing can be said: no events, or no shift is far enough away.
    """

    # S_0: the pattern's weighted sum of responses; with the usual weights their mean.
    observed: float
    # F: the mean of that over every circular shift.
    expected: float
    # |G|: how many shifts are far enough away.
    shifts: int
    p_value: float | None
    # The p-value of a pattern that no shift comes up to.
    min_p: float | None


def guard_of(days: ArrayLike, horizon_days: int) -> int:
    """How many windows a pattern must be shifted by, so that every window is at least the horizon away from its own.

    `days`: the windows' entries in order, as days of any epoch (N,). The answer is the smallest g such that any two
    entries that are g windows apart are at least `horizon_days` calendar days apart: the horizon itself where there is
    a window each day, about 5/7 of it on an exchange, N where the history is too short for any shift.
    """
    entries = np.asarray(days)
    reached = np.searchsorted(entries, entries + horizon_days)
    return int(np.max(reached - np.arange(len(entries)), initial=0))


def shifted_sums(responses: ArrayLike, positions: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """S_s for every circular shift s = 0..N-1 (N,).

    `responses`: one per window in order of entry (N,). `positions`: of the events' entries among them (E,); one that is
    there twice counts twice. `weights` (E,): 1/E each unless given, which makes S_s the mean response. S_s is the sum
    of weights[i] * responses[(positions[i] + s) mod N].
    """
    values = np.asarray(responses, dtype=np.float64)
    where = np.asarray(positions, dtype=np.int64)
    size, events = len(values), len(where)
    shares = np.full(events, 1 / events) if weights is None and events else np.asarray(weights, dtype=np.float64)
    doubled = np.concatenate([values, values])
    sums = np.zeros(size)
    # The events of a pattern share one weight, or two, so that they are added up before they are weighed.
    for share in sorted(set(shares.tolist())):
        unweighed = np.zeros(size)
        for position in where[shares == share].tolist():
            unweighed += doubled[position : position + size]
        sums += share * unweighed
    return sums


def shift_test(responses: ArrayLike, positions: ArrayLike, guard: int, weights: ArrayLike | None = None) -> ShiftTest:
    """The two-sided p of a pattern among its circular shifts.

    `responses`, `positions` and `weights` are those of `shifted_sums`. G are the shifts s with guard <= s <= N - guard:
    at least `guard` windows away from 0 in both directions around the circle. With S_s of each shift and F their mean
    over all N, which is the sum of the weights times the mean response (each window is visited once by each event),

        p = (1 + #{s in G: |S_s - F| >= |S_0 - F| - 1e-12}) / (1 + |G|)

    Phipson and Smyth (2010) on why the pattern itself counts: p is never 0. Weights that sum to 0, plus for some events
    and minus for others, compare the two kinds. Responses in any unit.
    """
    values = np.asarray(responses, dtype=np.float64)
    where = np.asarray(positions, dtype=np.int64)
    if len(where) == 0 or len(values) == 0:
        return ShiftTest(observed=float("nan"), expected=float("nan"), shifts=0, p_value=None, min_p=None)
    total = 1.0 if weights is None else float(np.sum(np.asarray(weights, dtype=np.float64)))
    sums = shifted_sums(values, where, weights)
    expected = total * float(np.mean(values))
    # A shift by nothing is the pattern itself.
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

    `windows` are intermediate.forward_windows, `pattern_windows` those of them that open after a pattern's events, with
    their weights. Reconstructed windows, which come first, are there only for patterns that say so. The answer has one
    row per pattern_id, target_id and horizon_days.
    """
    day = "entry_date - '1970-01-01'::date as day"
    history_of: dict[tuple[str, int, bool], tuple[NDArray[np.int64], NDArray[np.float64], int]] = {}
    for (target, horizon, reconstructed), history in _in_groups(
        windows.aggregate(
            "target_id, horizon_days, count_if(is_reconstructed)::bigint as reconstructed, count(*) as size",
            "target_id, horizon_days",
        ),
        windows.order("target_id, horizon_days, entry_date").project(f"{day}, log_return"),
    ):
        for has_reconstructed in (True, False):
            first = 0 if has_reconstructed else reconstructed
            days = history["day"][first:]
            responses = history["log_return"][first:]
            history_of[target, horizon, has_reconstructed] = (days, responses, guard_of(days, horizon))
    rows = []
    for (pattern, target, horizon, has_reconstructed), events in _in_groups(
        pattern_windows.aggregate(
            "pattern_id, target_id, horizon_days, has_reconstructed, count(*) as size",
            "pattern_id, target_id, horizon_days, has_reconstructed",
        ),
        pattern_windows.order("pattern_id, target_id, horizon_days, has_reconstructed, entry_date, event_id").project(
            f"{day}, weight"
        ),
    ):
        days, responses, guard = history_of[target, horizon, has_reconstructed]
        test = shift_test(responses, np.searchsorted(days, events["day"]), guard, events["weight"])
        rows.append((pattern, target, horizon, test.shifts, test.p_value, test.min_p))
    frame = pd.DataFrame(rows, columns=["pattern_id", "target_id", "horizon_days", "shifts", "p_value", "min_p"])
    # Empty columns, too, must have a type.
    return frame.astype(
        {
            "pattern_id": "string",
            "target_id": "string",
            "horizon_days": "int32",
            "shifts": "int64",
            "p_value": "float64",
            "min_p": "float64",
        }
    )


def _in_groups(
    groups: duckdb.DuckDBPyRelation, members: duckdb.DuckDBPyRelation
) -> Iterator[tuple[tuple[Any, ...], dict[str, NDArray[Any]]]]:
    """Each group's names with its members' columns. A group is names and, last, a size; members are in their order."""
    columns = members.fetchnumpy()
    end = 0
    for *names, size in groups.order(", ".join(groups.columns[:-1])).fetchall():
        start, end = end, end + size
        yield tuple(names), {name: column[start:end] for name, column in columns.items()}
