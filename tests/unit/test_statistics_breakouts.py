"""New highs, as arrays: worked out by hand, and against the definition in a loop."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from assets.config.parameters import load_parameters
from assets.statistics import breakouts
from assets.statistics.breakouts import broken_highs, trailing_high


def test_the_highest_of_the_last_prices() -> None:
    assert trailing_high([3, 1, 2, 5, 4, 1, 0], 3).tolist() == [3, 3, 3, 5, 5, 5, 4]
    assert trailing_high([3, 1], 5).tolist() == [3, 3]
    assert trailing_high([], 5).tolist() == []
    assert trailing_high([1, np.nan, np.nan, 0], 2) == pytest.approx([1, 1, np.nan, 0], nan_ok=True)


def test_a_breakout_by_hand() -> None:
    """Two quiet sessions; 12 comes after them, 13 one session after a high above the level, 11 is out of reach."""
    prices = [11, 10, 9, 9, 12, 13, 12, 12, 12, 12, 13]
    sessions, levels = broken_highs(prices, None, 3, 3, 0)
    assert (sessions.tolist(), levels.tolist()) == ([4], [11])
    sessions, levels = broken_highs(prices, 4, 3, 3, 0)
    assert (sessions.tolist(), levels.tolist()) == ([4, 10], [11, 12])
    assert broken_highs(prices, None, 3, 3, 0.1)[0].tolist() == [5]


@pytest.mark.parametrize(
    ("reach", "quiet", "margin"), [(None, 12, 0), (20, 5, 0), (20, 5, 0.01), (10, 9, 0), (4, 1, 0)]
)
def test_breakouts_are_those_of_the_definition(reach: int | None, quiet: int, margin: float) -> None:
    """Prices of few digits, so that many are the same; one is unknown."""
    prices = np.round(100 * np.exp((0.05 + np.random.default_rng(5).standard_normal(800)).cumsum() / 100))
    prices[300] = np.nan
    expected = []
    for session in range(20, len(prices)):
        level = np.nanmax(prices[0 if reach is None else session - reach : session - quiet + 1])
        is_quiet = not (prices[session - quiet + 1 : session] > level * (1 + margin)).any()
        if prices[session] > level * (1 + margin) and is_quiet:
            expected.append((session, level))
    sessions, levels = broken_highs(prices, reach, quiet, 20, margin)
    assert len(expected) > 5
    assert list(zip(sessions, levels, strict=True)) == expected


@pytest.mark.parametrize("batch", [1, 700, 10**9])
def test_breakouts_of_many_subjects_are_those_of_each(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many subjects are read at a time; one is a pair, one is short, of another some prices are unknown."""
    monkeypatch.setattr(breakouts, "BATCH_SESSIONS", batch)
    chance, paths = np.random.default_rng(6), {}
    for subject, length in (("A", 600), ("A/B", 650), ("B", 3), ("C", 700)):
        paths[subject] = np.round(100 * np.exp((0.05 + chance.standard_normal(length)).cumsum() / 100), 1)
    paths["C"][::20] = np.nan
    frame = pd.concat(
        pd.DataFrame({"subject_id": subject, "session_number": range(1, len(prices) + 1), "price": prices})
        for subject, prices in paths.items()
    ).sample(frac=1, random_state=1)
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute("create table paths as select * replace (if(isnan(price), null, price) as price) from frame")
        found = breakouts.breakouts(
            load_parameters(),
            connection.table("paths"),
            connection.sql("select unnest(['A', 'B', 'C', 'D']) as instrument_id, 'XNYS' as calendar"),
            connection.sql("select 'A/B' as pair_id, 'XNYS' as calendar"),
        )
    assert set(found["subject_id"]) == {"A", "A/B", "C"}
    assert set(found["subject_kind"][found["subject_id"] == "A/B"]) == {"pair"}
    for subject, prices in paths.items():
        own = found[(found["subject_id"] == subject) & (found["kind"] == "year_high")]
        sessions, levels = broken_highs(prices, 252, 63, 252, 0)
        assert (own["session_number"] - 1).tolist() == sessions.tolist()
        assert own["level"].tolist() == levels.tolist()
        assert own["lowest"].tolist() == [
            np.nanmin(prices[stood - 1 : session + 1])
            for stood, session in zip(own["level_number"], sessions, strict=True)
        ]
