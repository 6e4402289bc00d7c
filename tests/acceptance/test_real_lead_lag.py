"""Lead-lag on real market data, against plain pandas on the files and an enumeration of every displacement."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from plain_lead_lag import null_of, pairs_at, score
from real import MARKS, closes

from assets.statistics.lead_lag import Floats

pytestmark = MARKS

# Half a year, or 126 sessions, of lags; as much again, and one block, between them and the null.
REACH = {1: 126, 5: 25, 21: 6}
GUARD = {1: 127, 5: 27, 21: 7}


def scaled(levels: pd.Series) -> pd.Series:
    changes = levels.diff().dropna()
    return changes / changes.rolling(63).std().shift()


def series(published: duckdb.DuckDBPyConnection) -> tuple[Floats, Floats, Floats, Floats]:
    """Moves of RUT/SPX and of Bitcoin, and of net liquidity and Ether, on their common sessions."""
    ratio = np.log(closes("equity", "RUT") / closes("equity", "SPX")).dropna()
    sessions = closes("equity", "SPX").index
    coins = [np.log(closes("crypto", coin)) for coin in ("BTC", "ETH")]
    coins[0] = coins[0][coins[0].index >= "2014-09-17"]
    liquidity = published.execute("select session_date, net_liquidity_musd from marts.liquidity order by 1").df()
    signals = [ratio, liquidity.set_index("session_date")["net_liquidity_musd"]]
    pairs = []
    for signal, coin in zip(signals, coins, strict=True):
        moves = [scaled(levels[levels.index.isin(sessions)]) for levels in (signal, coin)]
        pairs += [each.to_numpy() for _, each in pd.concat(moves, axis=1, join="inner").dropna().items()]
    return pairs[0], pairs[1], pairs[2], pairs[3]


def in_blocks(values: Floats, size: int) -> Floats:
    return np.array([values[at : at + size].sum() for at in range(0, len(values) - size + 1, size)])


@pytest.mark.parametrize("size", [1, 5, 21])
def test_rows_are_what_pandas_says(real_published: duckdb.DuckDBPyConnection, size: int) -> None:
    found = series(real_published)
    for signal_id, target_id, pair in (("RUT/SPX", "BTC", found[:2]), ("net_liquidity", "ETH", found[2:])):
        x, y = (in_blocks(values, size) for values in pair)
        product = np.prod([np.corrcoef(*pairs_at(each, each, 1))[0, 1] for each in (x, y)])
        null = null_of(x, y, REACH[size] + GUARD[size])
        rows = real_published.execute(
            "select lag, correlation, n, n_eff, p_value from marts.lead_lag "
            "where signal_id = ? and target_id = ? and aggregation = ? order by lag",
            [signal_id, target_id, size],
        ).fetchall()
        assert [row[0] for row in rows] == list(range(-REACH[size], REACH[size] + 1))
        for lag, correlation, n, n_eff, p_value in rows:
            early, late = pairs_at(x, y, lag)
            assert n == len(early)
            assert correlation == pytest.approx(np.corrcoef(early, late)[0, 1], abs=1e-9)
            assert n_eff == pytest.approx(n * (1 - product) / (1 + product), rel=1e-9)
            as_far = np.sum(np.array(null) >= score(early, late, x, y) - 1e-12)
            assert p_value == pytest.approx((1 + as_far) / (1 + len(null)), abs=1e-9)


def test_what_moves_together_shows_at_lag_zero_and_what_is_published_late_follows(
    real_published: duckdb.DuckDBPyConnection,
) -> None:
    rows = dict(
        real_published.execute(
            "select target_id, correlation from marts.lead_lag where signal_id = 'IWM' and aggregation = 1 and lag = 0"
        ).fetchall()
    )
    assert 0.2 < rows["BTC"] < rows["ETH"] < rows["ALTS"] < 0.4
    # The spread of a day is published the next morning: coins seem to lead it by a session, and by no more.
    late = real_published.execute(
        "select best_lag, correlation < -0.1, p_value < 0.01 from marts.lead_lag_best "
        "where target_id = 'BAMLH0A0HYM2' and signal_id in ('BTC', 'ETH', 'ALTS') and aggregation = 1"
    ).fetchall()
    assert late == [(1, True, True)] * 3
    assert real_published.execute(
        "select count(*), count(p_value), min(q_value) > 0.1 from marts.lead_lag_best where signal_id in "
        "('IWM', 'RUT/SPX', 'net_liquidity', 'BAMLH0A0HYM2')"
    ).fetchall() == [(48, 48, True)]
