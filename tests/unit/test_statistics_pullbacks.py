"""Pullbacks as arrays, worked out by hand."""

from __future__ import annotations

import pytest

from assets.statistics.pullbacks import falls, spells


def test_a_spell_lasts_from_one_high_to_the_next() -> None:
    assert spells([10, 9, 10, 11, 11, 12]).tolist() == [0, 3, 5]
    assert spells([]).tolist() == []


@pytest.mark.parametrize(
    ("prices", "patience", "expected"),
    [
        pytest.param([100, 91, 95, 101], 9, [], id="not deep enough to be one"),
        # A pullback at 90, the lowest price is 85, the high of 101 ends it; 80 would be deep.
        pytest.param([100, 90, 85, 95, 101], 9, [(0, 2, 1, 4, 11)], id="recovered"),
        pytest.param([100, 90, 79, 79, 101], 9, [(0, 2, 1, 4, 2)], id="deep, and recovered"),
        pytest.param([100, 90, 80, 80], 1, [(0, 2, 1, 4, 3)], id="deep because it lasts, without a next high"),
        pytest.param([100, 90, 101, 90], 9, [(0, 1, 1, 2, 11), (2, 3, 3, 4, 13)], id="two"),
    ],
)
def test_falls_by_hand(prices: list[float], patience: int, expected: list[tuple[int, ...]]) -> None:
    """A pullback of 10 %; deep below 20 %, or after so many sessions more than `patience`."""
    assert list(falls(prices, 0.1, 0.2, patience)) == expected
