"""Breadth, liquidity, altseason and the cascade on real market data, against what pandas makes of the files themselves.

Equal means to 1e-9, relative. What is known at a close is worked out here from the release rules, row by row of a
merge; the windows are pandas' own.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from real import FOLDER, MARKS

from assets.config.calendars import ReleaseRule, sessions
from assets.config.universe import load_universe

pytestmark = MARKS

DAYS = ("2016-11-14", "2020-11-13", "2021-11-08", "2025-09-18", "2026-01-13", "2026-08-21")
STAGES = ("funding", "equities", "small_caps", "crypto_majors", "altcoins")
ALTCOINS = [instrument.id for instrument in load_universe().instruments if instrument.role == "altcoin"]


def table(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    """A result with its first column, a date, as index."""
    frame = connection.execute(query).df()
    return frame.set_index(pd.DatetimeIndex(frame.iloc[:, 0])).iloc[:, 1:]


def assert_same(actual: pd.Series, expected: pd.Series) -> None:
    """The same on every day of `actual`; unknown in the one is unknown in the other."""
    pd.testing.assert_series_equal(
        actual.astype(float),
        expected.reindex(actual.index).astype(float),
        rtol=1e-9,
        atol=1e-9,
        check_names=False,
        check_freq=False,
        check_index_type=False,
    )


@cache
def closes_at() -> pd.Series:
    """The instants of New York's closes, up to the last day of the files."""
    every = sessions(date(2026, 8, 21))
    exchange = every[every["calendar"] == "XNYS"]
    return exchange.set_index("session_date")["closes_at"].loc[:"2026-08-21"]


@cache
def series(series_id: str) -> pd.DataFrame:
    """A macro file with the instants of release."""
    frame = pd.read_csv(Path(FOLDER) / "macro" / f"{series_id}.csv", parse_dates=["date"]).dropna()
    rule = next(entry.release for entry in load_universe().series if entry.id == series_id)
    return frame.assign(released_at=ReleaseRule(rule).released_at(frame["date"]))


def at_close(series_id: str) -> pd.Series:
    """The newest value that was public at each close."""
    closes = closes_at().rename("at").reset_index().astype({"at": "datetime64[ns, UTC]"})
    released = series(series_id).astype({"released_at": "datetime64[ns, UTC]"})
    released = released.sort_values(["released_at", "date"]).drop_duplicates("released_at", keep="last")
    known = pd.merge_asof(closes, released, left_on="at", right_on="released_at")
    return known.set_index("session_date")["value"]


def prices(kind: str, symbol: str, basis: str = "close") -> pd.Series:
    """The prices of one file, indexed by date."""
    frame = pd.read_csv(Path(FOLDER) / kind / f"{symbol}.csv", parse_dates=["date"])
    return frame.set_index("date")[basis].dropna()


def above(one: pd.Series, other: pd.Series) -> pd.Series:
    """1 above, 0 at or below, unknown where either is."""
    return ((one / other).round(9) > 1).astype(float).where(one.notna() & other.notna())


# --- marts.breadth --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["us_small_cap_60", "us_mega_cap_60"])
def test_breadth_is_that_of_pandas(real_published: duckdb.DuckDBPyConnection, group: str) -> None:
    listed = pd.read_csv(Path(FOLDER) / "groups.csv", parse_dates=["valid_from", "valid_to"])
    parts = []
    for member in listed[listed["group"] == group].itertuples():
        price = prices("equity", str(member.symbol), "adj_close")
        assert pd.isna(member.valid_to)
        high, low = price.shift(1).rolling(252).max(), price.shift(1).rolling(252).min()
        parts.append(
            pd.DataFrame(
                {
                    "above50": above(price, price.rolling(50).mean()),
                    "above200": above(price, price.rolling(200).mean()),
                    "high": (price > high).astype(float).where(high.notna()),
                    "low": (price < low).astype(float).where(low.notna()),
                }
            ).loc[member.valid_from :]
        )
    members = pd.concat(parts)
    grouped = members.groupby(level=0)
    enough = grouped.count() >= 10
    actual = table(
        real_published,
        "select session_date, members, share_above_sma50, share_above_sma200, new_highs_252, new_lows_252 "
        f"from marts.breadth where group_id = '{group}' order by 1",
    )
    assert len(actual) > 2000
    assert_same(actual["members"], grouped.size())
    assert_same(actual["share_above_sma50"], grouped["above50"].mean().where(enough["above50"]))
    assert_same(actual["share_above_sma200"], grouped["above200"].mean().where(enough["above200"]))
    assert_same(actual["new_highs_252"], grouped["high"].sum().where(enough["high"]))
    assert_same(actual["new_lows_252"], grouped["low"].sum().where(enough["low"]))


