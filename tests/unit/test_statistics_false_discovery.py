"""The false discovery rate, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from assets.statistics.false_discovery import benjamini_yekutieli


def test_by_hand() -> None:
    """Three known p cost 3 (1 + 1/2 + 1/3) = 5.5: 0.011, 0.0275 and 0.077; a cheaper one after it makes q lower."""
    assert benjamini_yekutieli([0.042, float("nan"), 0.002, 0.01]) == pytest.approx(
        [0.077, float("nan"), 0.011, 0.0275], nan_ok=True
    )
    # 0.04 * 5.5 / 1 and / 2 for the tie, 0.041 * 5.5 / 3 for the last, which all of them may take.
    assert benjamini_yekutieli([0.04, 0.04, 0.041]) == pytest.approx([0.041 * 5.5 / 3] * 3)
    assert benjamini_yekutieli([0.9, 0.8]) == pytest.approx([1, 1])


def test_nothing_known_has_no_q() -> None:
    assert np.isnan(benjamini_yekutieli([float("nan")])).all()
    assert benjamini_yekutieli([]).shape == (0,)
