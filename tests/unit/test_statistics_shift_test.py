"""The shift test on arrays, held to a plain enumeration of its definition and to answers worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from assets.statistics.shift_test import guard_of, shift_test, shifted_sums


def enumerated(
    responses: list[float], positions: list[int], guard: int, weights: list[float] | None = None
) -> tuple[float | None, float | None]:
    """p and the smallest p that there could be, word for word: every shift of every event, one after the other."""
    count = len(responses)
    shares = weights or [1 / len(positions)] * len(positions)

    def shifted(shift: int) -> float:
        return sum(share * responses[(at + shift) % count] for at, share in zip(positions, shares, strict=True))

    everywhere = [shifted(shift) for shift in range(count)]
    mean = sum(everywhere) / count
    away = [shift for shift in range(1, count) if shift >= guard and count - shift >= guard]
    if not away:
        return None, None
    as_far = [shift for shift in away if abs(everywhere[shift] - mean) >= abs(everywhere[0] - mean) - 1e-12]
    return (1 + len(as_far)) / (1 + len(away)), 1 / (1 + len(away))


def test_by_hand() -> None:
    """Windows 6, 0, 3, 0, 3, 0 with the mean 2. The pattern of the first and the third one gives 4.5 at home, 2 away.

    Shifted by 0..5: (6 + 3) / 2 = 4.5, 0, (3 + 3) / 2 = 3, 0, (3 + 6) / 2 = 4.5, 0. Two windows away are the shifts 2,
    3, 4; of those 4 is as far from 2 as home (2.5), and 0 is not (2).
    """
    found = shift_test([6, 0, 3, 0, 3, 0], [0, 2], guard=2)
    assert shifted_sums([6, 0, 3, 0, 3, 0], [0, 2]).tolist() == [4.5, 0, 3, 0, 4.5, 0]
    assert (found.observed, found.expected, found.shifts) == (4.5, 2, 3)
    assert (found.p_value, found.min_p) == (2 / 4, 1 / 4)


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_enumeration(seed: int) -> None:
    """Overlapping windows, primes among their numbers; events at both ends, one twice; equal weights or not."""
    chance = np.random.default_rng(seed)
    count = int(chance.choice([2, 3, 7, 31, 64, 97, 101, 240]))
    responses = np.convolve(chance.normal(size=count + 4), np.ones(5), mode="valid").tolist()
    inner = chance.integers(0, count, size=int(chance.integers(0, 6))).tolist()
    positions = [0, count - 1, *inner, *inner[:1]]
    weights = chance.normal(size=len(positions)).tolist()
    for guard in (1, 2, count // 5, count // 2, count):
        for shares in (None, weights):
            found = shift_test(responses, positions, guard, shares)
            assert (found.p_value, found.min_p) == pytest.approx(enumerated(responses, positions, guard, shares))


def test_ties_count_as_far() -> None:
    """0.1 + 0.2 is not 0.3 in binary; the sums of these three windows are equal all the same."""
    responses = [0.1, 0.2, 0.3, 0.3, 0.0, 0.0, 0.2, 0.1]
    found = shift_test(responses, [0, 1, 2], guard=1)
    sums = shifted_sums(responses, [0, 1, 2])
    assert sorted(np.unique(np.round(sums, 12))) != sorted(np.unique(sums))  # equal, but not in the last digits
    assert found.p_value == enumerated(responses, [0, 1, 2], 1)[0]
    everywhere_the_same = shift_test([0.7] * 9, [0, 4], guard=2)
    assert (everywhere_the_same.p_value, everywhere_the_same.min_p) == (1.0, 1 / 7)


def test_an_effect_that_no_shift_has_gets_the_smallest_p() -> None:
    chance = np.random.default_rng(3)
    responses = chance.normal(size=1009)
    positions = [5, 100, 222, 480, 700, 1008]
    responses[positions] += 9
    found = shift_test(responses, positions, guard=30)
    assert found.p_value == found.min_p == 1 / (1 + 1009 - 60 + 1)
    assert shift_test(-responses, positions, guard=30).p_value == found.min_p  # two-sided


def test_shifts_that_are_too_near_do_not_count() -> None:
    """The effect lasts five windows: without the guard its own neighbours would speak against it."""
    responses = np.zeros(200)
    responses[50:55] = responses[150:155] = 1
    assert shift_test(responses, [52, 152], guard=1).p_value == (1 + 9) / (1 + 199)
    # 2 shifts to either side of home, and around 100, where the two events change places, all five.
    assert shift_test(responses, [52, 152], guard=5).p_value == (1 + 5) / (1 + 191)


@pytest.mark.parametrize(
    ("responses", "positions", "guard"),
    [
        pytest.param([], [], 1, id="no windows"),
        pytest.param([1.0, 2.0], [], 1, id="no events"),
        pytest.param([1.0, 2.0, 3.0], [0], 2, id="no shift far enough"),
        pytest.param([1.0], [0], 0, id="no shift at all"),
    ],
)
def test_without_events_or_shifts_there_is_no_p(responses: list[float], positions: list[int], guard: int) -> None:
    found = shift_test(responses, positions, guard)
    assert (found.p_value, found.min_p, found.shifts) == (None, None, 0)


def test_the_guard_by_hand() -> None:
    """Any two entries that are so many windows apart are at least so many days apart."""
    every_day = np.arange(100)
    assert [guard_of(every_day, days) for days in (1, 7, 30)] == [1, 7, 30]
    # Monday to Friday: seven days are five sessions, and 30 days take 22: four weeks and two days.
    monday = date(2024, 1, 1)
    sessions = [n for n in range(700) if (monday + timedelta(days=n)).weekday() < 5]
    assert [guard_of(sessions, days) for days in (7, 8, 30)] == [5, 6, 22]
    # With two of them closed 20 are enough there, but elsewhere it still takes 22.
    assert guard_of([day for day in sessions if day not in (10, 11)], 30) == 22
    assert guard_of([0, 1, 2], 30) == 3  # N: no shift is far enough
    assert guard_of([], 30) == 0
