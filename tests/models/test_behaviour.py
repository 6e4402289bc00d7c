"""The models that say how instruments behave: beta, pullbacks, and what stood around a breakout, by hand-made rows.

Beta is looked at over three or four sessions, pullbacks mostly over three, volumes over three. Instants are UTC; New
York closes at 21:00 in winter and 20:00 in summer.
"""

from __future__ import annotations

import pytest
from bench import UNIVERSE, Bench, Numbers, Row

from assets.config.universe import Breadth

# --- marts.beta -----------------------------------------------------------------------------------------------------

THREE = {"beta_sessions": 3, "capture_sessions": 3}
MEASURES = "round(beta_126, 9), round(correlation_126, 9), round(up_capture_252, 9), round(down_capture_252, 9)"


def _beta(bench: Bench, columns: str = f"session_date, {MEASURES}", instrument_id: str = "IWM") -> list[Row]:
    return bench.rows(f"select {columns} from marts.beta where instrument_id = '{instrument_id}' order by session_date")


def test_beta_of_what_moves_twice_as_far(bench: Bench) -> None:
    """The fund grows by the square of what the index grows by, so its log returns are twice as large."""
    bench.bars("SPX", "2024-03-04", [100.0, 110.0, 99.0, 108.9])
    bench.bars("IWM", "2024-03-04", [100.0, 121.0, 98.01, 118.5921])
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    assert _beta(bench, f"benchmark_id, session_date, {MEASURES}, known_at") == [
        ("SPX", "2024-03-04", None, None, None, None, "2024-03-04 21:00"),
        ("SPX", "2024-03-05", None, None, None, None, "2024-03-05 21:00"),
        ("SPX", "2024-03-06", None, None, None, None, "2024-03-06 21:00"),
        # (0.21 + 0.21) / (0.1 + 0.1), and -0.19 / -0.1
        ("SPX", "2024-03-07", 2.0, 1.0, 2.1, 1.9, "2024-03-07 21:00"),
    ]


def test_beta_of_what_moves_along_now_and_then(bench: Bench) -> None:
    """Log returns in units of ln 2: the index 1, -1, 1, -1 (mean 0), the fund 1, 1, 1, -1 (mean 1/2)."""
    bench.bars("SPX", "2024-03-04", [100.0, 200.0, 100.0, 200.0, 100.0])
    bench.bars("IWM", "2024-03-04", [100.0, 200.0, 400.0, 800.0, 400.0])
    bench.build("marts.beta", as_of="2024-12-31", beta_sessions=4, capture_sessions=4)
    # Covariance (1 - 1 + 1 + 1) / 4 over variance 1; over the deviations 1 and sqrt(3/4). The fund made 1, 1 where the
    # index made 1, 1, and 1, -1/2 where it made -1/2, -1/2.
    assert _beta(bench)[-1] == ("2024-03-08", 0.5, 0.577350269, 1.0, -0.5)


def test_the_windows_move_on(bench: Bench) -> None:
    bench.bars("SPX", "2024-03-04", [100.0, 50.0, 100.0, 200.0, 100.0, 200.0])
    bench.bars("IWM", "2024-03-04", [100.0, 400.0, 800.0, 1600.0, 800.0, 1600.0])
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    # The first return of both is in the windows of the fourth session and in none after.
    assert [row[1:] for row in _beta(bench)[4:]] == [(1.0, 1.0, 1.0, 1.0)] * 2
    assert _beta(bench)[3] != (1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("sessions", "has_beta", "has_capture"), [(126, 0, 0), (127, 1, 0), (252, 126, 0), (253, 127, 1)]
)
def test_no_number_before_its_window_is_full(bench: Bench, sessions: int, has_beta: int, has_capture: int) -> None:
    """With the project's own numbers: 126 returns need 127 sessions."""
    closes = [100.0, 110.0] * 127
    bench.bars("SPX", "2022-01-03", closes[:sessions])
    bench.bars("IWM", "2022-01-03", closes[:sessions])
    bench.build("marts.beta", as_of="2024-12-31")
    assert _beta(bench, "1")[0:] == [(1,)] * sessions
    assert bench.rows(
        "select count(beta_126), count(correlation_126), count(up_capture_252), count(down_capture_252) from marts.beta"
    ) == [(has_beta, has_beta, has_capture, has_capture)]


