"""Extremes of paths, as arrays: worked out by hand, and against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from assets.statistics.window_extremes import run_ups_and_drawdowns


def test_by_hand() -> None:
    risen, fallen = run_ups_and_drawdowns([100, 110, 99, 121, 60.5], [0, 1], 3)
    assert risen == pytest.approx(np.array([[0, 0.1, 0.1, 0.21], [0, 0, 0.1, 0.1]]))
    assert fallen == pytest.approx(np.array([[0, 0, -0.1, -0.1], [0, -0.1, -0.1, -0.5]]))


def test_an_index_rises_and_falls_by_differences() -> None:
    risen, fallen = run_ups_and_drawdowns([0.2, 0.5, 0.1], [0], 2, as_difference=True)
    assert risen == pytest.approx(np.array([[0, 0.3, 0.3]]))
    assert fallen == pytest.approx(np.array([[0, 0, -0.4]]))


def test_a_path_is_that_of_a_loop_and_ends_with_the_prices() -> None:
    prices = np.exp(np.random.default_rng(3).standard_normal(60).cumsum() / 20)
    risen, fallen = run_ups_and_drawdowns(prices, np.arange(60), 25)
    for start in range(60):
        for steps in (0, 1, 7, 25):
            path = prices[start : start + steps + 1]
            lows = [price / max(path[: place + 1]) - 1 for place, price in enumerate(path)]
            assert risen[start, steps] == pytest.approx(max(path) / path[0] - 1, rel=1e-12)
            assert fallen[start, steps] == pytest.approx(min(lows), rel=1e-12)


def test_a_price_of_nothing_has_no_quotient_and_no_path_has_no_rows() -> None:
    risen, fallen = run_ups_and_drawdowns([0.0, 1.0, 0.5], [0], 2)
    assert np.isnan(risen).all()
    assert np.isnan(fallen[0, 0])
    assert fallen[0, 1:] == pytest.approx([0, -0.5])
    assert run_ups_and_drawdowns([1.0], [], 2)[0].shape == (0, 3)
    assert run_ups_and_drawdowns([], [], 2)[1].shape == (0, 3)
