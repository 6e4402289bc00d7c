"""The models in sql/marts and sql/meta: signals, what became of them and what followed, by hand-made rows.

Most breakouts here happen on Wednesday 2024-01-31, the seventh session of a series that stood at 100 on its first and
at 90 since, with a year of five sessions. Instants are UTC; New York closes at 21:00 in winter and 20:00 in summer.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from bench import Bench, Numbers, Row, all_models

FIRST = "2024-01-23"
BASE = [100.0, 90.0, 90.0, 90.0, 90.0, 90.0, 101.0]
EVENT = "RUT:all_time_high:2024-01-31"
SMALL = {
    "equity_year": 5,
    "equity_all_time_high_quiet": 5,
    "equity_year_high_quiet": 2,
    "crypto_year": 5,
    "crypto_all_time_high_quiet": 5,
    "crypto_year_high_quiet": 2,
}


# --- marts.relative_strength ----------------------------------------------------------------------------------------


def test_relative_strength_by_hand(bench: Bench) -> None:
    """Ratios 1, 2, 3, 4, 4 with means of three sessions, a change over two and a year of three."""
    bench.bars("RUT", "2024-03-04", [10.0, 20.0, 30.0, 40.0, 40.0])
    bench.bars("SPX", "2024-03-04", [10.0] * 5)
    bench.build("marts.relative_strength", as_of="2024-12-31", mansfield_mean=3, relative_return=2, relative_zscore=3)
    assert bench.rows(
        "select session_date, numerator, denominator, ratio, price_basis, mansfield_rs, return_63, zscore_252, "
        "is_high_252, known_at from marts.relative_strength order by session_date"
    ) == [
        ("2024-03-04", 10.0, 10.0, 1.0, "price", None, None, None, None, "2024-03-04 21:00"),
        ("2024-03-05", 20.0, 10.0, 2.0, "price", None, None, None, None, "2024-03-05 21:00"),
        # 3 / 2 - 1; 3 / 1 - 1; (3 - 2) / 1
        ("2024-03-06", 30.0, 10.0, 3.0, "price", 50.0, 2.0, 1.0, None, "2024-03-06 21:00"),
        # 4 / 3 - 1; 4 / 2 - 1; (4 - 3) / 1; above all of 1, 2, 3
        ("2024-03-07", 40.0, 10.0, 4.0, "price", 33.333333333, 1.0, 1.0, True, "2024-03-07 21:00"),
        # 4 / (11 / 3) - 1; 4 / 3 - 1; (1 / 3) / sqrt(1 / 3); not above 4
        ("2024-03-08", 40.0, 10.0, 4.0, "price", 9.090909091, 0.333333333, 0.577350269, False, "2024-03-08 21:00"),
    ]


def test_the_first_199_sessions_have_no_mansfield(bench: Bench) -> None:
    bench.bars("RUT", "2023-01-03", [10.0] * 199 + [20.0, 20.0])
    bench.bars("SPX", "2023-01-03", [10.0] * 201)
    bench.build("marts.relative_strength", as_of="2024-12-31")
    rows = bench.rows("select mansfield_rs from marts.relative_strength order by session_date")
    assert rows[:199] == [(None,)] * 199
    # 2 / ((199 + 2) / 200) - 1, then 2 / ((198 + 4) / 200) - 1
    assert rows[199:] == [(99.004975124,), (98.01980198,)]


def test_a_year_high_and_a_zscore_need_a_year(bench: Bench) -> None:
    bench.bars("RUT", "2023-01-03", [10.0] * 251 + [20.0, 21.0])
    bench.bars("SPX", "2023-01-03", [10.0] * 253)
    bench.build("marts.relative_strength", as_of="2024-12-31")
    rows = bench.rows(
        "select zscore_252 is not null, is_high_252, return_63 from marts.relative_strength order by session_date"
    )
    assert [row[0] for row in rows] == [False] * 251 + [True, True]
    assert [row[1] for row in rows] == [None] * 252 + [True]
    assert [row[2] for row in rows] == [None] * 63 + [0.0] * 188 + [1.0, 1.1]


def test_a_ratio_that_never_moved_has_no_zscore(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [10.0] * 4)
    bench.bars("SPX", "2024-03-04", [10.0] * 4)
    bench.build("marts.relative_strength", as_of="2024-12-31", relative_zscore=3)
    assert bench.rows("select zscore_252, is_high_252 from marts.relative_strength order by session_date") == [
        (None, None),
        (None, None),
        (None, None),
        (None, False),
    ]


def test_a_gap_in_one_leg_is_a_gap_in_the_ratio(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [10.0, None, 30.0, 40.0])
    bench.bars("SPX", "2024-03-04", [10.0, 10.0, 10.0, None])
    bench.build("marts.relative_strength", as_of="2024-12-31", relative_return=1)
    assert bench.rows("select session_date, ratio, return_63 from marts.relative_strength order by session_date") == [
        ("2024-03-04", 1.0, None),
        ("2024-03-06", 3.0, 2.0),  # sessions are the pair's own
    ]


def test_a_coin_against_an_index_follows_the_exchange(bench: Bench) -> None:
    """The coin's bar of the same date, known when its day is over; Friday to Monday is one interval."""
    bench.bars("BTC", "2024-03-07", [100.0, 110.0, 400.0, 500.0, 121.0])
    bench.bars("SPX", "2024-03-07", [10.0, 10.0, 10.0])
    bench.build("marts.relative_strength", as_of="2024-12-31", relative_return=1)
    assert bench.rows(
        "select session_date, numerator, ratio, return_63, known_at from marts.relative_strength order by session_date"
    ) == [
        ("2024-03-07", 100.0, 10.0, None, "2024-03-08 00:00"),
        ("2024-03-08", 110.0, 11.0, 0.1, "2024-03-09 00:00"),
        ("2024-03-11", 121.0, 12.1, 0.1, "2024-03-12 00:00"),
    ]