# --- marts.liquidity ------------------------------------------------------------------------------------------------


def liquidity() -> pd.DataFrame:
    """Net liquidity with its changes, from the files."""
    net = (at_close("WALCL") - at_close("WTREGEN") - 1000 * at_close("RRPONTSYD")).dropna()
    found = pd.DataFrame({"net": net})
    for days in (28, 91):
        places = net.index.searchsorted(net.index - pd.Timedelta(days=days), side="right") - 1
        found[f"change_{days}"] = net - np.where(places >= 0, net.to_numpy()[places], np.nan)
    window = found["change_91"].rolling(756)
    found["zscore"] = (found["change_91"] - window.mean()) / window.std()
    return found


def test_liquidity_is_that_of_pandas(real_published: duckdb.DuckDBPyConnection) -> None:
    expected = liquidity()
    actual = table(
        real_published,
        "select session_date, net_liquidity_musd, change_28d_musd, change_91d_musd, zscore_3y "
        "from marts.liquidity order by 1",
    )
    assert list(actual.index) == list(expected.index)
    for name, column in zip(actual, expected, strict=True):
        assert_same(actual[name], expected[column])


def test_known_figures_of_liquidity(real_published: duckdb.DuckDBPyConnection) -> None:
    found = table(real_published, "select session_date, net_liquidity_musd, balance_sheet_musd from marts.liquidity")
    net = found["net_liquidity_musd"]
    assert [net["2021-12-31"], net["2022-12-30"], net["2026-08-19"]] == [6_641_029, 5_569_527, 5_795_688]
    of_the_week_before = series("WALCL").set_index("date")["value"]["2026-08-12"]
    assert found["balance_sheet_musd"]["2026-08-19"] == of_the_week_before


# --- marts.altseason ------------------------------------------------------------------------------------------------


def test_altseason_is_that_of_plain_loops(real_published: duckdb.DuckDBPyConnection) -> None:
    files = {path.stem: prices("crypto", path.stem) for path in (Path(FOLDER) / "crypto").glob("*.csv")}
    every_day = pd.date_range("2017-01-01", "2026-08-21")
    filled = {coin: price.reindex(every_day).ffill(limit=3) for coin, price in files.items()}
    gain = {coin: price / price.shift(90) for coin, price in filled.items()}
    rows = []
    for day in every_day:
        members = [coin for coin in ALTCOINS if coin in files and files[coin].index[0] <= day - pd.Timedelta(days=90)]
        known = [coin for coin in members if np.isfinite(gain[coin][day]) and np.isfinite(gain["BTC"][day])]
        won = sum(gain[coin][day] > gain["BTC"][day] for coin in known)
        is_enough = len(known) >= 10 and len(known) / len(members) >= 0.8
        rows.append((len(members), len(known), 100 * won / len(known) if is_enough else None))
    expected = pd.DataFrame(rows, index=every_day, columns=["members", "known", "index_pct"])
    actual = table(real_published, "select session_date, members, known, index_pct from marts.altseason order by 1")
    assert len(actual) > 3000
    for name in actual:
        assert_same(actual[name], expected[name])


def test_known_figures_of_altseason(real_published: duckdb.DuckDBPyConnection) -> None:
    found = table(real_published, "select session_date, index_pct, regime, members from marts.altseason order by 1")
    wanted = {"2021-04-30": 83.3, "2021-05-15": 91.7, "2024-12-05": 92.9, "2026-07-20": 50.0}
    assert {day: round(found["index_pct"][day], 1) for day in wanted} == wanted
    assert found["members"][:"2020-10-31"].max() < 10
    assert found["index_pct"][:"2020-10-31"].isna().all()
    # Most coins end in July 2026: unknown, and no bitcoin season.
    assert found["regime"]["2026-07-25":].isna().all()