def test_a_coin_s_weekend_is_one_interval(bench: Bench) -> None:
    """Thursday to the next Tuesday: what the coin did on Saturday and Sunday is part of Monday's change."""
    bench.bars("BTC", "2024-03-07", [100.0, 200.0, 7.0, 9000.0, 100.0, 200.0])
    bench.bars("SPX", "2024-03-07", [100.0, 200.0, 100.0, 200.0])
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    assert _beta(bench, f"session_date, {MEASURES}, known_at", "BTC") == [
        ("2024-03-07", None, None, None, None, "2024-03-08 00:00"),
        ("2024-03-08", None, None, None, None, "2024-03-09 00:00"),
        ("2024-03-11", None, None, None, None, "2024-03-12 00:00"),
        ("2024-03-12", 1.0, 1.0, 1.0, 1.0, "2024-03-13 00:00"),
    ]


@pytest.mark.parametrize(
    ("index", "fund"),
    [
        pytest.param([100.0, 110.0, None, 121.0, 100.0], [100.0, 110.0, 300.0, 121.0, 100.0], id="of the index"),
        pytest.param([100.0, 110.0, 300.0, 121.0, 100.0], [100.0, 110.0, None, 121.0, 100.0], id="of the fund"),
    ],
)
def test_a_missing_session_makes_a_longer_interval(bench: Bench, index: Numbers, fund: Numbers) -> None:
    bench.bars("SPX", "2024-03-04", index)
    bench.bars("IWM", "2024-03-04", fund)
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    assert [row[0] for row in _beta(bench)] == ["2024-03-04", "2024-03-05", "2024-03-07", "2024-03-08"]
    assert _beta(bench)[-1][1:] == (1.0, 1.0, 1.0, 1.0)


def test_what_never_moved_has_no_correlation(bench: Bench) -> None:
    bench.bars("SPX", "2024-03-04", [100.0, 200.0, 100.0, 200.0])
    bench.bars("IWM", "2024-03-04", [50.0] * 4)
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    assert _beta(bench)[-1] == ("2024-03-07", 0.0, None, 0.0, 0.0)


def test_against_an_index_that_never_moved_there_is_no_beta(bench: Bench) -> None:
    bench.bars("SPX", "2024-03-04", [50.0] * 4)
    bench.bars("IWM", "2024-03-04", [100.0, 200.0, 100.0, 200.0])
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    assert _beta(bench)[-1] == ("2024-03-07", None, None, None, None)


def test_there_is_no_down_capture_while_the_index_only_rises(bench: Bench) -> None:
    bench.bars("SPX", "2024-03-04", [100.0, 110.0, 110.0, 220.0])
    bench.bars("IWM", "2024-03-04", [100.0, 120.0, 60.0, 90.0])
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    # (0.2 + 0.5) / (0.1 + 1.0); the session without a change counts on neither side.
    assert _beta(bench, "round(up_capture_252, 9), down_capture_252")[-1] == (0.636363636, None)


def test_the_rows_end_with_the_leg_that_ends(bench: Bench) -> None:
    bench.bars("SPX", "2024-03-07", [100.0, 101.0, 102.0, 103.0])
    bench.bars("ETC", "2024-03-07", [10.0, 11.0])
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    assert [row[0] for row in _beta(bench, instrument_id="ETC")] == ["2024-03-07", "2024-03-08"]