def test_a_ratio_is_known_with_its_later_leg(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-07", [100.0])
    bench.bars("BTC", "2024-03-07", [50.0])
    bench.build("marts.relative_strength", as_of="2024-12-31")
    assert bench.rows("select pair_id, ratio, known_at from marts.relative_strength") == [
        ("IWM/BTC", 2.0, "2024-03-08 00:00")
    ]


def test_a_coin_against_a_coin_trades_at_weekends(bench: Bench) -> None:
    bench.bars("ETH", "2024-03-08", [3.0, 4.0, 5.0, 6.0])
    bench.bars("BTC", "2024-03-08", [10.0] * 4)
    bench.build("marts.relative_strength", as_of="2024-03-10")
    assert bench.rows("select session_date, ratio, price_basis from marts.relative_strength order by all") == [
        ("2024-03-08", 0.3, "total_return"),
        ("2024-03-09", 0.4, "total_return"),
        ("2024-03-10", 0.5, "total_return"),
    ]


def test_both_legs_are_on_one_basis(bench: Bench) -> None:
    """IWM pays 2 of 100: against SPY its total return counts, against the index, which has none, its price."""
    bench.bars("IWM", "2024-03-04", [100.0, 98.0])
    bench.bars("SPY", "2024-03-04", [100.0, 100.0])
    bench.bars("SPX", "2024-03-04", [100.0, 100.0])
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0})
    bench.build("marts.relative_strength", as_of="2024-12-31")
    assert bench.rows(
        "select pair_id, price_basis, ratio from marts.relative_strength order by pair_id, session_date"
    ) == [
        ("IWM/SPX", "price", 1.0),
        ("IWM/SPX", "price", 0.98),
        ("IWM/SPY", "total_return", 1.0),
        ("IWM/SPY", "total_return", 1.0),
    ]


def test_an_unfinished_bar_is_no_part_of_a_ratio(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-07", [10.0, 11.0])
    bench.bars("SPX", "2024-03-07", [10.0])
    bench.bars("SPX", "2024-03-08", [10.0], captured_at="2024-03-08 17:00")
    bench.build("marts.relative_strength", as_of="2024-03-08")
    assert bench.rows("select session_date from marts.relative_strength") == [("2024-03-07",)]


# --- intermediate.breakout_events, as marts.breakouts shows them ----------------------------------------------------


def _breakouts(bench: Bench, kind: str, columns: str, subject_id: str = "RUT") -> list[Row]:
    return bench.rows(
        f"select {columns} from marts.breakouts where subject_id = '{subject_id}' and kind = '{kind}' "
        "order by session_date"
    )


def test_a_breakout_by_hand(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [100.0, 92.0, 80.0, 91.0, 93.0, 95.0, 102.0])
    bench.build("marts.breakouts", as_of="2024-01-31", **SMALL)
    assert bench.rows(
        "select event_id, subject_id, subject_kind, kind, session_date, level, level_date, base_sessions, base_depth, "
        "close, margin, is_left_censored, decided_at, status from marts.breakouts where kind = 'all_time_high'"
    ) == [
        (
            EVENT,
            "RUT",
            "instrument",
            "all_time_high",
            "2024-01-31",
            100.0,
            "2024-01-23",
            6,
            -0.2,
            102.0,
            0.02,
            True,
            "2024-01-31 21:00",
            "open",
        )
    ]


@pytest.mark.parametrize(
    ("closes", "found"),
    [
        # The level is the highest close until five sessions before; in between nothing may be above it.
        pytest.param([80, 100, 90, 90, 90, 90, 101], [("2024-01-31", 100.0, "2024-01-24", 5)], id="quiet for just Q"),
        pytest.param([80, 80, 100, 90, 90, 90, 101], [], id="quiet for Q - 1"),
        pytest.param([100, 90, 90, 90, 90, 90, 100], [], id="an equal close"),
        pytest.param(
            [100, 90, 90, 90, 90, 90, 100, 101], [("2024-02-01", 100.0, "2024-01-23", 7)], id="an equal close before"
        ),
        pytest.param(
            [100, 90, 100, 90, 90, 90, 90, 90, 101], [("2024-02-02", 100.0, "2024-01-25", 6)], id="the latest peak"
        ),
        pytest.param([100, 90, 90, 90, 90, 90, 101, 102], [("2024-01-31", 100.0, "2024-01-23", 6)], id="only once"),
        pytest.param([100, 90, 90, 90, 90, 101], [("2024-01-30", 100.0, "2024-01-23", 5)], id="W earlier sessions"),
        pytest.param([100, 90, 90, 90, 101], [], id="W - 1 earlier sessions"),
        # The third session is missing at the vendor: a subject's sessions are its own.
        pytest.param([100, 90, None, 90, 90, 90, 101], [("2024-01-31", 100.0, "2024-01-23", 5)], id="a gap"),
        pytest.param([100, 90, None, 90, None, 90, 101], [], id="two gaps"),
    ],
)  # fmt: skip
def test_all_time_highs(bench: Bench, closes: Numbers, found: list[Row]) -> None:
    bench.bars("RUT", FIRST, closes)
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL)
    assert _breakouts(bench, "all_time_high", "session_date, level, level_date, base_sessions") == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closes", "found"),
    [
        # A year of five sessions reaches from t - 5 to the quiet time of two.
        pytest.param([200, 100, 90, 95, 90, 92, 101], [("2024-01-31", 100.0, "2024-01-24", 5, -0.1)], id="old peak"),
        pytest.param([100, 200, 90, 95, 90, 92, 101], [], id="a peak just within reach"),
        pytest.param([90, 90, 90, 90, 100, 95, 101], [("2024-01-31", 100.0, "2024-01-29", 2, -0.05)], id="quiet for Q"),
        pytest.param([90, 90, 90, 90, 90, 100, 101], [("2024-01-30", 90.0, "2024-01-26", 2, 0.0)], id="for Q - 1"),
        pytest.param(
            [99, 100, 95, 100, 90, 92, 101], [("2024-01-31", 100.0, "2024-01-26", 3, -0.1)], id="the latest peak"
        ),
        pytest.param([101, 100, 90, 95, 90, 92, 100], [], id="an equal close"),
        pytest.param([100, 90, 90, 90, 101], [], id="W - 1 earlier sessions"),
    ],
)  # fmt: skip
def test_year_highs(bench: Bench, closes: Numbers, found: list[Row]) -> None:
    bench.bars("RUT", FIRST, closes)
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL)
    assert _breakouts(bench, "year_high", "session_date, level, level_date, base_sessions, base_depth") == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("margin", "found"),
    [
        (0, [("2024-01-31", 100.0, 0.01)]),
        (0.01, [("2024-02-01", 100.0, 0.02)]),  # 101 is not above 101
        (0.02, [("2024-02-02", 100.0, 0.03)]),  # neither 101 nor 102 ends the quiet time
        (0.03, []),
    ],
)
def test_a_margin_asks_for_more(bench: Bench, margin: float, found: list[Row]) -> None:
    bench.bars("RUT", FIRST, [*BASE, 102.0, 103.0])
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL, breakout_margin=margin)
    assert _breakouts(bench, "all_time_high", "session_date, level, margin") == found


