"""Pullbacks: how far prices fall from a high, and how long it takes until the next high.

Here: the definition of a pullback, and the table function for all instruments. Breakouts are in `breakouts`.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters
from assets.statistics.tables import groups_of, typed_frame

# The parameters of each calendar: how far below the peak a close is a pullback, and how far a deep one.
_RULES = {
    "XNYS": ("equity_pullback", "equity_deep_pullback"),
    "CRYPTO": ("crypto_pullback", "crypto_deep_pullback"),
}
_COLUMNS = {
    "instrument_id": "string",
    "peak_date": "datetime64[us]",
    "peak": "float64",
    "trough_date": "datetime64[us]",
    "trough": "float64",
    "decided_at": "Int64",
    "recovered_at": "Int64",
    "sessions_to_recover": "Int64",
    "deep_at": "Int64",
}
_INSTANTS = ("decided_at", "recovered_at", "deep_at")


def spells(prices: ArrayLike) -> NDArray[np.int64]:
    """The positions of new highs (S,) in `prices` (N,). Each starts a spell that lasts until the next new high."""
    values = np.asarray(prices, dtype=np.float64)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(values)[:-1]])
    return np.flatnonzero(values > before)


def falls(prices: ArrayLike, depth: float, deep: float, patience: int) -> Iterator[tuple[int, int, int, int, int]]:
    """The pullbacks of one series of prices: spells in which the price falls far enough below the high.

    Args:
        prices: Prices in order of session (N,), all known.
        depth: Fraction below the high at which a fall is a pullback.
        deep: Fraction below the high beyond which a pullback is deep.
        patience: Sessions from the decision after which an unrecovered pullback counts as deep.

    Yields:
        Positions in `prices`: the high, the first lowest price before the next high, the first price that is a
        pullback, the next high (N if it never comes), and the session at which the pullback is deep, which may lie
        beyond the next high or the end.
    """
    values = np.asarray(prices, dtype=np.float64)
    starts = spells(values)
    for start, recovered in zip(starts, [*starts[1:], len(values)], strict=True):
        peak, spell = values[start], values[start:recovered]
        falling = np.flatnonzero(spell <= peak * (1 - depth))
        if len(falling) == 0:
            continue
        decided = start + int(falling[0])
        too_deep = start + np.flatnonzero(spell < peak * (1 - deep))
        yield start, start + int(np.argmin(spell)), decided, recovered, min([decided + patience + 1, *too_deep[:1]])


def pullbacks(
    parameters: Parameters, paths: duckdb.DuckDBPyRelation, instruments: duckdb.DuckDBPyRelation
) -> pd.DataFrame:
    """Every pullback of every instrument, except shares that only belong to a group (role other).

    Args:
        parameters: The parameters of the project.
        paths: intermediate.price_paths.
        instruments: core.instruments.

    Returns:
        One row per instrument_id and peak_date: peak, trough and trough_date (the first lowest price before the next
        high), decided_at, recovered_at, sessions_to_recover, and deep_at (when the fall was deep or had lasted too
        long). Instants that have not come are null.
    """
    followed = paths.join(
        instruments.filter("role != 'other'").project("instrument_id as subject_id, calendar"), "subject_id"
    )
    patience = int(parameters["pullback_sessions"].value)
    rows: list[tuple[object, ...]] = []
    for (instrument, calendar), sessions in groups_of(
        followed.aggregate("subject_id, calendar, count(*) as size", "subject_id, calendar"),
        followed.order("subject_id, session_number").project(
            "price, session_date::timestamp as day, epoch_us(known_at) as known"
        ),
    ):
        price, day, known = (np.asarray(sessions[name]) for name in ("price", "day", "known"))
        depth, deep_depth = (float(parameters[name].value) for name in _RULES[calendar])
        for peak, trough, decided, recovered, deep in falls(price, depth, deep_depth, patience):
            is_over = recovered < len(price)
            rows.append(
                (
                    instrument,
                    day[peak],
                    price[peak],
                    day[trough],
                    price[trough],
                    known[decided],
                    known[recovered] if is_over else None,
                    recovered - decided if is_over else None,
                    known[deep] if deep <= recovered and deep < len(price) else None,
                )
            )
    frame = typed_frame(rows, _COLUMNS)
    return frame.assign(**{name: pd.to_datetime(frame[name], unit="us", utc=True) for name in _INSTANTS})