def test_a_fund_is_measured_on_its_total_return(bench: Bench) -> None:
    """It pays 50 of 100 while the index stands still: nothing happened."""
    bench.bars("SPX", "2024-03-04", [100.0, 200.0, 200.0, 100.0])
    bench.bars("IWM", "2024-03-04", [100.0, 200.0, 100.0, 50.0])
    bench.actions("IWM", "dividend", {"2024-03-06": 100.0})
    bench.build("marts.beta", as_of="2024-12-31", **THREE)
    assert _beta(bench)[-1] == ("2024-03-07", 1.0, 1.0, 1.0, 1.0)


def test_shares_of_groups_and_the_index_itself_have_no_beta(bench: Bench) -> None:
    for instrument_id in ("SPX", "IWM", "ALFA"):
        bench.bars(instrument_id, "2024-03-04", [100.0, 101.0], calendar="XNYS")
    bench.build("marts.beta", as_of="2024-12-31")
    assert bench.rows("select distinct instrument_id from marts.beta") == [("IWM",)]


def test_an_unfinished_bar_has_no_beta(bench: Bench) -> None:
    bench.bars("SPX", "2024-03-07", [10.0, 11.0])
    bench.bars("IWM", "2024-03-07", [10.0])
    bench.bars("IWM", "2024-03-08", [11.0], captured_at="2024-03-08 17:00")
    bench.build("marts.beta", as_of="2024-03-08")
    assert _beta(bench, "session_date") == [("2024-03-07",)]


def test_joined_by_date_what_moves_together_is_seen_together(bench: Bench) -> None:
    """Bitcoin makes every move of the index on the same day. The index goes up, up, down, down, again and again, so
    that each move says nothing of the next one: against the Bitcoin bar that was known at the close, which is
    yesterday's, the two have nothing to do with each other."""
    up_and_down = [100.0, 200.0, 400.0, 200.0]
    exchange = bench.days("XNYS", "2024-03-04", 21)
    index = dict(zip(exchange, up_and_down * 6, strict=False))
    coins = bench.days("CRYPTO", "2024-03-04", (exchange[-1] - exchange[0]).days + 1)
    of_the_coin: list[float] = []
    for day in coins:
        of_the_coin.append(index.get(day, of_the_coin[-1] if of_the_coin else 0.0))
    bench.bars("SPX", "2024-03-04", list(index.values()))
    bench.bars("BTC", "2024-03-04", of_the_coin)
    bench.build("marts.beta", as_of="2024-12-31", beta_sessions=16, capture_sessions=16)
    assert _beta(bench, "round(beta_126, 9), round(correlation_126, 9)", "BTC")[-1] == (1.0, 1.0)
    as_of_join = """
        with joined as (
            select spx.session_date, spx.close as index, btc.close as coin
            from core.bars as spx
            asof join core.bars as btc
                on btc.instrument_id = 'BTC' and spx.instrument_id = 'SPX' and btc.known_at <= spx.known_at
        ),
        returns as (
            select
                ln(index / lag(index) over (order by session_date)) as of_index,
                ln(coin / lag(coin) over (order by session_date)) as of_coin,
            from joined
            qualify row_number() over (order by session_date desc) <= 16
        )
        select regr_slope(of_coin, of_index) from returns
    """
    assert bench.rows(as_of_join) == [(0.0,)]


# --- marts.pullbacks ------------------------------------------------------------------------------------------------

COLUMNS = (
    "peak_date, depth_so_far, trough_date, decided_at, recovered_at, absorbed_at, deep_at, sessions_to_recover, status"
)


def _pullbacks(bench: Bench, columns: str, instrument_id: str = "RUT") -> list[Row]:
    return bench.rows(
        f"select {columns} from marts.pullbacks where instrument_id = '{instrument_id}' order by peak_date"
    )


