"""The shift tests of the primary family as of past instants, on the windows that were complete by then.

Here: which windows each instant could see. The test itself is in `shift_test`, the correction for the size of the
family in `false_discovery`. SQL decides what follows from the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assets.config.parameters import Parameters
from assets.statistics.false_discovery import benjamini_yekutieli
from assets.statistics.shift_test import guard_of, shift_test
from assets.statistics.tables import ENTRY_DAY, typed_frame

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

_COLUMNS = {
    "trigger_at": "datetime64[us, UTC]",
    "signal_id": "string",
    "target_id": "string",
    "horizon_days": "int32",
    "p_value": "float64",
    "excess_log": "float64",
    "lowest_log": "float64",
    "highest_log": "float64",
}


class _History(NamedTuple):
    """The windows of a target at a horizon, in order of entry (N,): day of the entry, log return, when known [us]."""

    days: Whole
    responses: Numbers
    known: Whole


class _Pattern(NamedTuple):
    """The windows after a signal's events in order of entry (E,), as in `_History`, with the episode of each event."""

    signal_id: str
    target_id: str
    horizon_days: int
    days: Whole
    responses: Numbers
    episodes: Whole
    known: Whole


def leave_one_out_means(responses: Numbers, groups: Whole) -> Numbers:
    """The mean response without each group (number of groups,), in order of the groups; empty if there is only one.

    `responses` (E,), and for each the number of its group, from 0 (E,).
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
    """The shift tests of the whole family at each instant at which one of its questions has enough episodes.

    Only windows that were complete at the instant count.

    Args:
        parameters: The parameters of the project.
        bases: intermediate.forecast_bases.
        windows: intermediate.forward_windows.
        pattern_windows: intermediate.pattern_windows.
        family: The questions of the primary family: signal_id, target_id, horizon_days.

    Returns:
        One row per trigger_at and question with an event by then: p_value, q_value within the family as it was then,
        excess_log (mean log response of the events minus that of all windows), and lowest_log and highest_log
        (the extremes of excess_log with one episode left out; null if there is only one).
    """
    instants = (
        bases.filter(f"is_primary and n_episodes >= {parameters['minimum_episodes'].value}")
        .aggregate("epoch_us(trigger_at) as instant")
        .order("instant")
        .df()["instant"]
        .to_numpy()
    )
    rows: list[tuple[object, ...]] = []
    if len(instants):
        histories, patterns = _histories(windows, family), _patterns(pattern_windows, family)
        rows = [row for instant in instants for row in _tests_at(instant, histories, patterns)]
    frame = typed_frame(rows, _COLUMNS)
    return frame.assign(q_value=frame.groupby("trigger_at")["p_value"].transform(benjamini_yekutieli))


def _tests_at(
    instant: int, histories: Mapping[tuple[str, int], _History], patterns: list[_Pattern]
) -> Iterator[tuple[object, ...]]:
    """The rows of `past_tests` for one instant [us since 1970]."""
    # Several signals share the history of a target.
    known_histories = {}
    for (target, horizon), history in histories.items():
        is_known = history.known <= instant
        days = history.days[is_known]
        known_histories[target, horizon] = (days, history.responses[is_known], guard_of(days, horizon))
    for pattern in patterns:
        is_known = pattern.known <= instant
        if not is_known.any():
            continue
        days, responses, guard = known_histories[pattern.target_id, pattern.horizon_days]
        test = shift_test(responses, np.searchsorted(days, pattern.days[is_known]), guard)
        excesses = leave_one_out_means(pattern.responses[is_known], pattern.episodes[is_known]) - test.expected
        yield (
            pd.Timestamp(instant, unit="us", tz="UTC"),
            pattern.signal_id,
            pattern.target_id,
            pattern.horizon_days,
            test.p_value,
            test.observed - test.expected,
            excesses.min() if len(excesses) else None,
            excesses.max() if len(excesses) else None,
        )


def _histories(windows: duckdb.DuckDBPyRelation, family: duckdb.DuckDBPyRelation) -> Mapping[tuple[str, int], _History]:
    """The windows of each target and horizon of the family, without reconstructed ones."""
    measured = family.project("target_id, horizon_days").distinct()
    lists = _lists("entry_date", days=ENTRY_DAY, responses="log_return", known="epoch_us(known_at)")
    frame = (
        windows.filter("not is_reconstructed")
        .join(measured, "target_id, horizon_days", how="semi")
        .aggregate(f"target_id, horizon_days, {lists}", "target_id, horizon_days")
        .df()
    )
    return {
        (row.target_id, row.horizon_days): _History(row.days, row.responses, row.known) for row in frame.itertuples()
    }


def _patterns(pattern_windows: duckdb.DuckDBPyRelation, family: duckdb.DuckDBPyRelation) -> list[_Pattern]:
    """The windows after the events of each question of the family, in order of the questions."""
    question = "signal_id, target_id, horizon_days"
    lists = _lists(
        "entry_date, event_id",
        days=ENTRY_DAY,
        responses="log_return",
        episodes="episode::bigint",
        known="epoch_us(known_at)",
    )
    frame = (
        pattern_windows.project(
            "pattern_id as signal_id, target_id, horizon_days, event_id, entry_date, log_return, episode, known_at"
        )
        .join(family, question, how="semi")
        .aggregate(f"{question}, {lists}", question)
        .order(question)
        .df()
    )
    return [_Pattern(*row) for row in frame[list(_Pattern._fields)].itertuples(index=False)]


def _lists(order: str, **expressions: str) -> str:
    """The select list that gathers each expression of a group's rows into a list, in an order."""
    return ", ".join(f"list({expression} order by {order}) as {name}" for name, expression in expressions.items())
