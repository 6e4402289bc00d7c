"""Acceptance on real market data: beta, pullbacks and what stood around breakouts, against pandas and plain loops.

Prices and volumes are read from core.bars of the published file; everything that is made of them is worked out here.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
import real
from numpy.lib.stride_tricks import sliding_window_view

pytestmark = real.MARKS

# Relative; what is near zero is left over from a subtraction.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture
def subjects(real_published: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The instruments of the universe, without the shares of groups."""
    return real_published.execute("from core.instruments where role != 'other'").df().set_index("instrument_id")


@pytest.fixture
def bars(real_published: duckdb.DuckDBPyConnection) -> dict[str, pd.DataFrame]:
    """The final bars of each instrument; of the basket the levels, which a ratio shows."""
    rows = real_published.execute(
        """
        select instrument_id, session_date, close, adj_close, volume, known_at from core.bars where is_final
        union all
        select 'ALTS', session_date, numerator, numerator, null, known_at
        from marts.relative_strength where pair_id = 'ALTS/BTC'
        order by instrument_id, session_date
        """
    ).df()
    return {str(id_): frame.set_index("session_date") for id_, frame in rows.groupby("instrument_id")}


def rolled(values: pd.Series, sessions: int) -> np.ndarray:
    """One row per window of so many values, the first full one first."""
    return sliding_window_view(values.to_numpy(), sessions)


def expected_beta(prices: pd.Series, index: pd.Series) -> pd.DataFrame:
    """The four measures on the sessions that both have."""
    both = pd.concat([prices, index], axis=1, keys=["own", "index"], join="inner").dropna()
    measures = pd.DataFrame(np.nan, both.index, ["beta_126", "correlation_126", "up_capture_252", "down_capture_252"])
    if len(both) > 126:
        logs = np.log(both).diff().iloc[1:]
        own, other = (rolled(logs[name], 126) for name in ("own", "index"))
        own, other = own - own.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
        together, alone = (own * other).sum(axis=1), (other**2).sum(axis=1)
        measures.iloc[126:, 0] = together / alone
        measures.iloc[126:, 1] = together / np.sqrt(alone * (own**2).sum(axis=1))
    if len(both) > 252:
        simple = both.pct_change().iloc[1:]
        own, other = (rolled(simple[name], 252) for name in ("own", "index"))
        for place, chosen in ((2, other > 0), (3, other < 0)):
            measures.iloc[252:, place] = own.mean(axis=1, where=chosen) / other.mean(axis=1, where=chosen)
    return measures


def test_beta(real_published: duckdb.DuckDBPyConnection, subjects: pd.DataFrame, bars: dict[str, pd.DataFrame]) -> None:
    stored = real_published.execute("from marts.beta order by instrument_id, session_date").df()
    assert set(stored["benchmark_id"]) == {"SPX"}
    assert set(stored["instrument_id"]) == set(subjects.index) - {"SPX"}
    for id_, rows in stored.groupby("instrument_id"):
        price = "close" if subjects.loc[id_, "kind"] == "index" else "adj_close"
        expected = expected_beta(bars[str(id_)][price], bars["SPX"]["close"])
        actual = rows.set_index("session_date")[expected.columns]
        pd.testing.assert_frame_equal(
            actual, expected, check_names=False, check_dtype=False, check_freq=False, obj=f"beta of {id_}", **TOLERANCE
        )


def test_joined_as_of_bitcoin_would_not_move_with_the_market(bars: dict[str, pd.DataFrame]) -> None:
    """Since 2018, by date and with the bar of Bitcoin that was known at New York's close."""
    index, coin = (bars[id_].loc["2018":, ["close", "known_at"]] for id_ in ("SPX", "BTC"))
    by_date = index.join(coin, how="inner", suffixes=("_index", "_coin"))
    as_of = pd.merge_asof(index, coin, on="known_at", suffixes=("_index", "_coin"))

    def beta(prices: pd.DataFrame) -> float:
        returns = np.log(prices[["close_index", "close_coin"]]).diff().dropna()
        return float(returns["close_coin"].cov(returns["close_index"]) / returns["close_index"].var())

    assert beta(by_date) == pytest.approx(1.01, abs=0.01)
    assert beta(as_of) == pytest.approx(-0.08, abs=0.01)


def expected_pullbacks(prices: pd.Series, known_at: pd.Series, far: float, deep: float) -> list[dict[str, object]]:
    """The definition, session by session."""
    found: list[dict[str, object]] = []
    peak_number = 0
    values, days, instants = prices.to_numpy(), prices.index, known_at.loc[prices.index]
    for end in range(1, len(values) + 1):
        is_over = end == len(values) or values[end] > values[peak_number]
        if not is_over:
            continue
        depths = values[peak_number:end] / values[peak_number]  # from the high to the session before the next one
        decided = next((number for number, depth in enumerate(depths) if depth <= 1 - far), None)
        if decided is not None:
            has_recovered = end < len(values)
            sessions = end - peak_number - decided
            too_deep = next((number for number, depth in enumerate(depths) if depth < 1 - deep), len(values))
            went_deep = min(too_deep, decided + 64)
            is_deep = went_deep < len(depths) + has_recovered
            found.append(
                {
                    "peak_date": days[peak_number],
                    "depth_so_far": depths.min() - 1,
                    "trough_date": days[peak_number + depths.argmin()],
                    "decided_at": instants.iloc[peak_number + decided],
                    "recovered_at": instants.iloc[end] if has_recovered else pd.NaT,
                    "absorbed_at": instants.iloc[end] if has_recovered and not is_deep else pd.NaT,
                    "deep_at": instants.iloc[peak_number + went_deep] if is_deep else pd.NaT,
                    "sessions_to_recover": float(sessions) if has_recovered else np.nan,
                    "status": ("recovered" if has_recovered else "deep")
                    if is_deep
                    else ("absorbed" if has_recovered else "open"),
                }
            )
        peak_number = end
    return found