def test_a_pullback_by_hand(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [99.0, 100.0, 96.0, 94.0, 97.0, 93.0, 98.0, 101.0])
    bench.build("marts.pullbacks", as_of="2024-12-31")
    assert _pullbacks(bench, f"{COLUMNS}, peak") == [
        (
            "2024-03-05",
            -0.07,
            "2024-03-11",
            "2024-03-07 21:00",
            "2024-03-13 20:00",
            "2024-03-13 20:00",
            None,
            4,
            "absorbed",
            100.0,
        )
    ]


@pytest.mark.parametrize(
    ("closes", "found"),
    [
        pytest.param([100, 95], [("2024-03-04", "2024-03-05 21:00")], id="just 5 %"),
        pytest.param([100, 95.01], [], id="not quite"),
        pytest.param([100, 96, 95, 90], [("2024-03-04", "2024-03-06 21:00")], id="the first close"),
        pytest.param([100], [], id="one bar"),
        pytest.param([100] * 6, [], id="constant"),
        pytest.param([100, 101, 102, 103], [], id="only up"),
        pytest.param([100, 98, 100, 94], [("2024-03-04", "2024-03-07 21:00")], id="a high that was met twice"),
        pytest.param([100, 94, 100, 94], [("2024-03-04", "2024-03-05 21:00")], id="met again after the fall"),
        pytest.param([100, None, 94], [("2024-03-04", "2024-03-06 21:00")], id="a missing session"),
        pytest.param([100, 96, 91.2], [("2024-03-04", "2024-03-06 21:00")], id="from the peak on"),
        pytest.param(
            [100, 94, 101, 95, 102, 96],
            [
                ("2024-03-04", "2024-03-05 21:00"),
                ("2024-03-06", "2024-03-07 21:00"),
                ("2024-03-08", "2024-03-11 20:00"),
            ],
            id="one after the other",
        ),
    ],
)  # fmt: skip
def test_what_a_pullback_is(bench: Bench, closes: Numbers, found: list[Row]) -> None:
    bench.bars("RUT", "2024-03-04", closes)
    bench.build("marts.pullbacks", as_of="2024-12-31")
    assert _pullbacks(bench, "peak_date, decided_at") == found


@pytest.mark.parametrize(
    ("closes", "recovered_at", "absorbed_at", "deep_at", "sessions", "status"),
    [
        # Decided on Tuesday the 5th; three sessions to make it good end on Friday the 8th.
        pytest.param([100, 94, 95, 95, 95], None, None, None, None, "open", id="still open"),
        pytest.param([100, 94, 101], "2024-03-06", "2024-03-06", None, 1, "absorbed", id="at once"),
        pytest.param([100, 94, 95, 95, 101], "2024-03-08", "2024-03-08", None, 3, "absorbed", id="just in time"),
        pytest.param([100, 94, 95, 95, 100], None, None, None, None, "open", id="an equal close is no new high"),
        pytest.param([100, 94, 95, 95, 95, 95], None, None, "2024-03-11", None, "deep", id="too late"),
        pytest.param([100, 94, 95, 95, 95, 101], "2024-03-11", None, "2024-03-11", 4, "recovered", id="a day too late"),
        pytest.param([100, 94, 90, 101], "2024-03-07", "2024-03-07", None, 2, "absorbed", id="just 10 %"),
        pytest.param([100, 94, 89.9, 101], "2024-03-07", None, "2024-03-06", 2, "recovered", id="more than 10 %"),
        pytest.param([100, 85], None, None, "2024-03-05", None, "deep", id="deep at once"),
        pytest.param([100, 85, 101], "2024-03-06", None, "2024-03-05", 1, "recovered", id="deep at once, then over"),
        pytest.param([100, 94, 95, 95, 95, 95, 85], None, None, "2024-03-11", None, "deep", id="too late, then deeper"),
        pytest.param(
            [100, 94, None, 95, 95, 101], "2024-03-11", "2024-03-11", None, 3, "absorbed", id="sessions are its own"
        ),
    ],
)  # fmt: skip
def test_what_became_of_it(
    bench: Bench,
    closes: Numbers,
    recovered_at: str | None,
    absorbed_at: str | None,
    deep_at: str | None,
    sessions: int | None,
    status: str,
) -> None:
    bench.bars("RUT", "2024-03-04", closes)
    bench.build("marts.pullbacks", as_of="2024-12-31", pullback_sessions=3)
    assert _pullbacks(bench, "recovered_at::date, absorbed_at::date, deep_at::date, sessions_to_recover, status") == [
        (recovered_at, absorbed_at, deep_at, sessions, status)
    ]


