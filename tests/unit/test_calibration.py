"""Calibration: how often a test sees something where there is nothing, and whether it finds what is there.

No pipeline and no table: two hundred markets with fixed seeds go through the array functions. In the null market an
asset's daily return is an independent normal number times a volatility that all assets share, whose logarithm is an
autoregression (half of a shock is left after 34 sessions, standard deviation one half). Calm and wild times are common
to all, returns are not: where a test sees a tie here, it is wrong. The shares stand in docs/evidence.md, and each test
holds its own to them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assets.config.parameters import load_parameters
from assets.statistics.lead_lag import Floats, Ints, LagScan, best_lag, blocks, scan
from assets.statistics.shift_test import shift_test

pytestmark = pytest.mark.slow

SEEDS = range(200)
# Sessions that both have, about those of Bitcoin, Ether and the altseason index.
HISTORIES = (2900, 2100, 1400)
PERSISTENCE, DEVIATION = 0.98, 0.5
# Correlation and lag of the planted lead.
LEAD, LAG = 0.15, 21

NUMBER = {name: int(parameter.value) for name, parameter in load_parameters().items() if name.startswith("lag_")}
LEAD_REACH = int(load_parameters()["lead_reach"].value)
AGGREGATIONS = (1, NUMBER["lag_week"], NUMBER["lag_month"])


def market(seed: int, sessions: int, assets: int = 2) -> Floats:
    """Daily returns (assets, sessions) that share nothing but their volatility."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_normal(sessions)
    level = np.empty(sessions)
    level[0] = shocks[0]
    for day in range(1, sessions):
        level[day] = PERSISTENCE * level[day - 1] + np.sqrt(1 - PERSISTENCE**2) * shocks[day]
    returns: Floats = rng.standard_normal((assets, sessions)) * np.exp(DEVIATION * level)
    return returns


def scaled(returns: Floats) -> Floats:
    """In deviations of the sessions before, as intermediate.lagged_changes has them."""
    series = pd.Series(returns)
    deviations = series / series.rolling(NUMBER["lag_scale"]).std().shift()
    # A copy, as a test changes it.
    values: Floats = deviations.to_numpy(copy=True)[NUMBER["lag_scale"] :]
    return values


def scan_of(x: Floats, y: Floats, size: int) -> LagScan:
    return scan(
        blocks(x, size),
        blocks(y, size),
        NUMBER["lag_reach"] // size,
        -(-NUMBER["lag_guard"] // size) + 1,
        least_pairs=NUMBER["lag_least_pairs"],
        least_shifts=NUMBER["lag_least_shifts"],
    )


@cache
def lag_tests() -> pd.DataFrame:
    """Of every seed, history, aggregation and direction: p of the best lag and of the first lag alone."""
    rows = []
    for seed in SEEDS:
        for history in HISTORIES:
            x, y = (scaled(returns) for returns in market(seed, history + NUMBER["lag_scale"]))
            for size in AGGREGATIONS:
                found = scan_of(x, y, size)
                last, middle = LEAD_REACH // size, len(found.lags) // 2
                for side, ends in ((1, (1, last)), (-1, (-last, -1))):
                    strongest = best_lag(found, *ends)
                    assert strongest and strongest.p_value is not None
                    one = found.p_value[middle + side]
                    rows.append((history, size, side, strongest.p_value, one))
    return pd.DataFrame(rows, columns=["history", "aggregation", "side", "best", "one"])


def share(p_values: pd.Series, level: float = 0.05) -> float:
    return float((p_values <= level).mean())


def documented() -> dict[str, list[str]]:
    """The rows of docs/evidence.md's table: number of p-values, share up to 0.05, share up to 0.01."""
    text = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*?) \| ([\d,]+) \| ([\d.]+ %) \| ([\d.]+ %) \|$", text, re.MULTILINE)
    return {name: list(numbers) for name, *numbers in rows}


def as_documented(p_values: pd.Series) -> list[str]:
    return [f"{len(p_values):,}", *(f"{100 * share(p_values, level):.1f} %" for level in (0.05, 0.01))]


def test_the_best_lag_of_nothing_is_as_rare_as_it_says() -> None:
    found = lag_tests()
    assert 0.03 <= share(found["best"]) <= 0.07
    named = found[(found["history"] == 2900) & (found["aggregation"] == 1) & (found["side"] == 1)]
    assert len(named) == len(SEEDS)
    assert 0.02 <= share(named["best"]) <= 0.09
    # What is corrected for many looks rests on small p: one in a hundred must be one in a hundred.
    assert 0.005 <= share(found["best"], 0.01) <= 0.02
    assert documented()["Best lag, all"] == as_documented(found["best"])
    assert documented()["Best lag of 1..63, 2,900 sessions (the row named beforehand)"] == as_documented(named["best"])


