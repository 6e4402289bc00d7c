"""What the shift test would have said at past instants, with the windows that were complete by then.

Here: the primary family as it stood when a forecast was due. The test itself is that of `shifts`, the price of its
p-values that of `discoveries`; what becomes of them is said in SQL.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assets.config.parameters import Parameters
from assets.statistics.false_discovery import benjamini_yekutieli
from assets.statistics.shift_test import guard_of, shift_test

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]


def without_one(responses: Numbers, groups: Whole) -> Numbers:
    """The mean response with each group left out (number of groups,), in order of the groups; empty for one group.

    `responses` (E,) and the number, from 0 on, of the group that each belongs to (E,).
    """
    sizes = np.bincount(groups)
    sums = np.bincount(groups, weights=responses)
    is_there = sizes > 0
    if np.count_nonzero(is_there) < 2:
        return np.empty(0)
    means: Numbers = (responses.sum() - sums[is_there]) / (len(responses) - sizes[is_there])
    return means


def past_tests(
    parameters: Parameters,
    bases: duckdb.DuckDBPyRelation,
    windows: duckdb.DuckDBPyRelation,
    pattern_windows: duckdb.DuckDBPyRelation,
    family: duckdb.DuckDBPyRelation,
) -> pd.DataFrame:
    """The shift tests of the whole family at each instant at which one of its questions passes the gate.

    `bases` are intermediate.forecast_bases, `windows` intermediate.forward_windows, `pattern_windows` those of them
    that open after events, `family` the primary family. Of each only what was known at the instant counts. The answer
    has a row per trigger_at and question of the family that has an event by then: p_value, its q_value in the family as
    it was then, and in logarithms the mean response above that of all windows (excess_log) with the lowest and highest
    of it when one episode is left out.
    """
    instants = (
        bases.filter(f"is_primary and n_episodes >= {parameters['minimum_episodes'].value}")
        .aggregate("epoch_us(trigger_at) as instant")
        .order("instant")
        .df()["instant"]
        .to_numpy()
    )
    frames = [] if len(instants) == 0 else _tested(instants, windows, pattern_windows, family)
    columns = {
        "trigger_at": "datetime64[us, UTC]",
        "signal_id": "string",
        "target_id": "string",
        "horizon_days": "int32",
        "p_value": "float64",
        "excess_log": "float64",
        "lowest_log": "float64",
        "highest_log": "float64",
    }
    # Empty columns, too, must have a type.
    frame = pd.DataFrame(frames, columns=list(columns)).astype(columns)
    return frame.assign(q_value=frame.groupby("trigger_at")["p_value"].transform(benjamini_yekutieli))


def _tested(
    instants: Whole,
    windows: duckdb.DuckDBPyRelation,
    pattern_windows: duckdb.DuckDBPyRelation,
    family: duckdb.DuckDBPyRelation,
) -> list[tuple[object, ...]]:
    """The rows of `past_tests`, instant by instant."""
    measured = family.project("target_id, horizon_days").distinct()
    day = "entry_date - '1970-01-01'::date"
    histories = (
        windows.filter("not is_reconstructed")
        .join(measured, "target_id, horizon_days", how="semi")
        .aggregate(
            f"target_id, horizon_days, list({day} order by entry_date) as days, "
            "list(log_return order by entry_date) as responses, "
            "list(epoch_us(known_at) order by entry_date) as known",
            "target_id, horizon_days",
        )
        .df()
    )
    patterns = (
        pattern_windows.project(
            "pattern_id as signal_id, target_id, horizon_days, event_id, entry_date, log_return, episode, known_at"
        )
        .join(family, "signal_id, target_id, horizon_days", how="semi")
        .aggregate(
            f"signal_id, target_id, horizon_days, list({day} order by entry_date, event_id) as days, "
            "list(log_return order by entry_date, event_id) as responses, "
            "list(episode::bigint order by entry_date, event_id) as episodes, "
            "list(epoch_us(known_at) order by entry_date, event_id) as known",
            "signal_id, target_id, horizon_days",
        )
        .order("signal_id, target_id, horizon_days")
        .df()
    )
    history_of = {(row.target_id, row.horizon_days): row for row in histories.itertuples()}
    rows: list[tuple[object, ...]] = []
    for instant in instants:
        # Signals share the history of a target.
        known_of = {}
        for measure, history in history_of.items():
            is_known = history.known <= instant
            days = history.days[is_known]
            known_of[measure] = (days, history.responses[is_known], guard_of(days, history.horizon_days))
        for pattern in patterns.itertuples():
            is_known = pattern.known <= instant
            if not is_known.any():
                continue
            days, responses, guard = known_of[pattern.target_id, pattern.horizon_days]
            test = shift_test(responses, np.searchsorted(days, pattern.days[is_known]), guard)
            others = without_one(pattern.responses[is_known], pattern.episodes[is_known]) - test.expected
            rows.append(
                (
                    pd.Timestamp(instant, unit="us", tz="UTC"),
                    pattern.signal_id,
                    pattern.target_id,
                    pattern.horizon_days,
                    test.p_value,
                    test.observed - test.expected,
                    others.min() if len(others) else None,
                    others.max() if len(others) else None,
                )
            )
    return rows
