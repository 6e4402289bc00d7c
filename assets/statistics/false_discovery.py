"""The false discovery rate: p-values corrected for how many hypotheses were tested.

Here: the correction. Which p-values form a family is decided by the caller.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters


def benjamini_yekutieli(p_values: ArrayLike) -> NDArray[np.float64]:
    """The corrected p-value q of each p (N,), valid under any dependence (Benjamini and Yekutieli 2001).

    q bounds the share of false discoveries among all hypotheses with a p at most as large. With m known p-values in
    ascending order p_(1), ..., p_(m),

        q_(i) = min(1, min over k = i..m of m (1 + 1/2 + ... + 1/m) p_(k) / k)

    An unknown p (nan) has no q and does not count.
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    in_order = known[np.argsort(p[known], kind="stable")]
    places = np.arange(1, len(known) + 1)
    corrected = len(known) * np.sum(1 / places) * p[in_order] / places
    q = np.full(len(p), np.nan)
    q[in_order] = np.minimum(np.minimum.accumulate(corrected[::-1])[::-1], 1)
    return q


def family_q_values(_: Parameters, tests: duckdb.DuckDBPyRelation, family: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """The corrected p-values of a family that was fixed in advance.

    Args:
        tests: intermediate.shift_tests.
        family: The questions of the family: signal_id, target_id, horizon_days.

    Returns:
        signal_id, target_id, horizon_days, p_value, q_value. Questions without a test or a p-value have no row.
    """
    frame: pd.DataFrame = (
        tests.project("pattern_id as signal_id, target_id, horizon_days, p_value")
        .join(family, "signal_id, target_id, horizon_days", how="semi")
        .filter("p_value is not null")
        .df()
    )
    return frame.assign(q_value=benjamini_yekutieli(frame["p_value"]))