@pytest.mark.parametrize(("sessions", "found"), [(253, [("2023-01-04", 100.0, "2022-01-03", 252)]), (252, [])])
def test_a_year_of_the_exchange(bench: Bench, sessions: int, found: list[Row]) -> None:
    """With the project's own numbers: 252 sessions, of which 2022 had 251."""
    bench.bars("RUT", "2022-01-03", [100.0, *[90.0] * (sessions - 2), 101.0])
    bench.build("marts.breakouts", as_of="2024-12-31")
    assert _breakouts(bench, "all_time_high", "session_date, level, level_date, base_sessions") == found


@pytest.mark.parametrize(("days", "found"), [(366, [("2023-01-01", 100.0, "2022-01-01", 365)]), (365, [])])
def test_a_year_of_coins(bench: Bench, days: int, found: list[Row]) -> None:
    """With the project's own numbers: 365 days."""
    bench.bars("ETH", "2022-01-01", [100.0, *[90.0] * (days - 2), 101.0])
    bench.build("marts.breakouts", as_of="2024-12-31")
    assert _breakouts(bench, "all_time_high", "session_date, level, level_date, base_sessions", "ETH") == found


@pytest.mark.parametrize(("base_sessions", "is_found"), [(63, True), (62, False)])
def test_a_quarter_of_the_exchange(bench: Bench, base_sessions: int, is_found: bool) -> None:
    """With the project's own numbers: a year high after 63 quiet sessions."""
    closes = [90.0] * 252
    closes[252 - base_sessions] = 100.0
    bench.bars("RUT", "2022-01-03", [*closes, 101.0])
    bench.build("marts.breakouts", as_of="2024-12-31")
    expected: list[Row] = [("2023-01-04", 100.0, 63)] if is_found else []
    assert _breakouts(bench, "year_high", "session_date, level, base_sessions") == expected


def test_a_coin_breaks_out_on_a_weekend(bench: Bench) -> None:
    bench.bars("ETH", "2024-01-28", BASE)
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL)
    assert _breakouts(bench, "all_time_high", "session_date, decided_at", "ETH") == [("2024-02-03", "2024-02-04 00:00")]


def test_a_pair_breaks_out(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [2 * close for close in BASE])
    bench.bars("SPX", FIRST, [2.0] * len(BASE))
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL)
    assert _breakouts(bench, "all_time_high", "event_id, subject_kind, level, close", "RUT/SPX") == [
        ("RUT/SPX:all_time_high:2024-01-31", "pair", 100.0, 101.0)
    ]


def test_a_bond_fund_breaks_out_on_its_total_return(bench: Bench) -> None:
    bench.bars("HYG", FIRST, [80.0] * 7, adj_closes=BASE)
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL)
    assert _breakouts(bench, "all_time_high", "session_date, close", "HYG") == [("2024-01-31", 101.0)]


