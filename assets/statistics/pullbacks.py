"""Pullbacks: how far prices fall from a high, and how long until the next one.

Here: the definition of a pullback, and the function that makes a table of them. Breakouts are in `breakouts`.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from assets.config.parameters import Parameters


def spells(prices: ArrayLike) -> NDArray[np.int64]:
    """The sessions at a new high, each of which begins a spell that lasts until the next (S,); `prices` (N,)."""
    values = np.asarray(prices, dtype=np.float64)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(values)[:-1]])
    return np.flatnonzero(values > before)


def pullbacks(
    parameters: Parameters, paths: duckdb.DuckDBPyRelation, instruments: duckdb.DuckDBPyRelation
) -> pd.DataFrame:
    """Every fall from a high of every instrument that is no share of a group.

    `paths` are intermediate.price_paths and `instruments` core.instruments. The answer has one row per instrument_id
    and peak_date: the peak, the lowest price until the next high (trough) and its first session (trough_date), when the
    fall was decided (decided_at), when the next high was (recovered_at) and how many sessions that took
    (sessions_to_recover), and when the fall was deep or had lasted too long (deep_at); what has not come is null.
    """
    followed = paths.join(
        instruments.filter("role != 'other'").project("instrument_id as subject_id, calendar"), "subject_id"
    )
    subjects = (
        followed.aggregate("subject_id, calendar, count(*) as size", "subject_id, calendar")
        .order("subject_id")
        .fetchall()
    )
    sessions = (
        followed.order("subject_id, session_number")
        .project("price, session_date::timestamp as day, epoch_us(known_at) as known")
        .fetchnumpy()
    )
    # How far a close under the peak is a pullback, and how far a deep one, in the ways of each calendar.
    rules = {
        "XNYS": ("equity_pullback", "equity_deep_pullback"),
        "CRYPTO": ("crypto_pullback", "crypto_deep_pullback"),
    }
    patience = int(parameters["pullback_sessions"].value)
    rows = []
    end = 0
    for instrument, calendar, size in subjects:
        own, end = slice(end, end + size), end + size
        price, day, known = (np.asarray(sessions[name][own]) for name in ("price", "day", "known"))
        pullback, deep_pullback = (1 - float(parameters[name].value) for name in rules[calendar])
        starts = spells(price)
        for start, recovered in zip(starts, [*starts[1:], size], strict=True):
            peak, spell = price[start], price[start:recovered]
            falling = np.flatnonzero(spell <= peak * pullback)
            if len(falling) == 0:
                continue
            decided = start + int(falling[0])
            too_deep = start + np.flatnonzero(spell < peak * deep_pullback)
            deep = min([decided + patience + 1, *too_deep[:1]])
            trough = start + int(np.argmin(spell))
            rows.append(
                (
                    instrument,
                    day[start],
                    peak,
                    day[trough],
                    price[trough],
                    known[decided],
                    known[recovered] if recovered < size else None,
                    recovered - decided if recovered < size else None,
                    known[deep] if deep <= recovered and deep < size else None,
                )
            )
    columns = {
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
    # Empty columns, too, must have a type.
    frame = pd.DataFrame(rows, columns=list(columns)).astype(columns)
    instants = ["decided_at", "recovered_at", "deep_at"]
    return frame.assign(**{name: pd.to_datetime(frame[name], unit="us", utc=True) for name in instants})
