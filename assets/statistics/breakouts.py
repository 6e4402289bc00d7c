"""Breakouts: which sessions close above a high that has stood for a long time.

Here: the definition of a breakout, and the function that makes a table of them. A window query in a database walks a
tree for each session; an array is walked twice for all of them. What follows a breakout is SQL, and
intermediate.specification_events states the definition again in SQL, for a few subjects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

# Sessions whose prices are read at a time, a few megabytes.
BATCH_SESSIONS = 1_000_000


def trailing_high(prices: ArrayLike, width: int) -> Numbers:
    """The highest of the last `width` prices, each price's own included (N,); of fewer at the start.

    A price that is nan is passed over. Within blocks of `width` prices, the highest so far and the highest to come:
    every stretch of that many is the end of one block and the start of the next.
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
    """The sessions that break out, from the position `first` on, and the levels that they break (E,), (E,).

    `prices` (N,), one per session. The level is the highest price that lies at least `quiet` sessions back, and, unless
    `reach` is None, at most `reach`. It breaks when the price is more than `margin` above it, and none was since then.
    The session at which the quiet time begins counts to both, which changes nothing: it is no higher than the level.
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
    """Every breakout of every subject: to an all-time high, and to a year high.

    `paths` are intermediate.price_paths, in which a subject's sessions are numbered from 1 without a gap, `instruments`
    core.instruments and `pairs` core.pairs. The answer has one row per subject_id, kind and session_number: with the
    subject_kind, the level, the number of the latest session that stood at it (level_number), the lowest price since
    (lowest), and whether the level stood in the subject's first year (is_early).
    """
    margin = parameters["breakout_margin"].value
    # How long a year is and how long it must have been quiet, in the sessions of each calendar.
    rules = {
        "XNYS": ("equity_year", "equity_all_time_high_quiet", "equity_year_high_quiet"),
        "CRYPTO": ("crypto_year", "crypto_all_time_high_quiet", "crypto_year_high_quiet"),
    }
    sizes = dict(paths.aggregate("subject_id, count(*)", "subject_id").order("subject_id").fetchall())
    described = instruments.project("instrument_id as subject_id, 'instrument' as subject_kind, calendar").union(
        pairs.project("pair_id as subject_id, 'pair' as subject_kind, calendar")
    )
    subjects = {subject: (subject_kind, calendar) for subject, subject_kind, calendar in described.fetchall()}
    rows = []
    for subject, path in zip(sizes, _prices(paths, sizes), strict=True):
        subject_kind, calendar = subjects[subject]
        year, quiet_ever, quiet_year = (int(parameters[name].value) for name in rules[calendar])
        for kind, reach, quiet in (("all_time_high", None, quiet_ever), ("year_high", year, quiet_year)):
            for session, level in zip(*broken_highs(path, reach, quiet, year, margin), strict=True):
                first = 0 if reach is None else session - reach
                stood = first + int(np.flatnonzero(path[first : session - quiet + 1] == level)[-1])
                lowest = np.fmin.reduce(path[stood : session + 1])
                rows.append((subject, subject_kind, kind, session + 1, level, stood + 1, lowest, stood < year))
    columns = {
        "subject_id": "string",
        "subject_kind": "string",
        "kind": "string",
        "session_number": "int64",
        "level": "float64",
        "level_number": "int64",
        "lowest": "float64",
        "is_early": "bool",
    }
    # Empty columns, too, must have a type.
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _prices(paths: duckdb.DuckDBPyRelation, sizes: Mapping[str, int]) -> Iterator[Numbers]:
    """The prices of each subject (N,), what is unknown as nan. `sizes` are their numbers of sessions, in order of id.

    Neighbours are read together: one after the other would take long, all at once the memory of a whole history.
    """
    subject_id = duckdb.ColumnExpression("subject_id")
    ends = dict(zip(sizes, np.cumsum(list(sizes.values())), strict=True))
    for _, batch in groupby(sizes, lambda subject: ends[subject] // BATCH_SESSIONS):
        own = list(batch)
        between = subject_id.between(duckdb.ConstantExpression(own[0]), duckdb.ConstantExpression(own[-1]))
        ordered = paths.filter(between).order("subject_id, session_number")
        # As an expression of Python's, nan would be a null again.
        prices = ordered.project("coalesce(price, 'nan'::double) as price").fetchnumpy()["price"]
        yield from np.split(prices, np.cumsum([sizes[subject] for subject in own[:-1]]))