def test_an_unfinished_bar_decides_nothing(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE[:-1])
    bench.bars("RUT", "2024-01-31", BASE[-1:], captured_at="2024-01-31 17:00")
    bench.build("marts.breakouts", as_of="2024-01-31", **SMALL)
    assert bench.rows("select * from marts.breakouts") == []


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="decided_at is the clock of the breakout's own bar: an event that a later correction of an earlier bar made "
    "is dated back to before anyone could know it",
)
def test_a_breakout_that_a_correction_made_is_known_at_the_correction(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [*BASE[:2], None, *BASE[3:]])
    bench.bars("RUT", "2024-01-25", [150.0], captured_at="2024-01-25 22:00")  # a bad tick
    bench.bars("RUT", "2024-01-25", [90.0], captured_at="2024-02-10 12:00", version=2)
    bench.build("marts.breakouts", as_of="2024-02-09", **SMALL)
    before = _breakouts(bench, "all_time_high", "event_id")
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL)
    after = _breakouts(bench, "all_time_high", "event_id, decided_at")
    assert (before, after) == ([], [(EVENT, "2024-02-10 12:00")])


# --- is_left_censored -----------------------------------------------------------------------------------------------

YEAR_OF_THREE = SMALL | {"equity_year": 3, "equity_all_time_high_quiet": 3}


def test_a_level_within_a_year_of_the_first_bar_is_left_censored(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [90.0, 90.0, 90.0, 100.0, 90.0, 90.0, 90.0, 101.0])
    bench.build("marts.breakouts", as_of="2024-12-31", **YEAR_OF_THREE)
    assert _breakouts(bench, "all_time_high", "session_date, level_date, is_left_censored") == [
        ("2024-01-26", "2024-01-23", True),
        ("2024-02-01", "2024-01-26", False),  # three sessions stand before the level
    ]


def test_a_level_with_one_session_less_before_it_is_left_censored(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [90.0, 90.0, 100.0, 90.0, 90.0, 90.0, 101.0])
    bench.build("marts.breakouts", as_of="2024-12-31", **YEAR_OF_THREE)
    assert _breakouts(bench, "all_time_high", "session_date, level_date, is_left_censored") == [
        ("2024-01-31", "2024-01-25", True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("index_before_the_fund", "is_left_censored"),
    [
        (200.0, True),  # the index stood at 200 before the fund existed, at 120 at the fund's level
        (125.0, True),  # that it went to 130 with the breakout does not matter
        (120.0, False),
        (110.0, False),
    ],
)
def test_a_fund_misses_its_index_s_earlier_peak(
    bench: Bench, index_before_the_fund: float, is_left_censored: bool
) -> None:
    bench.bars("RUT", FIRST, [index_before_the_fund, 100.0, 90.0, 80.0, 90.0, 120.0, 90.0, 90.0, 90.0, 130.0])
    bench.bars("IWM", "2024-01-24", [10.0, 9.0, 8.0, 9.0, 12.0, 9.0, 9.0, 9.0, 13.0])
    bench.build("marts.breakouts", as_of="2024-12-31", **YEAR_OF_THREE)
    assert _breakouts(bench, "all_time_high", "session_date, level, is_left_censored", "IWM") == [
        ("2024-01-30", 10.0, True),  # on the fund's first bar
        ("2024-02-05", 12.0, is_left_censored),
    ]
    # A year high asks for a year only.
    assert _breakouts(bench, "year_high", "session_date, is_left_censored", "IWM")[-1] == ("2024-02-05", False)


# --- marts.breakout_states ------------------------------------------------------------------------------------------


def _after(bench: Bench, closes: Sequence[float], lows: Numbers | None = None, as_of: str = "2024-12-31") -> None:
    """The breakout of 2024-01-31 over 100, and what came after it."""
    before: Numbers = [None] * len(BASE)
    bench.bars("RUT", FIRST, [*BASE, *closes], lows=[*before, *lows] if lows else None)
    bench.build("marts.breakouts", as_of=as_of, **SMALL)


def _states(bench: Bench) -> list[Row]:
    return bench.rows(
        f"select state, sessions_after from marts.breakout_states where event_id = '{EVENT}' "
        "order by sessions_after, state"
    )


def _status(bench: Bench) -> Row:
    return bench.rows(f"select status from marts.breakouts where event_id = '{EVENT}'")[0]


@pytest.mark.parametrize(
    ("closes", "states", "status"),
    [
        pytest.param([102, 102], [], "open", id="two closes above"),
        pytest.param([102, 102, 102], [("confirmed", 3)], "confirmed", id="the third close"),
        pytest.param(
            [102, 99, 102, 99, 102], [("retested", 3), ("confirmed", 5)], "confirmed", id="not one after the other"
        ),
        pytest.param([102, 102, 100, 100], [], "open", id="a close at the level is not above it"),
        pytest.param(
            [102, 102, *[99] * 7, 102], [("confirmed", 10), ("retested", 10)], "confirmed", id="the tenth session"
        ),
        pytest.param([102, 102, *[99] * 8, 102], [("retested", 11)], "retested", id="the eleventh session is too late"),
        pytest.param([98, 98], [], "open", id="2 % below is not below 2 %"),
        pytest.param([98, 97.99, 90], [("failed", 2)], "failed", id="failed once"),
        pytest.param([102, 102, 102, 97], [("confirmed", 3), ("failed", 4)], "failed", id="confirmed, then failed"),
        pytest.param(
            [97, 102, 102, 102],
            [("failed", 1), ("retested", 2), ("confirmed", 4)],
            "confirmed",
            id="failed, then confirmed",
        ),
        pytest.param([102] * 19, [("confirmed", 3)], "confirmed", id="nineteen sessions"),
        pytest.param([102] * 20, [("confirmed", 3), ("holding", 20)], "holding", id="twenty sessions"),
        pytest.param([*[102] * 19, 97], [("confirmed", 3), ("failed", 20)], "failed", id="failed on the twentieth"),
        pytest.param(
            [*[102] * 20, 97], [("confirmed", 3), ("holding", 20)], "holding", id="the twenty-first does not count"
        ),
        pytest.param([97, *[99] * 19], [("failed", 1)], "failed", id="what failed is not holding"),
        pytest.param(
            [*[102] * 18, 99, 102],
            [("confirmed", 3), ("holding", 20), ("retested", 20)],
            "holding",
            id="two states on one close",
        ),
    ],
)
def test_the_life_of_a_breakout(bench: Bench, closes: Sequence[float], states: list[Row], status: str) -> None:
    _after(bench, closes)
    assert (_states(bench), _status(bench)) == (states, (status,))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closes", "lows", "retested"),
    [
        pytest.param([103, 103], [101, 102], [("retested", 2)], id="a low 1 % above, then a close above"),
        pytest.param([103, 103], [101.01, 102], [], id="a low not low enough"),
        pytest.param([103], [99], [], id="the close of the touching session is no later one"),
        pytest.param([103, 100, 103], [99, 99, 102], [("retested", 3)], id="a close at the level is not above it"),
        pytest.param([101, 103], [None, None], [("retested", 2)], id="the close where there is no low"),
        pytest.param([101.01, 103], [None, None], [], id="a close not low enough"),
    ],
)
def test_a_retest(bench: Bench, closes: Sequence[float], lows: Numbers, retested: list[Row]) -> None:
    _after(bench, closes, lows)
    assert _states(bench) == retested