@pytest.mark.parametrize(("sessions", "status"), [(63, "absorbed"), (64, "recovered")])
def test_a_quarter_to_make_it_good(bench: Bench, sessions: int, status: str) -> None:
    """With the project's own numbers: 63 sessions after the decision."""
    bench.bars("RUT", "2022-01-03", [100.0, 94.0, *[95.0] * (sessions - 1), 101.0])
    bench.build("marts.pullbacks", as_of="2024-12-31")
    assert _pullbacks(bench, "sessions_to_recover, status") == [(sessions, status)]


@pytest.mark.slow
def test_a_pullback_as_it_went_on(bench: Bench) -> None:
    """Each day's state knows that day's closes and nothing else."""
    bench.bars("RUT", "2024-03-04", [100.0, 94.0, 96.0, 88.0, 101.0, 80.0])
    seen = {}
    for day in ("2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07", "2024-03-08"):
        bench.build("marts.pullbacks", as_of=day)
        seen[day] = _pullbacks(bench, COLUMNS)
    decided = "2024-03-05 21:00"
    of_the_fall: Row = ("2024-03-04", -0.06, "2024-03-05", decided, None, None, None, None, "open")
    assert seen == {
        "2024-03-04": [],
        "2024-03-05": [of_the_fall],
        "2024-03-06": [of_the_fall],
        "2024-03-07": [
            ("2024-03-04", -0.12, "2024-03-07", decided, None, None, "2024-03-07 21:00", None, "deep"),
        ],
        "2024-03-08": [
            (
                *("2024-03-04", -0.12, "2024-03-07", decided),
                *("2024-03-08 21:00", None, "2024-03-07 21:00", 3, "recovered"),
            ),
        ],
    }


def test_of_equal_lows_the_first_is_the_trough(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [100.0, 93.0, 95.0, 93.0])
    bench.build("marts.pullbacks", as_of="2024-12-31")
    assert _pullbacks(bench, "trough_date") == [("2024-03-05",)]


@pytest.mark.parametrize(
    ("closes", "found"),
    [
        ([100, 81], []),
        ([100, 80], [("2024-03-10 00:00", None)]),
        ([100, 75, 60], [("2024-03-10 00:00", None)]),
        ([100, 75, 59], [("2024-03-10 00:00", "2024-03-11 00:00")]),
    ],
)
def test_coins_fall_four_times_as_far(bench: Bench, closes: Numbers, found: list[Row]) -> None:
    bench.bars("ETH", "2024-03-08", closes)
    bench.build("marts.pullbacks", as_of="2024-12-31")
    assert _pullbacks(bench, "decided_at, deep_at", "ETH") == found


def test_a_bond_fund_pulls_back_on_its_total_return(bench: Bench) -> None:
    bench.bars("HYG", "2024-03-04", [100.0, 90.0], adj_closes=[100.0, 99.0])
    bench.build("marts.pullbacks", as_of="2024-12-31")
    assert _pullbacks(bench, "peak_date", "HYG") == []


def test_shares_of_groups_and_pairs_have_no_pullbacks(bench: Bench) -> None:
    for instrument_id in ("ALFA", "RUT"):
        bench.bars(instrument_id, "2024-03-04", [100.0, 90.0], calendar="XNYS")
    bench.bars("SPX", "2024-03-04", [100.0, 100.0])
    bench.build("marts.pullbacks", as_of="2024-12-31")
    assert bench.rows("select instrument_id from marts.pullbacks") == [("RUT",)]


