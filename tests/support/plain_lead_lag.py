"""The lead-lag score and its null in plain loops, to compare the fast ones with."""

from __future__ import annotations

import numpy as np

from assets.statistics.lead_lag import Floats


def pairs_at(x: Floats, y: Floats, lag: int) -> tuple[Floats, Floats]:
    """The known pairs of x and what y was so much later."""
    early, late = (x[: len(x) - lag], y[lag:]) if lag >= 0 else (x[-lag:], y[: len(y) + lag])
    known = ~np.isnan(early) & ~np.isnan(late)
    return early[known], late[known]


def score(x: Floats, y: Floats, of_x: Floats, of_y: Floats) -> float:
    """The sum of products in its own standard deviations; x and y are pairs of the series of_x and of_y."""
    products = (x - np.nanmean(of_x)) * (y - np.nanmean(of_y))
    return float(abs(products.sum()) / np.sqrt((products**2).sum()))


def null_of(x: Floats, y: Floats, away: int) -> list[float]:
    """The score of every displacement around the circle that is so far from 0 in both directions."""
    found = []
    for shift in range(away, len(x) - away + 1):
        turned = np.roll(y, -shift)
        known = ~np.isnan(x) & ~np.isnan(turned)
        found.append(score(x[known], turned[known], x, y))
    return found