def test_the_low_of_the_breakout_itself_is_no_retest(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [*BASE, 103.0], lows=[*[None] * 6, 95.0, 102.0])
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL)
    assert _states(bench) == []


@pytest.mark.parametrize(
    ("as_of", "status", "confirmed_at", "failed_at"),
    [
        ("2024-02-02", "open", None, None),
        ("2024-02-05 20:59", "open", None, None),
        ("2024-02-05 21:00", "confirmed", "2024-02-05 21:00", None),
        ("2024-02-06", "failed", "2024-02-05 21:00", "2024-02-06 21:00"),
        ("2024-12-31", "failed", "2024-02-05 21:00", "2024-02-06 21:00"),
    ],
)
def test_a_state_is_decided_at_the_close_that_shows_it(
    bench: Bench, as_of: str, status: str, confirmed_at: str | None, failed_at: str | None
) -> None:
    _after(bench, [102.0, 102.0, 102.0, 97.0, 97.0], as_of=as_of)
    assert bench.rows(
        "select status, confirmed_at, failed_at, retested_at, holding_at from marts.breakouts "
        f"where event_id = '{EVENT}'"
    ) == [(status, confirmed_at, failed_at, None, None)]
    assert bench.rows(
        f"select session_date, decided_at from marts.breakout_states where event_id = '{EVENT}' order by all"
    ) == [(at[:10], at) for at in (confirmed_at, failed_at) if at]


# --- marts.breakouts: outcomes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_of", "outcome"), [("2024-02-28", (None, None, None)), ("2024-02-29", (2, "2024-02-29 21:00", None))]
)
def test_closes_below_are_counted_after_twenty_sessions(bench: Bench, as_of: str, outcome: Row) -> None:
    _after(bench, [102.0, 99.0, 100.0, 99.9, *[102.0] * 16, 90.0], as_of=as_of)
    assert _breakouts(bench, "all_time_high", "closes_below_20, outcome_20_at, max_drawdown_63") == [outcome]


@pytest.mark.parametrize(
    ("as_of", "outcome"), [("2024-04-30", (None, None)), ("2024-05-01", (-0.1, "2024-05-01 20:00"))]
)
def test_the_drawdown_is_known_after_a_quarter(bench: Bench, as_of: str, outcome: Row) -> None:
    """120 to 108 is the largest fall; 150 to 141 is smaller, and the fall of the 64th session comes too late."""
    _after(bench, [102.0, 120.0, 108.0, 150.0, 141.0, *[150.0] * 58, 10.0], as_of=as_of)
    assert _breakouts(bench, "all_time_high", "max_drawdown_63, outcome_63_at")[0] == outcome


def test_the_drawdown_begins_at_the_breakout(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [*BASE, 95.95, 99.0])
    bench.build("marts.breakouts", as_of="2024-12-31", **SMALL, life_cycle=1, outcome_window=2)
    # 95.95 is 5 % below 101.
    assert _breakouts(bench, "all_time_high", "max_drawdown_63, closes_below_20") == [(-0.05, 1)]


# --- marts.rotation_responses ---------------------------------------------------------------------------------------

