"""The rotation, the basket and the ratios on real market data, against what pandas makes of the files themselves."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from real import FOLDER, MARKS, closes

from assets.config.calendars import sessions
from assets.config.universe import load_universe

pytestmark = MARKS


@cache
def schedule() -> dict[str, pd.DatetimeIndex]:
    """The scheduled sessions of both calendars."""
    return {
        str(calendar): pd.DatetimeIndex(rows["session_date"])
        for calendar, rows in sessions(date(2027, 12, 31)).groupby("calendar")
    }


def rotation(ratio: pd.Series, calendar: str) -> pd.DataFrame:
    """The definition in plain pandas: weekly closes, 14 weeks, sample deviation."""
    planned = schedule()[calendar]
    last_of_week = pd.Series(planned, index=planned).groupby(planned.to_period("W-SUN")).max()
    weekly = ratio.groupby(ratio.index.to_period("W-SUN")).last()
    weekly.index = pd.DatetimeIndex(last_of_week[weekly.index])
    if ratio.index[-1] not in weekly.index:
        weekly = weekly.iloc[:-1]

    def standing(values: pd.Series) -> pd.Series:
        return 100 + (values - values.rolling(14).mean()) / values.rolling(14).std()

    rs_ratio = standing(100 * weekly)
    rs_momentum = standing(rs_ratio / rs_ratio.shift() - 1)
    return pd.DataFrame(
        {
            "rs_ratio": rs_ratio,
            "rs_momentum": rs_momentum,
            "heading_deg": np.degrees(np.arctan2(rs_momentum.diff(), rs_ratio.diff())),
            "distance": np.hypot(rs_ratio - 100, rs_momentum - 100),
        }
    )


def basket() -> pd.Series:
    """The definition as a loop over months and days."""
    coins = {i.id: i for i in load_universe().instruments if i.role == "altcoin"}
    files = {id_: closes("crypto", id_) for id_ in coins if (Path(FOLDER) / "crypto" / f"{id_}.csv").exists()}
    prices = pd.DataFrame(files).sort_index()
    levels: dict[pd.Timestamp, float] = {}
    level = 100.0
    for month, days in prices.groupby(prices.index.to_period("M")):
        start = month.start_time
        before = prices[(prices.index >= start - pd.Timedelta(days=3)) & (prices.index < start)]
        bought = before.ffill().iloc[-1].dropna() if len(before) else pd.Series(dtype=float)
        if len(bought) < 5:
            continue
        held = days[bought.index]
        growth = pd.concat([bought.to_frame().T, held]).ffill().iloc[1:].div(bought).mean(axis=1)
        growth = growth[held.notna().any(axis=1).to_numpy()]
        for day, grown in growth.items():
            # Bought the day before the month at the latest price, a coin is known then whatever day that price was of.
            recent = [day - pd.Timedelta(days=back) for back in range(3)]
            known = [
                prices[coin].reindex(recent).notna().any()
                or start - pd.Timedelta(days=1) in recent
                or bool(coins[coin].valid_to and pd.Timestamp(coins[coin].valid_to) < day)
                for coin in bought.index
            ]
            if np.mean(known) >= 0.8:
                levels[day] = level * grown
        level *= growth.iloc[-1]
    return pd.Series(levels)


def table(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    """The rows of a query, indexed by their first column."""
    frame = connection.execute(query).df()
    return frame.set_index(frame.columns[0])


def assert_equal(found: pd.DataFrame | pd.Series, expected: pd.DataFrame | pd.Series) -> None:
    check = pd.testing.assert_frame_equal if isinstance(found, pd.DataFrame) else pd.testing.assert_series_equal
    # A day is datetime64 in microseconds here and in nanoseconds there; names are of no interest.
    found.index, expected.index = (
        pd.DatetimeIndex(each.index).as_unit("ns").rename(None) for each in (found, expected)
    )
    check(found, expected, rtol=1e-9, atol=1e-9, check_names=False, check_freq=False)


@pytest.mark.parametrize(
    ("pair_id", "legs", "calendar"),
    [
        ("RUT/SPX", (("equity", "RUT"), ("equity", "SPX")), "XNYS"),
        ("BTC/SPX", (("crypto", "BTC"), ("equity", "SPX")), "XNYS"),
        ("ETH/BTC", (("crypto", "ETH"), ("crypto", "BTC")), "CRYPTO"),
    ],
)
def test_relative_rotation_is_that_of_the_definition(
    real_published: duckdb.DuckDBPyConnection,
    pair_id: str,
    legs: tuple[tuple[str, str], tuple[str, str]],
    calendar: str,
) -> None:
    numerator, denominator = (closes(*leg) for leg in legs)
    expected = rotation((numerator / denominator).dropna(), calendar)
    found = table(
        real_published,
        "select week_end, rs_ratio, rs_momentum, heading_deg, distance from marts.relative_rotation "
        f"where pair_id = '{pair_id}' order by week_end",
    )
    assert len(found) > 400
    assert_equal(found, expected)


def test_the_basket_is_that_of_the_definition(real_published: duckdb.DuckDBPyConnection, real_home: Path) -> None:
    with duckdb.connect(str(real_home / "warehouse.duckdb"), read_only=True) as warehouse:
        found = table(warehouse, "select session_date, level from intermediate.basket_levels order by session_date")
    expected = basket()
    assert len(found) > 2500
    assert_equal(found["level"], expected)

    ratio = (expected / closes("crypto", "BTC")).dropna()
    measured = pd.DataFrame(
        {
            "ratio": ratio,
            "mansfield_rs": 100 * (ratio / ratio.rolling(200).mean() - 1),
            "return_63": ratio / ratio.shift(63) - 1,
            "zscore_252": (ratio - ratio.rolling(252).mean()) / ratio.rolling(252).std(),
        }
    )
    found = table(
        real_published,
        f"select session_date, {', '.join(measured.columns)} from marts.relative_strength "
        "where pair_id = 'ALTS/BTC' order by session_date",
    )
    assert_equal(found, measured)


def test_the_basket_answers_the_breakouts_of_rut(real_published: duckdb.DuckDBPyConnection) -> None:
    """The basket exists since 2018: of the breakouts of RUT two have an answer, worked out from its levels alone."""
    expected = basket()
    rows = real_published.execute(
        "select entry_date, exit_date, forward_return from marts.rotation_responses "
        "where target_id = 'ALTS' and event_id like 'RUT:all_time_high:%' and trigger = 'decided' and is_complete"
    ).fetchall()
    assert len(rows) == 2 * 7
    for entry, exit_, response in rows:
        assert response == pytest.approx(expected[str(exit_)] / expected[str(entry)] - 1, rel=1e-9)
