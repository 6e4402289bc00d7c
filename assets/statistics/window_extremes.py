"""Run-ups and drawdowns: the extremes of thousands of short, overlapping price paths.

Here: running maxima and minima between an entry and an exit. It uses arrays, because a window query searches a tree for
each row and an array needs one pass.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters


def run_ups_and_drawdowns(
    prices: ArrayLike, starts: ArrayLike, length: int, *, as_difference: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The run-up and the drawdown after every step of several paths.

    Args:
        prices: Prices in order of session (N,).
        starts: Positions in `prices` at which the paths start (P,).
        length: Number of steps of every path. A path that reaches the end of the prices stays at the last one.
        as_difference: Whether to subtract prices instead of dividing them.

    Returns:
        Two arrays (P, length + 1), one column per step from the start itself on: the highest price so far over the
        price at the start minus 1, and the lowest so far of price over highest price so far minus 1 (or the
        differences). A division by a price of 0 gives nan.
    """
    series = np.asarray(prices, dtype=np.float64)
    first = np.asarray(starts, dtype=np.int64)
    steps = np.minimum(first[:, None] + np.arange(length + 1), max(len(series) - 1, 0))
    path = series[steps] if len(first) else np.empty((0, length + 1))
    highest = np.maximum.accumulate(path, axis=1)
    if as_difference:
        return highest - path[:, :1], np.minimum.accumulate(path - highest, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        risen = np.where(path[:, :1] != 0, highest / path[:, :1] - 1, np.nan)
        fallen = np.where(highest != 0, path / highest - 1, np.nan)
    return risen, np.fmin.accumulate(fallen, axis=1)


def window_extremes(
    _: Parameters,
    entries: duckdb.DuckDBPyRelation,
    windows: duckdb.DuckDBPyRelation,
    prices: duckdb.DuckDBPyRelation,
) -> pd.DataFrame:
    """The maximum run-up and drawdown of every complete window that opens at an entry.

    Args:
        entries: intermediate.response_entries.
        windows: intermediate.forward_windows.
        prices: intermediate.target_prices; the sessions of a target are numbered from 1 without gaps.

    Returns:
        One row per target_id, entry_date and horizon_days: max_run_up, max_drawdown.
    """
    opened = (
        windows.set_alias("windows")
        .join(
            entries.project("target_id, entry_date").distinct().set_alias("entries"),
            "entries.target_id = windows.target_id and entries.entry_date = windows.entry_date",
        )
        .project(
            "windows.target_id, windows.entry_date, horizon_days, is_index, session_number - 1 as start, "
            "exit_number - session_number as steps"
        )
        .order("target_id, entry_date, horizon_days")
        .df()
    )
    closes = prices.order("target_id, session_number").project("target_id, price").df()
    prices_of = {str(target): series.to_numpy() for target, series in closes.groupby("target_id")["price"]}
    found = [
        part.assign(max_run_up=run_ups[places, part["steps"]], max_drawdown=drawdowns[places, part["steps"]])
        for (target, is_index), part in opened.groupby(["target_id", "is_index"])
        for starts, places in [np.unique(part["start"], return_inverse=True)]
        for run_ups, drawdowns in [
            run_ups_and_drawdowns(prices_of[target], starts, int(part["steps"].max()), as_difference=bool(is_index))
        ]
    ]
    frame = pd.concat(found) if found else opened.assign(max_run_up=0.0, max_drawdown=0.0)
    return frame[["target_id", "entry_date", "horizon_days", "max_run_up", "max_drawdown"]]