RESPONSES = (
    "select entry_date, entry_at, exit_date, forward_return, is_complete, known_at from marts.rotation_responses"
)
BTC_FROM_THE_30TH = [50.0, 100.0, 110.0, 99.0, 121.0, 108.9, 95.0, 100.0, 105.0, 200.0]


def _responses(bench: Bench, as_of: str = "2024-12-31") -> None:
    bench.build("marts.rotation_responses", as_of=as_of, **SMALL)


def test_a_response_by_hand(bench: Bench) -> None:
    """Decided on Wednesday at 21:00: the coin's first close after that is at midnight."""
    bench.bars("RUT", FIRST, BASE)
    bench.bars("BTC", "2024-01-30", BTC_FROM_THE_30TH)
    _responses(bench, as_of="2024-02-08")
    assert bench.rows(
        "select horizon_days, entry_date, entry_at, exit_date, forward_return, max_run_up, max_drawdown, is_complete, "
        "known_at from marts.rotation_responses order by horizon_days"
    ) == [
        # 100 to 121, with 110 to 99 on the way; known when Saturday is over.
        (3, "2024-01-31", "2024-02-01 00:00", "2024-02-03", 0.21, 0.21, -0.1, True, "2024-02-04 00:00"),
        # 100 to 105, with 121 to 95 on the way.
        (7, "2024-01-31", "2024-02-01 00:00", "2024-02-07", 0.05, 0.21, -0.214876033, True, "2024-02-08 00:00"),
        (30, "2024-01-31", "2024-02-01 00:00", None, None, None, None, False, None),
    ]
    assert bench.rows("select distinct event_id, trigger, target_id from marts.rotation_responses") == [
        (EVENT, "decided", "BTC")
    ]


@pytest.mark.parametrize(
    ("as_of", "rows"),
    [
        ("2024-01-31 23:59", []),
        ("2024-02-01 00:00", [("2024-01-31", "2024-02-01 00:00", None, None, False, None)]),
        ("2024-02-02", [("2024-01-31", "2024-02-01 00:00", None, None, False, None)]),
        ("2024-02-03", [("2024-01-31", "2024-02-01 00:00", "2024-02-03", 0.21, True, "2024-02-04 00:00")]),
    ],
)
def test_a_response_is_open_until_its_horizon(bench: Bench, as_of: str, rows: list[Row]) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("BTC", "2024-01-30", BTC_FROM_THE_30TH)
    _responses(bench, as_of)
    assert bench.rows(f"{RESPONSES} where horizon_days = 3") == rows


