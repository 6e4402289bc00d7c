"""Breakouts: sessions whose close is above a high that has stood for a long time.

Here: the definition of a breakout, and the table function for all subjects. It uses arrays, because a window query
searches a tree for each session and an array needs two passes for all of them. What follows a breakout is computed in
SQL. intermediate.specification_events states the same definition in SQL, for a few subjects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters
from assets.statistics.tables import typed_frame

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

# Sessions whose prices are read at a time: a few megabytes.
BATCH_SESSIONS = 1_000_000
# The parameters of each calendar: length of a year, quiet period of an all-time high, quiet period of a year high.
_RULES = {
    "XNYS": ("equity_year", "equity_all_time_high_quiet", "equity_year_high_quiet"),
    "CRYPTO": ("crypto_year", "crypto_all_time_high_quiet", "crypto_year_high_quiet"),
}
_COLUMNS = {
    "subject_id": "string",
    "subject_kind": "string",
    "kind": "string",
    "session_number": "int64",
    "level": "float64",
    "level_number": "int64",
    "lowest": "float64",
    "is_early": "bool",
}


def trailing_high(prices: ArrayLike, width: int) -> Numbers:
    """The highest of the last `width` prices (N,), each price itself included; nan is ignored.

    The prices are cut into blocks of `width`. Every stretch of `width` prices is the end of one block and the start of
    the next, so its maximum follows from a running maximum forwards and one backwards within each block.
    """
    values = np.asarray(prices, dtype=np.float64)
    whole = -(-len(values) // width) * width
    padded = np.full(width + whole, np.nan)
    padded[width : width + len(values)] = values
    rows = padded.reshape(-1, width)
    so_far = np.fmax.accumulate(rows, axis=1).ravel()
    to_come = np.fmax.accumulate(rows[:, ::-1], axis=1)[:, ::-1].ravel()
    ends = np.arange(width, width + len(values))
    highest: Numbers = np.fmax(so_far[ends], to_come[ends - width + 1])
    return highest


def broken_highs(prices: ArrayLike, reach: int | None, quiet: int, first: int, margin: float) -> tuple[Whole, Numbers]:
    """The sessions that break out, and the levels that they break.

    The level of a session is the highest price at least `quiet` and at most `reach` sessions before it. The session
    breaks out if its price is above the level by more than the margin, and no price of the quiet period is. The first
    session of the quiet period counts to both; that changes nothing, because it is no higher than the level.

    Args:
        prices: Prices in order of session (N,); nan if unknown.
        reach: How many sessions the level may lie back; None for an all-time high.
        quiet: Length of the quiet period in sessions.
        first: Position of the first session that can break out.
        margin: How far above the level the price must be, as a fraction of the level.

    Returns:
        Positions of the sessions that break out (E,), and their levels (E,).
    """
    values = np.asarray(prices, dtype=np.float64)
    highest = np.fmax.accumulate(values) if reach is None else trailing_high(values, reach - quiet + 1)
    sessions = np.arange(max(first, quiet, 1), len(values))
    limits = highest[sessions - quiet] * (1 + margin)
    is_broken = (values[sessions] > limits) & ~(trailing_high(values, quiet)[sessions - 1] > limits)
    return sessions[is_broken], highest[sessions - quiet][is_broken]


def breakouts(
    parameters: Parameters,
    paths: duckdb.DuckDBPyRelation,
    instruments: duckdb.DuckDBPyRelation,
    pairs: duckdb.DuckDBPyRelation,
) -> pd.DataFrame:
    """Every breakout of every subject to an all-time high or a year high.

    Args:
        parameters: The parameters of the project.
        paths: intermediate.price_paths; the sessions of a subject are numbered from 1 without gaps.
        instruments: core.instruments.
        pairs: core.pairs.

    Returns:
        One row per subject_id, kind and session_number: subject_kind, level, level_number (latest session at the
        level), lowest (lowest price since then), is_early (whether the level lies in the subject's first year).
    """
    margin = parameters["breakout_margin"].value
    sizes = dict(paths.aggregate("subject_id, count(*)", "subject_id").order("subject_id").fetchall())
    described = instruments.project("instrument_id as subject_id, 'instrument' as subject_kind, calendar").union(
        pairs.project("pair_id as subject_id, 'pair' as subject_kind, calendar")
    )
    subjects = {subject: (subject_kind, calendar) for subject, subject_kind, calendar in described.fetchall()}
    rows = []
    for subject, path in zip(sizes, _prices(paths, sizes), strict=True):
        subject_kind, calendar = subjects[subject]
        year, quiet_ever, quiet_year = (int(parameters[name].value) for name in _RULES[calendar])
        for kind, reach, quiet in (("all_time_high", None, quiet_ever), ("year_high", year, quiet_year)):
            for session, level in zip(*broken_highs(path, reach, quiet, year, margin), strict=True):
                start = 0 if reach is None else session - reach
                stood = start + int(np.flatnonzero(path[start : session - quiet + 1] == level)[-1])
                lowest = np.fmin.reduce(path[stood : session + 1])
                rows.append((subject, subject_kind, kind, session + 1, level, stood + 1, lowest, stood < year))
    return typed_frame(rows, _COLUMNS)


def _prices(paths: duckdb.DuckDBPyRelation, sizes: Mapping[str, int]) -> Iterator[Numbers]:
    """The prices of each subject (N,), nan if unknown. `sizes` are the subjects' numbers of sessions, ordered by id.

    Several subjects are read at a time: a query for each would be slow, and one for all would hold the whole history in
    memory.
    """
    subject_id = duckdb.ColumnExpression("subject_id")
    ends = dict(zip(sizes, np.cumsum(list(sizes.values())), strict=True))
    for _, batch in groupby(sizes, lambda subject: ends[subject] // BATCH_SESSIONS):
        own = list(batch)
        between = subject_id.between(duckdb.ConstantExpression(own[0]), duckdb.ConstantExpression(own[-1]))
        ordered = paths.filter(between).order("subject_id, session_number")
        # A constant expression from Python would turn nan into null again.
        prices = ordered.project("coalesce(price, 'nan'::double) as price").fetchnumpy()["price"]
        yield from np.split(prices, np.cumsum([sizes[subject] for subject in own[:-1]]))
