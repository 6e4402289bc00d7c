"""The evidence on real market data, against a plain enumeration that is worked out from the files themselves."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, timedelta
from math import exp, log
from pathlib import Path

import duckdb
import pytest
from real import MARKS, closes

pytestmark = MARKS

AS_OF = date(2026, 8, 21)
FIRST = {"BTC": date(2014, 9, 17), "ETH": date(2017, 11, 9)}


def windows(coin: str, horizon: int) -> dict[date, float]:
    """The log return from every day on, by entry: to the last bar at or before the horizon, which has been reached."""
    prices = {day.date(): value for day, value in closes("crypto", coin).items() if day.date() >= FIRST[coin]}
    days = sorted(prices)
    found = {}
    for entry in days:
        end = entry + timedelta(days=horizon)
        exit_ = days[bisect_right(days, end) - 1]
        if end <= AS_OF and exit_ >= end - timedelta(days=5):
            found[entry] = log(prices[exit_] / prices[entry])
    return found


def guard(entries: list[date], horizon: int) -> int:
    """The smallest number of windows such that any two entries that many windows apart are the horizon apart."""
    count = 1
    while any(entries[n + count] - entries[n] < timedelta(days=horizon) for n in range(len(entries) - count)):
        count += 1
    return count


def enumerated(values: list[float], positions: list[int], far: int) -> tuple[float, float, float]:
    """p, the smallest p that there could be, and the excess: every shift, one after the other."""
    size = len(values)
    means = [sum(values[(at + shift) % size] for at in positions) / len(positions) for shift in range(size)]
    mean = sum(means) / size
    away = [shift for shift in range(size) if shift >= far and size - shift >= far]
    as_far = [shift for shift in away if abs(means[shift] - mean) >= abs(means[0] - mean) - 1e-12]
    return (1 + len(as_far)) / (1 + len(away)), 1 / (1 + len(away)), exp(means[0] - mean) - 1


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
@pytest.mark.parametrize("horizon", [30, 60, 90])
def test_p_after_breakouts_of_rut_is_that_of_the_enumeration(
    real_published: duckdb.DuckDBPyConnection, coin: str, horizon: int
) -> None:
    after = windows(coin, horizon)
    entries = sorted(after)
    far = guard(entries, horizon)
    assert far == horizon  # a coin has a bar each day
    for kind, least_events in (("all_time_high", 2), ("year_high", 8)):
        for trigger in ("decided", "confirmed"):
            # New York closes before the UTC day is over: the coin's bar of the same day is bought.
            events = [
                day
                for (day,) in real_published.execute(
                    f"select {trigger}_at::date from marts.breakouts where subject_id = 'RUT' and kind = ? "
                    f"and {trigger}_at is not null",
                    [kind],
                ).fetchall()
                if day in after
            ]
            assert len(events) >= least_events - (trigger == "confirmed")
            found = real_published.execute(
                "select n_events, p_value, min_p, excess_mean from marts.rotation_summary "
                "where signal_id = ? and target_id = ? and horizon_days = ?",
                [f"RUT:{kind}:{trigger}", coin, horizon],
            ).fetchall()
            p_value, min_p, excess = enumerated(
                [after[day] for day in entries], [entries.index(day) for day in events], far
            )
            assert found == [
                (
                    len(events),
                    pytest.approx(p_value, abs=1e-9),
                    pytest.approx(min_p, abs=1e-9),
                    pytest.approx(excess, abs=1e-9),
                )
            ]


def test_few_breakouts_are_no_evidence(real_published: duckdb.DuckDBPyConnection) -> None:
    """Five all-time highs with an answer of Bitcoin, two of them on reconstructed prices, and two with one of Ether."""
    assert real_published.execute(
        "select distinct evidence from marts.rotation_summary "
        "where signal_id like 'RUT:all_time_high:%' and target_id in ('BTC', 'ETH', 'ALTS', 'ALTSEASON')"
    ).fetchall() == [("insufficient",)]
    assert real_published.execute(
        "select target_id, max(n_events) from marts.specification_grid where price_id = 'RUT' "
        "and kind = 'all_time_high' and quiet_sessions = 252 and margin = 0 and target_id in ('BTC', 'ETH') "
        "group by target_id order by target_id"
    ).fetchall() == [("BTC", 5), ("ETH", 2)]


def test_every_question_of_the_family_was_asked_and_paid_for(real_published: duckdb.DuckDBPyConnection) -> None:
    rows = real_published.execute(
        "select p_value, q_value from marts.rotation_summary where q_value is not null order by p_value"
    ).fetchall()
    assert len(rows) == 54
    prices = [54 * sum(1 / n for n in range(1, 55)) * p / place for place, (p, _) in enumerate(rows, start=1)]
    assert [q for _, q in rows] == pytest.approx([min(1, *prices[n:]) for n in range(54)])


def test_the_usual_specification_is_that_of_the_breakouts(real_home: Path) -> None:
    with duckdb.connect(str(real_home / "warehouse.duckdb"), read_only=True) as warehouse:
        found, expected = (
            warehouse.execute(query).fetchall()
            for query in (
                "select price_id, kind, session_date, decided_at from intermediate.specification_events as events "
                "inner join intermediate.specifications as ways on ways.specification_id = events.specification_id "
                "where margin = 0 and quiet_sessions = if(kind = 'year_high', 63, 252) order by all",
                "select subject_id, kind, session_date, decided_at from marts.breakouts "
                "where subject_id in ('RUT', 'IWM') order by all",
            )
        )
    assert len(expected) > 60
    assert found == expected