@pytest.mark.slow
def test_a_target_that_closes_with_the_trigger_is_bought_at_its_next_close(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("IWM", "2024-01-31", [190.0, 200.0, 210.0, *[220.0] * 30])
    _responses(bench)
    assert bench.rows(f"{RESPONSES} order by horizon_days") == [
        # Three days end on a Sunday: Friday's close counts.
        ("2024-02-01", "2024-02-01 21:00", "2024-02-02", 0.05, True, "2024-02-05 00:00"),
        ("2024-02-01", "2024-02-01 21:00", "2024-02-08", 0.1, True, "2024-02-09 00:00"),
        ("2024-02-01", "2024-02-01 21:00", "2024-03-01", 0.1, True, "2024-03-03 00:00"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "entries"),
    [
        ("2024-02-05", [("2024-02-05", "2024-02-05 21:00")]),  # five days after the trigger, to the minute
        ("2024-02-06", []),
    ],
)
def test_an_entry_comes_within_five_days(bench: Bench, first: str, entries: list[Row]) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("IWM", "2024-01-29", [200.0])
    bench.bars("IWM", first, [200.0] * 10)
    _responses(bench)
    assert bench.rows("select distinct entry_date, entry_at from marts.rotation_responses") == entries


@pytest.mark.slow
def test_a_coin_that_breaks_out_on_saturday(bench: Bench) -> None:
    """Decided at midnight to Sunday: a coin's Sunday close is the first after it, the exchange opens on Monday."""
    bench.bars("ETH", "2024-01-28", BASE)
    bench.bars("BTC", "2024-02-01", [100.0] * 10)
    bench.bars("IWM", "2024-02-01", [200.0] * 10)
    _responses(bench)
    assert bench.rows("select distinct target_id, entry_date, entry_at from marts.rotation_responses order by all") == [
        ("BTC", "2024-02-04", "2024-02-05 00:00"),
        ("IWM", "2024-02-05", "2024-02-05 21:00"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("as_of", "triggers"),
    [
        ("2024-02-05 20:59", [("decided", "2024-01-31")]),
        ("2024-02-06", [("confirmed", "2024-02-05"), ("decided", "2024-01-31")]),
    ],
)
def test_a_confirmation_starts_a_clock_of_its_own(bench: Bench, as_of: str, triggers: list[Row]) -> None:
    bench.bars("RUT", FIRST, [*BASE, 102.0, 102.0, 102.0])
    bench.bars("BTC", "2024-01-30", [100.0] * 20)
    _responses(bench, as_of)
    assert bench.rows("select distinct trigger, entry_date from marts.rotation_responses order by all") == triggers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days", "row"),
    [
        # The last bar is of Friday, five days before the horizon of Wednesday.
        (3, ("2024-01-31", "2024-02-01 00:00", "2024-02-02", 0.1, True, "2024-02-08 00:00")),
        # The last bar is of Thursday: it stopped trading.
        (2, ("2024-01-31", "2024-02-01 00:00", None, None, False, None)),
    ],
)
def test_a_target_that_stopped_trading_has_no_outcome(bench: Bench, days: int, row: Row) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("BTC", "2024-01-31", [100.0, 105.0, 110.0][:days])
    _responses(bench)
    assert bench.rows(f"{RESPONSES} where horizon_days = 7") == [row]


def test_a_dividend_belongs_to_the_response(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("IWM", "2024-02-01", [200.0, 198.0])
    bench.actions("IWM", "dividend", {"2024-02-02": 2.0})
    _responses(bench)
    # 198 / (1 - 2 / 200) is 200.
    assert bench.rows(f"{RESPONSES} where horizon_days = 3") == [
        ("2024-02-01", "2024-02-01 21:00", "2024-02-02", 0.0, True, "2024-02-05 00:00")
    ]


def test_a_target_without_a_bar_is_not_asked(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("SPX", "2024-02-01", [100.0] * 10)  # no target
    _responses(bench)
    assert bench.rows("select * from marts.rotation_responses") == []


@pytest.mark.slow
def test_a_correction_of_an_old_bar_is_no_entry(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("BTC", "2023-12-01", [40.0], captured_at="2023-12-02 01:00")
    bench.bars("BTC", "2023-12-01", [41.0], captured_at="2024-01-31 22:00", version=2)
    bench.bars("BTC", "2024-01-30", BTC_FROM_THE_30TH)
    _responses(bench)
    assert bench.rows("select distinct entry_date from marts.rotation_responses") == [("2024-01-31",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("as_of", "row"),
    [
        ("2024-02-09", ("2024-01-31", "2024-02-01 00:00", "2024-02-03", 0.21, True, "2024-02-04 00:00")),
        ("2024-02-10", ("2024-01-31", "2024-02-01 00:00", "2024-02-03", 0.2, True, "2024-02-10 12:00")),
    ],
)
def test_a_response_is_corrected_with_its_exit(bench: Bench, as_of: str, row: Row) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("BTC", "2024-01-31", [100.0, 110.0, 99.0, None, 108.9, 95.0])
    bench.bars("BTC", "2024-02-03", [121.0], captured_at="2024-02-04 01:00")
    bench.bars("BTC", "2024-02-03", [120.0], captured_at="2024-02-10 12:00", version=2)
    _responses(bench, as_of)
    assert bench.rows(f"{RESPONSES} where horizon_days = 3") == [row]


# --- meta.freshness -------------------------------------------------------------------------------------------------

FRESHNESS = (
    "select id, asset_class, last_session, expected_session, age_sessions, status from meta.freshness order by id"
)


@pytest.mark.parametrize(
    ("last_session", "age_sessions", "status"),
    [
        ("2024-03-08", 0, "fresh"),
        ("2024-03-06", 2, "fresh"),
        ("2024-03-05", 3, "stale"),
    ],
)
def test_an_instrument_may_miss_two_sessions(bench: Bench, last_session: str, age_sessions: int, status: str) -> None:
    bench.bars("RUT", last_session, [1.0])
    bench.build("meta.freshness", as_of="2024-03-08")
    assert bench.rows(FRESHNESS) == [("RUT", "equity", last_session, "2024-03-08", age_sessions, status)]


@pytest.mark.parametrize(
    ("as_of", "expected_session", "age_sessions"),
    [
        ("2024-03-10", "2024-03-08", 1),  # a weekend makes nothing older
        ("2024-03-11 19:59", "2024-03-08", 1),  # nor does a session that is not over
        ("2024-03-11 20:00", "2024-03-11", 2),
    ],
)
def test_a_session_is_expected_once_it_is_over(
    bench: Bench, as_of: str, expected_session: str, age_sessions: int
) -> None:
    bench.bars("RUT", "2024-03-07", [1.0])
    bench.build("meta.freshness", as_of=as_of)
    assert bench.rows(FRESHNESS) == [("RUT", "equity", "2024-03-07", expected_session, age_sessions, "fresh")]


def test_a_coin_is_expected_every_day(bench: Bench) -> None:
    bench.bars("BTC", "2024-03-07", [1.0])
    bench.build("meta.freshness", as_of="2024-03-10")
    assert bench.rows(FRESHNESS) == [("BTC", "crypto", "2024-03-07", "2024-03-10", 3, "stale")]


@pytest.mark.parametrize(
    ("as_of", "status"), [("2024-02-14", "fresh"), ("2024-02-15", "ended"), ("2024-03-08", "ended")]
)
def test_what_died_is_not_stale(bench: Bench, as_of: str, status: str) -> None:
    bench.bars("ETC", "2024-02-13", [1.0, 1.0, 1.0])
    bench.build("meta.freshness", as_of=as_of)
    assert bench.rows("select id, status from meta.freshness") == [("ETC", status)]


@pytest.mark.parametrize(("as_of", "status"), [("2024-03-15", "fresh"), ("2024-03-16", "stale")])
def test_a_release_may_be_three_days_late(bench: Bench, as_of: str, status: str) -> None:
    bench.observations("CPIAUCSL", {"2024-01-01": 1.0})
    bench.build("meta.freshness", as_of=as_of)
    # The value of February was due on 13 March; by age alone it would be stale after eighty days, on the 22nd.
    assert bench.rows(FRESHNESS) == [("CPIAUCSL", "macro", "2024-01-01", "2024-02-01", 1, status)]


@pytest.mark.parametrize(("as_of", "status"), [("2024-03-16", "fresh"), ("2024-03-17", "stale")])
def test_a_series_is_stale_when_a_release_is_missed(bench: Bench, as_of: str, status: str) -> None:
    bench.observations("WALCL", {"2024-02-28": 1.0, "2024-03-06": 1.0})
    bench.build("meta.freshness", as_of=as_of)
    # The value of Wednesday the 13th was due on Thursday; three days are waited for it.
    assert bench.rows(FRESHNESS) == [("WALCL", "macro", "2024-03-06", "2024-03-13", 1, status)]


def test_an_observation_counts_once_it_is_public(bench: Bench) -> None:
    """Of the 6th, public on the 7th at 21:30."""
    bench.observations("WALCL", {"2024-02-28": 1.0, "2024-03-06": 1.0})
    bench.build("meta.freshness", as_of="2024-03-07 21:29")
    assert bench.rows("select last_session from meta.freshness") == [("2024-02-28",)]
    bench.build("meta.freshness", as_of="2024-03-07 21:30")
    assert bench.rows("select last_session from meta.freshness") == [("2024-03-06",)]


# --- the steps in between -----------------------------------------------------------------------------------------


def test_the_aftermath_of_a_breakout_session_by_session(bench: Bench) -> None:
    _after(bench, [103.0, 97.0, 100.0, 102.0], lows=[101.5, 96.0, 99.0, 101.0])
    assert bench.rows(
        "select sessions_after, price, is_above, is_below, is_failing, is_touching, closes_above, high_so_far, "
        f"was_touched from intermediate.breakout_followup where event_id = '{EVENT}' order by sessions_after"
    ) == [
        (0, 101.0, True, False, False, True, 0, 101.0, False),
        (1, 103.0, True, False, False, False, 1, 103.0, False),
        (2, 97.0, False, True, True, True, 1, 103.0, False),
        (3, 100.0, False, False, False, True, 1, 103.0, True),
        (4, 102.0, True, False, False, True, 2, 103.0, True),
    ]


def test_paths_are_instruments_and_pairs(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-07", [10.0, None, 12.0], lows=[9.0, None, 11.0])
    bench.bars("SPX", "2024-03-07", [5.0, 5.0])
    bench.build("intermediate.price_paths", as_of="2024-12-31")
    assert bench.rows(
        "select subject_id, session_number, session_date, price, low "
        "from intermediate.price_paths order by subject_id, session_number"
    ) == [
        ("RUT", 1, "2024-03-07", 10.0, 9.0),
        ("RUT", 2, "2024-03-11", 12.0, 11.0),
        ("RUT/SPX", 1, "2024-03-07", 2.0, None),
        ("SPX", 1, "2024-03-07", 5.0, None),
        ("SPX", 2, "2024-03-08", 5.0, None),
    ]


def test_every_session_of_a_target_opens_a_window(bench: Bench) -> None:
    """Three days on; the window of the last bars is not over by Tuesday."""
    bench.bars("IWM", "2024-03-06", [100.0, 110.0, 121.0, 60.5, 60.5])
    bench.bars("SPX", "2024-03-06", [1.0] * 5)  # no target
    bench.build("intermediate.forward_windows", as_of="2024-03-12")
    assert bench.rows(
        "select target_id, entry_date, horizon_days, exit_date, forward_return, log_return, known_at "
        "from intermediate.forward_windows order by entry_date"
    ) == [
        # Saturday and Sunday take Friday's close, Monday its own.
        ("IWM", "2024-03-06", 3, "2024-03-08", 0.21, 0.19062036, "2024-03-10 00:00"),
        ("IWM", "2024-03-07", 3, "2024-03-08", 0.1, 0.09531018, "2024-03-11 00:00"),
        ("IWM", "2024-03-08", 3, "2024-03-11", -0.5, -0.693147181, "2024-03-12 00:00"),
    ]


def test_a_breakout_triggers_the_signals_of_its_subject_and_kind(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [*BASE, 102.0, 102.0, 102.0])
    bench.bars("SPX", FIRST, BASE)  # no signal is about its breakouts
    bench.build("intermediate.triggers", as_of="2024-12-31", **SMALL)
    assert bench.rows("select signal_id, event_id, trigger, trigger_at from intermediate.triggers order by all") == [
        ("RUT:all_time_high:confirmed", EVENT, "confirmed", "2024-02-05 21:00"),
        ("RUT:all_time_high:decided", EVENT, "decided", "2024-01-31 21:00"),
    ]


# What has a row for each claim, whatever is known.
CLAIMS = ("intermediate.claim_moments", "marts.claim_parts", "marts.claims")


@pytest.mark.slow
def test_a_warehouse_without_prices_gives_empty_tables(bench: Bench) -> None:
    bench.build(*(model.full_name for model in all_models()), as_of="2024-12-31")
    assert [
        model.full_name
        for model in all_models()
        if model.form != "macro" and bench.rows(f"select count(*) from {model.full_name}") != [(0,)]
    ] == ["core.series", "core.sessions", *CLAIMS]
    # Without data every claim says so.
    assert bench.rows("select distinct verdict from marts.claims order by all") == [
        ("insufficient_evidence",),
        ("not_testable",),
    ]