def test_a_coin_that_ended_never_recovered(bench: Bench) -> None:
    bench.bars("ETC", "2024-02-12", [100.0, 70.0, 75.0])
    bench.build("marts.pullbacks", as_of="2024-12-31", pullback_sessions=1)
    assert _pullbacks(bench, "status, deep_at", "ETC") == [("open", None)]


# --- intermediate.breakout_volumes ----------------------------------------------------------------------------------

SMALL = {
    "equity_year": 5,
    "equity_all_time_high_quiet": 5,
    "equity_year_high_quiet": 2,
    "crypto_year": 5,
    "crypto_all_time_high_quiet": 5,
    "crypto_year_high_quiet": 2,
    "relative_volume_sessions": 3,
    "relative_volume_known": 2,
}
FIRST = "2024-01-23"
BASE = [100.0, 90.0, 90.0, 90.0, 90.0, 90.0, 101.0]
EVENT = "RUT:all_time_high:2024-01-31"


def _relative_volume(bench: Bench, event_id: str = EVENT) -> float | None:
    bench.build("intermediate.breakout_volumes", as_of="2024-12-31", **SMALL)
    rows = bench.rows(f"select relative_volume from intermediate.breakout_volumes where event_id = '{event_id}'")
    value = rows[0][0] if rows else None
    assert value is None or isinstance(value, float)
    return value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        pytest.param([9, 9, 9, 20, 10, 40, 30], 1.5, id="over the median of the three before"),
        pytest.param([9, 9, 9, 20, 0, 40, 30], 1.0, id="zero is unknown"),
        pytest.param([9, 9, 9, 20, None, 40, 30], 1.0, id="unknown"),
        pytest.param([9, 9, 9, 20, 0, 0, 30], None, id="too few are known"),
        pytest.param([9, 9, 9, 20, 10, 40, 0], None, id="its own is zero"),
        pytest.param([9, 9, 9, 20, 10, 40, None], None, id="its own is unknown"),
    ],
)
def test_volume_is_that_of_the_proxy(bench: Bench, volumes: Numbers, expected: float | None) -> None:
    bench.bars("RUT", FIRST, BASE, volumes=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7000.0])
    bench.bars("IWM", FIRST, [50.0] * 7, volumes=volumes)
    assert _relative_volume(bench) == expected


def test_without_the_proxy_s_bar_volume_is_unknown(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE, volumes=[10.0] * 7)
    bench.bars("IWM", FIRST, [50.0] * 6, volumes=[10.0] * 6)
    assert _relative_volume(bench) is None