# --- the cascade ----------------------------------------------------------------------------------------------------


def on_closes(signal: pd.Series, days_later: int) -> pd.Series:
    """A signal of days on the sessions of New York, `days_later` days after it, at most five days old."""
    moved = signal.rename("value").rename_axis("day").reset_index()
    moved["known"] = moved["day"] + pd.Timedelta(days=days_later)
    closes = pd.DataFrame({"session_date": closes_at().index.astype(moved["known"].dtype)})
    found = pd.merge_asof(closes, moved, left_on="session_date", right_on="known").set_index("session_date")
    return found["value"].where(found.index - found["day"] <= pd.Timedelta(days=5))


def expected_ingredients(connection: duckdb.DuckDBPyConnection) -> dict[str, pd.Series]:
    """Each ingredient on the sessions of New York, from the files."""
    change = liquidity()["change_91"]
    spread = at_close("BAMLH0A0HYM2").dropna()
    usual = spread.rolling(126).mean()
    premium = (at_close("SOFR") - at_close("DFF")).round(9)
    spx, btc = prices("equity", "SPX"), prices("crypto", "BTC")
    small = (prices("equity", "RUT") / spx).dropna()
    ether = (prices("crypto", "ETH") / btc).dropna()
    # The basket and the groups have tests of their own; here it is what the cascade makes of them.
    basket = table(
        connection,
        "select session_date, mansfield_rs from marts.relative_strength where pair_id = 'ALTS/BTC' order by 1",
    )["mansfield_rs"]
    share = table(
        connection,
        "select session_date, share_above_sma200 from marts.breadth where group_id = 'us_small_cap_60' order by 1",
    )["share_above_sma200"]
    index = table(connection, "select session_date, index_pct from marts.altseason order by 1")["index_pct"]

    def yes(condition: pd.Series, known: pd.Series) -> pd.Series:
        return condition.astype(float).where(known.notna())

    return {
        "net_liquidity:rises": yes(change > 0, change),
        "BAMLH0A0HYM2:below_mean": yes((spread - usual).round(9) < 0, usual),
        "SOFR:near_policy_rate": yes(premium <= 0.1, premium),
        "SPX:price_above_mean": on_closes(above(spx, spx.rolling(200).mean()), 0),
        "SPX:mean_above_mean": on_closes(above(spx.rolling(50).mean(), spx.rolling(200).mean()), 0),
        "RUT/SPX:ratio_above_mean": on_closes(above(small, small.rolling(200).mean()), 0),
        "RUT/SPX:ratio_rises": on_closes(yes(small / small.shift(63) > 1, small.shift(63)), 0),
        "us_small_cap_60:half_above_mean": on_closes(yes(share >= 0.5, share), 0),
        "BTC:price_above_mean": on_closes(above(btc, btc.rolling(200).mean()), 1),
        "ETH/BTC:ratio_above_mean": on_closes(above(ether, ether.rolling(200).mean()), 1),
        "altcoins:half_beat_bitcoin": on_closes(yes(index >= 50, index), 1),
        "ALTS/BTC:ratio_above_mean": on_closes(yes(basket.round(9) > 0, basket), 1),
    }


def test_ingredients_are_those_of_pandas(real_published: duckdb.DuckDBPyConnection) -> None:
    expected = expected_ingredients(real_published)
    actual = {
        str(name): rows.set_index("session_date")["value"]
        for name, rows in real_published.execute(
            "select ingredient, session_date, value from marts.cascade_ingredients order by session_date"
        )
        .df()
        .groupby("ingredient")
    }
    # What the files have only one captured release of.
    assert actual.keys() - expected.keys() == {"NFCI:below_zero"}
    assert actual["NFCI:below_zero"].index[0] == pd.Timestamp("2026-08-19")
    for name, wanted in expected.items():
        assert actual[name].index[0] == wanted.first_valid_index(), name
        assert_same(actual[name], wanted)