def test_pullbacks(
    real_published: duckdb.DuckDBPyConnection, subjects: pd.DataFrame, bars: dict[str, pd.DataFrame]
) -> None:
    stored = real_published.execute("from marts.pullbacks order by instrument_id, peak_date").df()
    stored = stored.astype({"sessions_to_recover": "float64"})
    assert set(stored["status"]) == {"open", "absorbed", "deep", "recovered"}
    assert set(stored["instrument_id"]) <= set(subjects.index)
    for id_, subject in subjects.iterrows():
        frame = bars[str(id_)]
        prices = frame["close" if subject["price_basis"] == "price" else "adj_close"].dropna()
        far, deep = (0.05, 0.1) if subject["asset_class"] == "equity" else (0.2, 0.4)
        actual = stored[stored["instrument_id"] == id_].reset_index(drop=True)
        expected = pd.DataFrame(expected_pullbacks(prices, frame["known_at"], far, deep))
        for instant in ("recovered_at", "absorbed_at", "deep_at"):  # one that is nowhere known has no zone
            expected[instant] = pd.to_datetime(expected[instant], utc=True)
        expected = expected.astype({column: actual[column].dtype for column in expected.columns})
        pd.testing.assert_frame_equal(actual[list(expected.columns)], expected, obj=f"pullbacks of {id_}", **TOLERANCE)


# --- what stood around breakouts ------------------------------------------------------------------------------------


def relative_volumes(bars: pd.DataFrame) -> pd.Series:
    """Of every session of one instrument."""
    volume = bars["volume"].where(bars["volume"] > 0)
    return volume / volume.shift().rolling(50, min_periods=40).median()


def test_relative_volume(
    real_published: duckdb.DuckDBPyConnection, subjects: pd.DataFrame, bars: dict[str, pd.DataFrame]
) -> None:
    stored = real_published.execute("from marts.breakouts").df()
    proxies = real_published.execute("select instrument_id, volume_proxy from core.instruments").df()
    proxy_of = proxies.set_index("instrument_id")["volume_proxy"]
    assert stored.loc[stored["subject_kind"] == "pair", "relative_volume"].isna().all()
    assert stored.loc[stored["subject_id"].isin(subjects.index), "relative_volume"].notna().sum() > 300
    for id_, events in stored[stored["subject_kind"] == "instrument"].groupby("subject_id"):
        expected = relative_volumes(bars[proxy_of[id_]]).reindex(events["session_date"])
        np.testing.assert_allclose(events["relative_volume"], expected, rtol=1e-9, err_msg=str(id_))
    # The day on which the Russell 2000 first closed above 2600 was like any other: no breakout, no volume.
    assert relative_volumes(bars["IWM"])["2026-01-08"] == pytest.approx(1.0, abs=0.005)


def latest(events: pd.DataFrame, rows: pd.DataFrame, value: str) -> pd.Series:
    """The value of the latest session of the five days up to each event, indexed by event."""
    found = pd.merge_asof(
        events.sort_values("session_date"),
        rows.sort_values("session_date"),
        on="session_date",
        tolerance=pd.Timedelta(days=5),
        suffixes=("", "_then"),
    )
    # Nothing here was corrected, so that what a session showed was known at its close.
    assert (found["known_at"].isna() | (found["known_at"] <= found["decided_at"])).all()
    return found.set_index("event_id")[value]


def test_breadth_and_liquidity_of_the_day(real_published: duckdb.DuckDBPyConnection, subjects: pd.DataFrame) -> None:
    stored = real_published.execute("select * exclude (breadth_sma200) from marts.breakouts").df()
    actual = real_published.execute("select event_id, breadth_sma200 from marts.breakouts").df()
    in_order = actual.set_index("event_id")["breadth_sma200"]
    market = stored["subject_id"].str.split("/").str[0].map(subjects["role"])
    for group, roles in {
        "us_small_cap_60": ["small_cap", "micro_cap"],
        "us_mega_cap_60": ["large_cap", "large_cap_equal_weight", "growth"],
        "altcoins": ["crypto_major", "altcoin", "altcoin_basket"],
    }.items():
        breadth = real_published.execute("from marts.breadth where group_id = ?", [group]).df()
        expected = latest(stored[market.isin(roles)], breadth, "share_above_sma200")
        assert expected.notna().sum() > 10, group
        pd.testing.assert_series_equal(in_order[expected.index], expected, check_names=False, rtol=1e-9)
        in_order = in_order.drop(expected.index)
    assert in_order.isna().all()

    liquidity = real_published.execute("from marts.liquidity").df()
    expected = latest(stored, liquidity, "change_91d_musd")
    assert expected.notna().sum() > 300
    pd.testing.assert_series_equal(
        stored.set_index("event_id")["liquidity_change_91d"][expected.index], expected, check_names=False, rtol=1e-9
    )
