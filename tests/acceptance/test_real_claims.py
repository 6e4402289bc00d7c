"""The claims on real market data: what is known about January 2026, and the same numbers from pandas."""

from __future__ import annotations

from math import comb
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from real import FOLDER, MARKS, closes, run_cascade

pytestmark = MARKS


@pytest.fixture
def claims(real_published: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return real_published.execute("from marts.claims").df().set_index("claim_id")


@pytest.fixture
def parts(real_published: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return real_published.execute("from marts.claim_parts where moment = 'clock'").df().set_index(["claim_id", "part"])


def test_facts_of_january_2026(claims: pd.DataFrame) -> None:
    facts = {
        1: ("supported", "first close above 2600 on 2026-01-08"),
        2: ("contradicted", "+6.1 %"),
        3: ("contradicted", "1.00 times the median on 2026-01-08"),
        4: ("supported", "75 % above their 200-session mean, median 60 % (of the present members)"),
        5: (
            "contradicted",
            "1991-10, 1995-05, 1999-12, 2004-04, 2011-04, 2013-01, 2016-11, 2020-11, 2025-09",
        ),
        # The Treasury account fell; the balance sheet rose over four weeks, not over thirteen.
        9: (
            "insufficient_evidence",
            "net liquidity: +95.4 bn in 28 days, -5.7 bn in 91 | balance sheet: +34.3 bn in 28 days, -17.2 bn in 91 | "
            "treasury account: -62.8 bn in 28 days, -11.3 bn in 91",
        ),
        14: (
            "insufficient_evidence",
            "drawdown: BTC -27 %, ETH -36 %, ALTS -46 % | volume: 0.75 times the median of the year",
        ),
        22: ("supported", "funding rate: +0.03 points after +0.06 | credit spread: +2.83 points after +2.92"),
    }
    assert {id_: (row["verdict"], row["measured"]) for id_, row in claims.loc[list(facts)].iterrows()} == facts
    assert (claims.loc[list(facts), "verdict_then"] == claims.loc[list(facts), "verdict"]).all()
    assert set(claims.index[claims["verdict"] == "not_testable"]) == {21, 24}
    # There are too few breakouts for a conclusion.
    assert set(claims.loc[[6, 13, 20], "verdict"]) == {"insufficient_evidence"}


def quarterly(prices: pd.Series) -> pd.Series:
    """Log changes of whole quarters."""
    return (
        np.log(prices.groupby(prices.index.to_period("Q")).last())
        .diff()
        .dropna()
        .iloc[: -1 if _is_open(prices) else None]
    )


def _is_open(prices: pd.Series) -> bool:
    return bool((prices.index[-1].to_period("Q").end_time - prices.index[-1]).days > 5)


def test_small_caps_in_defensive_quarters_by_plain_enumeration(parts: pd.DataFrame) -> None:
    small_caps = quarterly((closes("equity", "RUT") / closes("equity", "SPX")).dropna())
    spread = _total_return("XLY") / _total_return("XLP")
    both = pd.concat([quarterly(spread.dropna()), small_caps], axis=1, join="inner")
    is_defensive, change = both.iloc[:, 0].to_numpy() < 0, both.iloc[:, 1].to_numpy()

    def contrast(changes: np.ndarray) -> float:
        return float(changes[is_defensive].mean() - changes[~is_defensive].mean())

    all_shifts = [abs(contrast(np.roll(change, shift))) for shift in range(len(change))]
    row = parts.loc[(8, "leadership")]
    assert row["n"] == min(is_defensive.sum(), (~is_defensive).sum())
    assert row["p_value"] == pytest.approx(np.mean(np.array(all_shifts) >= all_shifts[0] - 1e-12), abs=1e-12)
    assert contrast(change) < 0


def _total_return(symbol: str) -> pd.Series:
    frame = pd.read_csv(Path(FOLDER) / "equity" / f"{symbol}.csv", parse_dates=["date"]).set_index("date")
    return frame["adj_close"]


def test_pullbacks_against_a_fair_coin(parts: pd.DataFrame, real_published: duckdb.DuckDBPyConnection) -> None:
    [(absorbed, deep)] = real_published.execute(
        "select count(absorbed_at), count(deep_at) from marts.pullbacks where instrument_id = 'RUT'"
    ).fetchall()
    n = absorbed + deep
    chances = [comb(n, k) / 2**n for k in range(n + 1)]
    row = parts.loc[(16, "absorbed")]
    assert (row["measured"], row["n"]) == (f"{absorbed} of {n}", n)
    assert row["p_value"] == pytest.approx(sum(chance for chance in chances if chance <= chances[absorbed]), abs=1e-12)


def test_the_verdicts_at_the_articles_close_are_those_of_a_run_as_of_that_day(
    real_home: Path, claims: pd.DataFrame
) -> None:
    result = run_cascade(real_home, "--as-of", "2026-01-13")
    assert result.returncode in (0, 3), result.stderr
    with duckdb.connect(str(real_home / "cascade-asof-2026-01-13.duckdb"), read_only=True) as connection:
        then = connection.execute("select claim_id, verdict, measured from marts.claims").df().set_index("claim_id")
    scored = claims[claims["verdict_then"].notna()]
    # The others read tables of evidence, which are as of the run's clock only.
    assert set(claims.index) - set(scored.index) == {12, 13, 15, 20}
    pd.testing.assert_frame_equal(
        scored[["verdict_then", "measured_then"]].set_axis(["verdict", "measured"], axis=1), then.loc[scored.index]
    )