def test_scores_and_states_are_those_of_plain_loops(real_published: duckdb.DuckDBPyConnection) -> None:
    ingredients = real_published.execute("select session_date, stage, value from marts.cascade_ingredients").df()
    ingredients["value"] = ingredients["value"].astype(float)
    scores = ingredients.groupby(["stage", "session_date"])["value"].mean()
    rows = real_published.execute(
        "select stage, session_date, score, is_on, on_since, is_turn_on from marts.cascade order by 1, 2"
    ).fetchall()
    assert len(rows) == len(scores)
    stage_before = 0
    is_on: bool | None = None
    since: date | None = None
    for stage, day, score, found_on, found_since, found_turn in rows:
        if stage != stage_before:
            stage_before, is_on, since = stage, None, None
        wanted = scores[stage, pd.Timestamp(day)]
        assert (score is None and np.isnan(wanted)) or score == pytest.approx(wanted, rel=1e-9)
        was_on: bool | None = is_on
        if score is not None and score >= 0.6:
            is_on = True
        elif score is not None and score <= 0.4:
            is_on = False
        since = day if is_on and not was_on else since
        assert found_on is is_on, (stage, day)
        assert found_since == (since if is_on else None), (stage, day)
        assert found_turn is (is_on is True and was_on is False), (stage, day)


def test_lags_are_those_of_plain_loops(real_published: duckdb.DuckDBPyConnection) -> None:
    states = real_published.execute("select stage, session_date, is_on, is_turn_on from marts.cascade").df()
    state = {(row.stage, row.session_date): (row.is_on, row.is_turn_on) for row in states.itertuples()}
    turn_ons = {
        int(stage): sorted(rows.loc[rows["is_turn_on"], "session_date"]) for stage, rows in states.groupby("stage")
    }
    as_of = pd.Timestamp("2026-08-21")
    expected = {}
    for one, days in turn_ons.items():
        for other in turn_ons.keys() - {one}:
            for day in days:
                if (other, day) not in state:
                    continue
                lags = [(turn - day).days for turn in turn_ons[other] if abs((turn - day).days) <= 365]
                past = max((lag for lag in lags if lag <= 0), default=None)
                lag = min(lags, key=lambda lag: (abs(lag), lag), default=None)
                nothing_nearer = 366 if past is None else -past
                if not (lag is not None and lag > 0) and day + pd.Timedelta(days=nothing_nearer - 1) > as_of:
                    continue
                is_on, is_turn_on = state[other, day]
                was_on = None if is_on is None or is_on is pd.NA else bool(is_on and not is_turn_on)
                led = lag is not None and (lag > 0 if one < other else lag < 0)
                in_order = None if was_on is None else led and was_on is (one > other)
                expected[one, other, day.date()] = (lag, was_on, in_order)
    actual = {
        row[:3]: row[3:]
        for row in real_published.execute(
            "select from_stage, to_stage, turn_on_date, lag_days, to_was_on, in_order from marts.cascade_lags"
        ).fetchall()
    }
    assert len(actual) > 500
    assert actual == expected


def test_the_states_of_days_that_people_talk_about(real_published: duckdb.DuckDBPyConnection) -> None:
    rows = real_published.execute(
        "select session_date::varchar, stage_name, is_on from marts.cascade "
        "where list_contains(?, session_date::varchar)",
        [list(DAYS)],
    ).fetchall()
    on = {day: [name for name in STAGES if (day, name, True) in rows] for day in DAYS}
    assert on == {
        "2016-11-14": ["funding", "equities", "small_caps", "crypto_majors"],
        "2020-11-13": ["funding", "equities", "small_caps", "crypto_majors"],
        "2021-11-08": list(STAGES),
        "2025-09-18": list(STAGES),
        "2026-01-13": ["funding", "equities", "small_caps"],
        # Most altcoins have no price after July 2026: their stage is as it last was known, and that was off.
        "2026-08-21": ["funding", "equities", "small_caps", "crypto_majors"],
    }
