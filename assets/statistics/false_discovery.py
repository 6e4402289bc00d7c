"""What p-values are worth once they pay for how many were looked at.

Here: the false discovery rate. Which p-values belong together is said by whoever asks.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters


def benjamini_yekutieli(p_values: ArrayLike) -> NDArray[np.float64]:
    """q of each p (N,): the share of false ones among all that are at most as large, however they depend on each other.

    With m known p-values in order, p_(1) the smallest, q_(i) is the least of 1 and, for k from i to m, of
    m (1 + 1/2 + ... + 1/m) p_(k) / k: Benjamini and Yekutieli (2001). An unknown p (nan) has no q and is not counted.
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    in_order = known[np.argsort(p[known], kind="stable")]
    places = np.arange(1, len(known) + 1)
    prices = len(known) * np.sum(1 / places) * p[in_order] / places
    q = np.full(len(p), np.nan)
    q[in_order] = np.minimum(np.minimum.accumulate(prices[::-1])[::-1], 1)
    return q


def family_q_values(_: Parameters, tests: duckdb.DuckDBPyRelation, family: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """The questions of a family with their p and q: signal_id, target_id, horizon_days, p_value, q_value.

    `tests` are intermediate.shift_tests, `family` the questions that were fixed in advance. One that has no test, or a
    test without a p, has no row.
    """
    frame: pd.DataFrame = (
        tests.project("pattern_id as signal_id, target_id, horizon_days, p_value")
        .join(family, "signal_id, target_id, horizon_days", how="semi")
        .filter("p_value is not null")
        .df()
    )
    return frame.assign(q_value=benjamini_yekutieli(frame["p_value"]))
