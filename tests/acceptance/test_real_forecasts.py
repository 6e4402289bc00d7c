"""Frozen forecasts on real market data: each is what a run at the time would have said."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from real import MARKS, run_cascade

pytestmark = MARKS

# Small caps broke out at the close of DAY. Between the midnight before and that close no window of any target ended, so
# that the tables as of DAY_BEFORE are those of the close.
DAY_BEFORE, DAY = "2025-09-17", "2025-09-18"
WORDS = "n_events, n_episodes, median, low, high, evidence"


def test_a_backtest_is_what_a_run_of_the_day_would_have_frozen(real_home: Path) -> None:
    for day in (DAY_BEFORE, DAY):
        assert run_cascade(real_home, "--as-of", day).returncode == 0
    with duckdb.connect(str(real_home / "cascade.duckdb"), read_only=True) as reader:
        reader.execute("set timezone = 'UTC'")
        for name, day in (("day_before", DAY_BEFORE), ("day_itself", DAY)):
            reader.execute(f"attach '{real_home}/cascade-asof-{day}.duckdb' as {name} (read_only)")
        key = "event_id, trigger, target_id, horizon_days"
        of_that_day = f"where trigger_at::date = date '{DAY}'"
        then, now = (
            reader.execute(f"select {key}, {WORDS} from {catalog}marts.forecasts {of_that_day} order by all").fetchall()
            for catalog in ("day_itself.", "")
        )
        assert now == then
        assert {row[0] for row in now} == {
            f"{index}:{kind}:{DAY}" for index in ("RUT", "IWM") for kind in ("all_time_high", "year_high")
        }
        assert reader.execute(
            f"select distinct is_backtest, realised is null from day_itself.marts.forecasts {of_that_day}"
        ).fetchall() == [(False, True)]
        # The table of the day before says the same, wherever anything had followed.
        found, expected = (
            reader.execute(query).fetchall()
            for query in (
                f"select signal_id, target_id, horizon_days, n_events, n_episodes, median, evidence "
                f"from marts.forecasts {of_that_day} and n_events > 0 order by all",
                f"select signal_id, target_id, horizon_days, n_events, n_episodes, median_return, evidence "
                f"from day_before.marts.rotation_summary as said where n_events > 0 and exists (select 1 "
                f"from marts.forecasts as asked {of_that_day} and asked.signal_id = said.signal_id "
                f"and asked.target_id = said.target_id) order by all",
            )
        )
        assert len(found) > 100
        assert found == expected
        assert [row[-1] in ("none", "supports", "contradicts") for row in found].count(
            True
        ) == 3  # Bitcoin at 30, 60 and 90 days


def test_the_record_of_the_forecasts(real_published: duckdb.DuckDBPyConnection) -> None:
    """Thousands of forecasts; four in five should come true, which markets that are no dice miss by a little."""
    assert real_published.execute(
        "select count(*) from marts.forecasts as forecasts inner join marts.rotation_responses as responses "
        "on responses.event_id = forecasts.event_id and responses.trigger = forecasts.trigger "
        "and responses.target_id = forecasts.target_id and responses.horizon_days = forecasts.horizon_days "
        "where forecasts.realised is distinct from responses.forward_return "
        "or forecasts.realised_at is distinct from responses.known_at"
    ).fetchall() == [(0,)]
    scored, with_range, inside, percentile = real_published.execute(
        "select count(realised), count(inside), avg(inside::integer), avg(percentile) from marts.forecasts"
    ).fetchall()[0]
    assert scored > 35_000
    assert with_range > 19_000
    assert inside == pytest.approx(0.82, abs=0.01)
    assert percentile == pytest.approx(0.50, abs=0.01)


def test_what_was_said_of_ether_in_september_2025(real_published: duckdb.DuckDBPyConnection) -> None:
    """One earlier all-time high of small caps had been followed by Ether, and how; it came otherwise."""
    assert real_published.execute(
        "select horizon_days, n_events, round(median, 2), low, evidence, round(realised, 2), percentile, inside "
        f"from marts.forecasts where event_id = 'RUT:all_time_high:{DAY}' and trigger = 'decided' "
        "and target_id = 'ETH' and horizon_days in (30, 60, 90) order by horizon_days"
    ).fetchall() == [
        (30, 1, 0.24, None, "insufficient", -0.15, 0.0, None),
        (60, 1, 1.20, None, "insufficient", -0.34, 0.0, None),
        (90, 1, 2.76, None, "insufficient", -0.38, 0.0, None),
    ]