def test_a_single_lag_of_nothing_is_as_rare_as_it_says() -> None:
    """At the first lag, where common volatility would show most."""
    found = lag_tests()["one"]
    assert 0.03 <= share(found) <= 0.07
    assert documented()["First lag alone, all"] == as_documented(found)


def test_a_planted_lead_is_found_where_it_is() -> None:
    """The follower repeats the leader's return 21 sessions later, with a correlation of 0.15, over 2,900 sessions."""
    hits = rejected = 0
    for seed in SEEDS:
        x, y = (scaled(returns) for returns in market(seed, 2900 + NUMBER["lag_scale"]))
        y[LAG:] = LEAD * x[:-LAG] + np.sqrt(1 - LEAD**2) * y[LAG:]
        found = best_lag(scan_of(x, y, 1), 1, LEAD_REACH)
        assert found and found.p_value is not None
        hits += abs(found.lag - LAG) <= 3
        rejected += found.p_value <= 0.01
    assert hits >= 0.95 * len(SEEDS)
    assert rejected >= 0.95 * len(SEEDS)


# --- events -----------------------------------------------------------------------------------------------------------

# Windows of 30, 60 and 90 calendar days, in sessions of the exchange.
HORIZONS = (21, 42, 63)


def windows(returns: Floats, horizon: int) -> Floats:
    """Log return over the sessions after each close."""
    path = np.concatenate([[0], np.cumsum(returns)])
    responses: Floats = path[1 + horizon :] - path[1:-horizon]
    return responses


def p_of_events(events: Ints, returns: Floats, horizon: int) -> float | None:
    responses = windows(returns, horizon)
    return shift_test(responses, events[events < len(responses)], horizon).p_value


def spells(seed: int, sessions: int) -> Ints:
    """Four spells at random days, each of three breakouts that are 5 to 60 sessions apart: no look at any return."""
    rng = np.random.default_rng(1000 + seed)
    starts = rng.integers(252, sessions, 4)
    return np.unique([start + np.cumsum([0, *rng.integers(5, 60, 2)]) for start in starts])


def year_highs(price: Floats) -> Ints:
    """Sessions of breakouts above the high of 252 sessions that no close of the last 63 had reached."""
    return np.array(
        [
            day
            for day in range(252, len(price))
            if price[day] > price[day - 252 : day - 62].max() >= price[day - 62 : day].max()
        ],
        dtype=np.int64,
    )


def test_clustered_events_that_mean_nothing_are_as_rare_as_the_shifts_say() -> None:
    rows = [
        (history, horizon, p_of_events(spells(seed, history), market(seed, history)[0], horizon))
        for seed in SEEDS
        for history in HISTORIES
        for horizon in HORIZONS
    ]
    found = pd.DataFrame(rows, columns=["history", "horizon", "p"])
    assert found["p"].notna().all()
    assert 0.03 <= share(found["p"]) <= 0.07
    named = found[(found["history"] == 2900) & (found["horizon"] == 42)]["p"]
    assert 0.02 <= share(named) <= 0.09
    assert documented()["Events in random spells, all"] == as_documented(found["p"])
    assert documented()["Events in random spells, 60 days, 2,900 sessions (the row named beforehand)"] == (
        as_documented(named)
    )


@pytest.mark.parametrize(
    ("falls_stir", "row"), [(0.0, "Year highs, rises and falls alike"), (0.6, "Year highs, falls stir volatility")]
)
def test_breakouts_pick_their_volatility_and_the_shifts_do_not_know(falls_stir: float, row: str) -> None:
    """Events are year highs of an asset that shares the target's volatility.

    Where rises and falls are alike, more of them fall in wild times, whose responses are large, and p is a little too
    small. Where falls stir volatility, as in equities, more of them fall in calm times and p is too large.
    """
    found = []
    for seed in SEEDS:
        for history in HISTORIES:
            signal, target = leveraged_market(seed, history, falls_stir)
            events = year_highs(np.cumsum(signal + 0.04))
            found += [p for horizon in HORIZONS if (p := p_of_events(events, target, horizon)) is not None]
    assert 0.03 <= share(pd.Series(found)) <= 0.07
    assert documented()[row] == as_documented(pd.Series(found))


def leveraged_market(seed: int, sessions: int, falls_stir: float) -> tuple[Floats, Floats]:
    """Two assets as in `market`; the first one's return has a correlation of -falls_stir with the next volatility."""
    rng = np.random.default_rng(seed)
    shocks, own, target = rng.standard_normal((3, sessions))
    level = np.zeros(sessions + 1)
    level[0] = rng.standard_normal()
    for day in range(sessions):
        level[day + 1] = PERSISTENCE * level[day] + np.sqrt(1 - PERSISTENCE**2) * shocks[day]
    volatility = np.exp(DEVIATION * level[:-1])
    signal = np.sqrt(1 - falls_stir**2) * own - falls_stir * shocks
    return signal * volatility, target * volatility