def test_sessions_are_the_proxy_s_own(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("IWM", FIRST, [50.0, 50.0, 50.0, 50.0, None, 50.0, 50.0], volumes=[9, 9, 10, 20, None, 40, 30])
    assert _relative_volume(bench) == 1.5


def test_a_coin_has_its_own_volume(bench: Bench) -> None:
    bench.bars("ETH", "2024-01-28", BASE, volumes=[1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 6.0])
    assert _relative_volume(bench, "ETH:all_time_high:2024-02-03") == 3.0


def test_a_ratio_has_no_volume(bench: Bench) -> None:
    bench.bars("RUT", FIRST, [2 * close for close in BASE], volumes=[10.0] * 7)
    bench.bars("SPX", FIRST, [2.0] * 7, volumes=[10.0] * 7)
    assert _relative_volume(bench, "RUT/SPX:all_time_high:2024-01-31") is None
    assert bench.rows(
        "select count(*) from intermediate.breakout_events where event_id = 'RUT/SPX:all_time_high:2024-01-31'"
    ) == [(1,)]


def test_a_volume_that_was_corrected_later_was_not_known(bench: Bench) -> None:
    """Of the session itself, and of one before; what the first capture corrected counts."""
    bench.bars("RUT", FIRST, BASE)
    bench.bars("IWM", FIRST, [50.0] * 6, volumes=[9, 9, 9, 20, 10, 40], captured_at="2024-01-30 22:00")
    bench.bars("IWM", "2024-01-31", [50.0], volumes=[30.0], captured_at="2024-01-31 22:00")
    bench.bars("IWM", "2024-01-26", [50.0], volumes=[15.0], captured_at="2024-01-31 22:00", version=2)
    bench.bars("IWM", "2024-01-26", [50.0], volumes=[1.0], captured_at="2024-02-05 22:00", version=3)
    bench.bars("IWM", "2024-01-31", [50.0], volumes=[90.0], captured_at="2024-02-05 22:00", version=2)
    assert _relative_volume(bench) == 2.0  # 30 over the median of 15, 10, 40


@pytest.mark.slow
def test_an_unfinished_volume_is_none(bench: Bench) -> None:
    bench.bars("RUT", FIRST, BASE)
    bench.bars("IWM", FIRST, [50.0] * 6, volumes=[9, 9, 9, 20, 10, 40], captured_at="2024-01-30 22:00")
    bench.bars("IWM", "2024-01-31", [50.0], volumes=[5.0], captured_at="2024-01-31 17:00")
    assert _relative_volume(bench) is None
    bench.bars("IWM", "2024-01-31", [50.0], volumes=[30.0], captured_at="2024-01-31 22:00", version=2)
    assert _relative_volume(bench) == 1.5


# --- intermediate.breakout_context -----------------------------------------------------------------------------


def _surroundings(bench: Bench, *, breadth: list[Row], liquidity: list[Row], events: list[Row] | None = None) -> Row:
    """What stood around a breakout that was decided on Wednesday 2024-01-31 at 21:00, of RUT unless said otherwise."""
    groups = (
        Breadth(roles=("small_cap",), groups=("small_60", "small_demo")),
        Breadth(roles=("altcoin",), groups=("alts",)),
    )
    bench.universe(UNIVERSE.model_copy(update={"breadth": groups}))
    bench.given(
        "intermediate.breakout_events",
        "event_id varchar, subject_id varchar, session_date date, decided_at timestamptz",
        events or [(EVENT, "RUT", "2024-01-31", "2024-01-31 21:00:00+00")],
    )
    bench.given(
        "core.instruments",
        "instrument_id varchar, role varchar",
        [("RUT", "small_cap"), ("SPX", "large_cap"), ("SOL", "altcoin"), ("ALFA", "other")],
    )
    bench.given("core.pairs", "pair_id varchar, numerator varchar", [("RUT/SPX", "RUT"), ("SPX/RUT", "SPX")])
    nothing: Row = ("nothing", "2020-01-01", None, "2020-01-01 21:00:00+00")
    bench.given(
        "marts.breadth",
        "group_id varchar, session_date date, share_above_sma200 double, known_at timestamptz",
        breadth or [nothing],
    )
    bench.given(
        "marts.liquidity",
        "session_date date, change_91d_musd double, known_at timestamptz",
        liquidity or [nothing[1:]],
    )
    bench.build_only("intermediate.breakout_context", as_of="2024-12-31")
    rows = bench.rows("select breadth_sma200, liquidity_change_91d from intermediate.breakout_context")
    assert len(rows) == 1
    return rows[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breadth", "expected"),
    [
        pytest.param([("small_60", "2024-01-31", 0.6, "2024-01-31 21:00:00+00")], 0.6, id="of the same close"),
        pytest.param(
            [
                ("small_60", "2024-01-30", 0.5, "2024-01-30 21:00:00+00"),
                ("small_60", "2024-01-31", 0.6, "2024-01-31 21:01:00+00"),
                ("small_60", "2024-02-01", 0.7, "2024-02-01 21:00:00+00"),
            ],
            0.5,
            id="what came later was not known",
        ),
        pytest.param(
            [
                ("small_60", "2024-01-30", 0.5, "2024-01-31 20:00:00+00"),
                ("small_60", "2024-01-31", 0.6, "2024-01-31 19:00:00+00"),
            ],
            0.6,
            id="the latest session, not the latest word",
        ),
        pytest.param([("small_60", "2024-01-26", 0.5, "2024-01-26 21:00:00+00")], 0.5, id="five days old"),
        pytest.param([("small_60", "2024-01-25", 0.5, "2024-01-25 21:00:00+00")], None, id="too old"),
        pytest.param(
            [
                ("small_60", "2024-01-30", 0.5, "2024-01-30 21:00:00+00"),
                ("small_60", "2024-01-31", None, "2024-01-31 21:00:00+00"),
            ],
            None,
            id="unknown is not what it was before",
        ),
        pytest.param(
            [
                ("small_demo", "2024-01-31", 0.9, "2024-01-31 21:00:00+00"),
                ("small_60", "2024-01-30", 0.5, "2024-01-30 21:00:00+00"),
            ],
            0.5,
            id="the group that is named first",
        ),
        pytest.param([("small_demo", "2024-01-31", 0.9, "2024-01-31 21:00:00+00")], 0.9, id="the group that is there"),
        pytest.param([("alts", "2024-01-31", 0.9, "2024-01-31 21:00:00+00")], None, id="another market's"),
    ],
)  # fmt: skip
def test_breadth_is_what_was_known_of_the_market(bench: Bench, breadth: list[Row], expected: float | None) -> None:
    assert _surroundings(bench, breadth=breadth, liquidity=[]) == (expected, None)


@pytest.mark.parametrize(
    ("subject_id", "expected"),
    [("RUT", 0.6), ("SOL", 0.1), ("RUT/SPX", 0.6), ("SPX", None), ("SPX/RUT", None), ("ALFA", None)],
)
def test_whose_breadth(bench: Bench, subject_id: str, expected: float | None) -> None:
    """A ratio belongs to the market of its numerator; for large caps no group is named here."""
    breadth: list[Row] = [
        ("small_60", "2024-01-31", 0.6, "2024-01-31 21:00:00+00"),
        ("alts", "2024-01-31", 0.1, "2024-01-31 21:00:00+00"),
    ]
    events: list[Row] = [("it", subject_id, "2024-01-31", "2024-01-31 21:00:00+00")]
    assert _surroundings(bench, breadth=breadth, liquidity=[], events=events) == (expected, None)


@pytest.mark.parametrize(
    ("liquidity", "expected"),
    [
        pytest.param([("2024-01-31", -5.0, "2024-01-31 21:00:00+00")], -5.0, id="of the same close"),
        pytest.param(
            [("2024-01-30", 3.0, "2024-01-30 21:00:00+00"), ("2024-01-31", -5.0, "2024-01-31 21:30:00+00")],
            3.0,
            id="later",
        ),
        pytest.param([("2024-01-25", 3.0, "2024-01-25 21:00:00+00")], None, id="too old"),
    ],
)
def test_liquidity_is_what_was_known_then(bench: Bench, liquidity: list[Row], expected: float | None) -> None:
    assert _surroundings(bench, breadth=[], liquidity=liquidity) == (None, expected)


def test_a_coin_on_a_sunday_looks_back_to_friday(bench: Bench) -> None:
    assert _surroundings(
        bench,
        breadth=[("alts", "2024-02-04", 0.4, "2024-02-05 00:00:00+00")],
        liquidity=[("2024-02-02", 7.0, "2024-02-02 21:00:00+00"), ("2024-02-05", 8.0, "2024-02-05 21:00:00+00")],
        events=[("it", "SOL", "2024-02-04", "2024-02-05 00:00:00+00")],
    ) == (0.4, 7.0)
