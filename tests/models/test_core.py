"""The models in sql/core, on hand-made rows: values, known_at and versions of each table.

Instants are UTC. New York closes at 21:00 in winter, 20:00 in summer, 18:00 on a half day in winter. Unless a test says
otherwise a row was captured long after everything, as a downloaded history is.
"""

from __future__ import annotations

import pytest
from bench import UNIVERSE, Bench

BARS = "select session_date, close, known_at, is_final, version from core.bars order by instrument_id, session_date"


# --- core.sessions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calendar", "day", "opens_at", "closes_at", "is_half_day"),
    [
        ("XNYS", "2024-03-08", "2024-03-08 14:30", "2024-03-08 21:00", False),
        ("XNYS", "2024-03-11", "2024-03-11 13:30", "2024-03-11 20:00", False),  # summer time began on Sunday
        ("XNYS", "2024-11-29", "2024-11-29 14:30", "2024-11-29 18:00", True),  # the day after Thanksgiving
        ("CRYPTO", "2024-03-09", "2024-03-09 00:00", "2024-03-10 00:00", False),
    ],
)
def test_a_session_opens_and_closes(
    bench: Bench, calendar: str, day: str, opens_at: str, closes_at: str, is_half_day: bool
) -> None:
    bench.build("core.sessions", as_of="2024-12-31")
    assert bench.rows(
        "select opens_at, closes_at, is_half_day from core.sessions "
        f"where calendar = '{calendar}' and session_date = '{day}'"
    ) == [(opens_at, closes_at, is_half_day)]


@pytest.mark.parametrize(
    ("as_of", "last_equity", "last_crypto"),
    [
        ("2024-03-08", "2024-03-08", "2024-03-08"),
        ("2024-03-10", "2024-03-08", "2024-03-10"),  # a Sunday
        ("2024-03-08 14:30", "2024-03-07", "2024-03-08"),  # about to open
        ("2024-03-08 14:31", "2024-03-08", "2024-03-08"),  # open
    ],
)
def test_planned_sessions_are_left_out(bench: Bench, as_of: str, last_equity: str, last_crypto: str) -> None:
    bench.build("core.sessions", as_of=as_of)
    assert bench.rows("select calendar, max(session_date) from core.sessions group by calendar order by calendar") == [
        ("CRYPTO", last_crypto),
        ("XNYS", last_equity),
    ]


# --- core.bars: clocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instrument_id", "day", "known_at"),
    [
        ("RUT", "2024-03-08", "2024-03-08 21:00"),
        ("RUT", "2024-03-11", "2024-03-11 20:00"),
        ("RUT", "2024-11-29", "2024-11-29 18:00"),  # a half day
        ("BTC", "2024-03-09", "2024-03-10 00:00"),  # a Saturday
    ],
)
def test_a_bar_is_known_when_its_session_is_over(bench: Bench, instrument_id: str, day: str, known_at: str) -> None:
    bench.bars(instrument_id, day, [100.0])
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(BARS) == [(day, 100.0, known_at, True, 1)]


@pytest.mark.parametrize(
    ("as_of", "days"),
    [
        ("2024-03-07", ["2024-03-07"]),
        ("2024-03-08 20:59", ["2024-03-07"]),
        ("2024-03-08 21:00", ["2024-03-07", "2024-03-08"]),
        ("2024-03-08", ["2024-03-07", "2024-03-08"]),
    ],
)
def test_what_the_clock_has_not_reached_is_not_there(bench: Bench, as_of: str, days: list[str]) -> None:
    bench.bars("RUT", "2024-03-07", [100.0, 101.0, 102.0])
    bench.build("core.bars", as_of=as_of)
    assert bench.rows("select session_date from core.bars order by all") == [(day,) for day in days]


def test_a_day_without_a_session_has_no_bar(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-08", [100.0, 101.0, 102.0, 103.0], calendar="CRYPTO")  # in the wrong table on purpose
    bench.connection.execute("insert into raw.equity_bars select * from raw.crypto_bars")
    bench.connection.execute("delete from raw.crypto_bars")
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select session_date, bar_number from core.bars order by all") == [
        ("2024-03-08", 1),
        ("2024-03-11", 2),
    ]


def test_bars_are_numbered_by_instrument_past_gaps(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [1.0, None, 2.0])
    bench.bars("SPX", "2024-03-05", [5.0, 6.0])
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select instrument_id, session_date, bar_number from core.bars order by all") == [
        ("RUT", "2024-03-04", 1),
        ("RUT", "2024-03-06", 2),
        ("SPX", "2024-03-05", 1),
        ("SPX", "2024-03-06", 2),
    ]


# --- core.bars: versions --------------------------------------------------------------------------------------------


def _corrected_price(bench: Bench) -> None:
    """Friday's close, seen on Friday night and corrected on Monday."""
    bench.bars("RUT", "2024-03-08", [100.0], volumes=[5.0], captured_at="2024-03-08 22:00")
    bench.bars("RUT", "2024-03-08", [101.0], volumes=[5.0], captured_at="2024-03-11 22:00", version=2)


@pytest.mark.parametrize(
    ("as_of", "row"),
    [
        ("2024-03-08", ("2024-03-08", 100.0, "2024-03-08 21:00", True, 1)),
        ("2024-03-11 21:59", ("2024-03-08", 100.0, "2024-03-08 21:00", True, 1)),
        ("2024-03-11 22:00", ("2024-03-08", 101.0, "2024-03-11 22:00", True, 2)),
        ("2024-12-31", ("2024-03-08", 101.0, "2024-03-11 22:00", True, 2)),
    ],
)
def test_a_corrected_price_is_known_when_it_was_captured(
    bench: Bench, as_of: str, row: tuple[str | float, ...]
) -> None:
    _corrected_price(bench)
    bench.build("core.bars", as_of=as_of)
    assert bench.rows(BARS) == [row]


def test_a_new_volume_does_not_move_the_clock(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-08", [100.0], volumes=[5.0], captured_at="2024-03-08 22:00")
    bench.bars("RUT", "2024-03-08", [100.0], volumes=[6.0], captured_at="2024-03-11 22:00", version=2)
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select volume, known_at, version from core.bars") == [(6.0, "2024-03-08 21:00", 2)]


def test_a_new_volume_after_a_correction_leaves_the_correction_its_clock(bench: Bench) -> None:
    _corrected_price(bench)
    bench.bars("RUT", "2024-03-08", [101.0], volumes=[6.0], captured_at="2024-03-12 22:00", version=3)
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select close, volume, known_at, version from core.bars") == [(101.0, 6.0, "2024-03-11 22:00", 3)]


def test_a_second_correction_is_known_when_it_was_captured(bench: Bench) -> None:
    _corrected_price(bench)
    bench.bars("RUT", "2024-03-08", [102.0], captured_at="2024-03-13 22:00", version=3)
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(BARS) == [("2024-03-08", 102.0, "2024-03-13 22:00", True, 3)]


def test_a_corrected_low_is_known_when_it_was_captured(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-08", [100.0], lows=[99.0], captured_at="2024-03-08 22:00")
    bench.bars("RUT", "2024-03-08", [100.0], lows=[95.0], captured_at="2024-03-11 22:00", version=2)
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select low, known_at from core.bars") == [(95.0, "2024-03-11 22:00")]


@pytest.mark.parametrize(
    ("as_of", "row"),
    [
        # Captured at noon in New York: known then, not final.
        ("2024-03-08 16:59", None),
        ("2024-03-08 17:00", ("2024-03-08", 99.0, "2024-03-08 17:00", False, 1)),
        ("2024-03-08 21:30", ("2024-03-08", 99.0, "2024-03-08 17:00", False, 1)),
        # The first final version was known at the close, whatever the unfinished one said.
        ("2024-03-08 22:00", ("2024-03-08", 100.0, "2024-03-08 21:00", True, 2)),
    ],
)
def test_an_unfinished_bar_is_not_final(bench: Bench, as_of: str, row: tuple[str | float, ...] | None) -> None:
    bench.bars("RUT", "2024-03-08", [99.0], captured_at="2024-03-08 17:00")
    bench.bars("RUT", "2024-03-08", [100.0], captured_at="2024-03-08 22:00", version=2)
    bench.build("core.bars", as_of=as_of)
    assert bench.rows(BARS) == ([row] if row else [])


def test_a_bar_captured_at_its_close_is_final(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-08", [100.0], captured_at="2024-03-08 21:00")
    bench.bars("BTC", "2024-03-08", [9.0], captured_at="2024-03-08 23:59")
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select instrument_id, is_final, known_at from core.bars order by all") == [
        ("BTC", False, "2024-03-08 23:59"),
        ("RUT", True, "2024-03-08 21:00"),
    ]


def test_an_unfinished_version_after_another_is_known_when_captured(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-08", [99.0], captured_at="2024-03-08 17:00")
    bench.bars("RUT", "2024-03-08", [98.0], captured_at="2024-03-08 18:00", version=2)
    bench.build("core.bars", as_of="2024-03-08")
    assert bench.rows(BARS) == [("2024-03-08", 98.0, "2024-03-08 18:00", False, 2)]


def test_history_captured_after_the_clock_is_taken_in_its_first_version(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-08", [100.0], captured_at="2025-01-10 22:00")
    bench.bars("RUT", "2024-03-08", [101.0], captured_at="2025-01-11 22:00", version=2)
    bench.build("core.bars", as_of="2024-03-08")
    assert bench.rows(BARS) == [("2024-03-08", 100.0, "2024-03-08 21:00", True, 1)]


VERSIONS = "select session_date, close, known_at from core.bars order by session_date"


def test_a_split_does_not_date_the_history_anew(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [200.0, 204.0], captured_at="2024-03-05 22:00")
    bench.bars("IWM", "2024-03-04", [100.0, 102.0], captured_at="2024-03-06 22:00", version=2)
    bench.bars("IWM", "2024-03-06", [103.0], captured_at="2024-03-06 22:00")
    bench.actions("IWM", "split", {"2024-03-06": 2.0}, captured_at="2024-03-06 22:00")
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(VERSIONS) == [
        ("2024-03-04", 100.0, "2024-03-04 21:00"),
        ("2024-03-05", 102.0, "2024-03-05 21:00"),
        ("2024-03-06", 103.0, "2024-03-06 21:00"),
    ]


def test_a_state_before_the_split_has_the_old_prices(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [200.0, 204.0], captured_at="2024-03-05 22:00")
    bench.bars("IWM", "2024-03-04", [100.0, 102.0], captured_at="2024-03-06 22:00", version=2)
    bench.build("core.bars", as_of="2024-03-05")
    assert bench.rows(VERSIONS) == [
        ("2024-03-04", 200.0, "2024-03-04 21:00"),
        ("2024-03-05", 204.0, "2024-03-05 21:00"),
    ]


@pytest.mark.parametrize(
    ("second_version", "known_at"),
    [
        pytest.param(
            [100.0, 102.0, 101.0], ["2024-03-04 21:00", "2024-03-05 21:00", "2024-03-06 21:00"], id="a split of 2 for 1"
        ),
        pytest.param(
            [100.0, 103.5, 101.0],  # the second day is 1.5 % off the factor
            ["2024-03-04 21:00", "2024-03-08 22:00", "2024-03-06 21:00"],
            id="a correction within a split",
        ),
        pytest.param(
            [194.0, 197.88, 195.94],  # 3 % less
            ["2024-03-08 22:00", "2024-03-08 22:00", "2024-03-08 22:00"],
            id="no split is that small",
        ),
        pytest.param(
            [None, 102.0, None], ["2024-03-04 21:00", "2024-03-08 22:00", "2024-03-06 21:00"], id="one bar is no split"
        ),
    ],
)
def test_what_moves_by_one_factor_is_a_split(
    bench: Bench, second_version: list[float | None], known_at: list[str]
) -> None:
    bench.bars("IWM", "2024-03-04", [200.0, 204.0, 202.0], captured_at="2024-03-06 22:00")
    bench.bars("IWM", "2024-03-04", second_version, captured_at="2024-03-08 22:00", version=2)
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select known_at from core.bars order by session_date") == [(at,) for at in known_at]


def test_a_correction_before_a_split_keeps_its_clock(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [200.0, 204.0], captured_at="2024-03-05 22:00")
    bench.bars("IWM", "2024-03-04", [202.0], captured_at="2024-03-06 22:00", version=2)
    bench.bars("IWM", "2024-03-04", [101.0], captured_at="2024-03-08 22:00", version=3)
    bench.bars("IWM", "2024-03-05", [102.0], captured_at="2024-03-08 22:00", version=2)
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(VERSIONS) == [
        ("2024-03-04", 101.0, "2024-03-06 22:00"),
        ("2024-03-05", 102.0, "2024-03-05 21:00"),
    ]


def test_a_vendors_new_dividend_does_not_date_the_history_anew(bench: Bench) -> None:
    bench.bars("HYG", "2024-03-04", [80.0, 80.0], adj_closes=[76.0, 76.2], captured_at="2024-03-05 22:00")
    bench.bars("HYG", "2024-03-04", [80.0, 80.0], adj_closes=[75.62, 75.819], captured_at="2024-03-06 22:00", version=2)
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select adj_close, known_at from core.bars order by session_date") == [
        (75.62, "2024-03-04 21:00"),
        (75.819, "2024-03-05 21:00"),
    ]


# --- core.bars: total return ------------------------------------------------------------------------------------------

ADJUSTED = "select session_date, close, adj_close from core.bars order by session_date"


def test_a_dividend_adds_growth_from_its_ex_date_on(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, 99.0, 101.0])
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0})
    bench.build("core.bars", as_of="2024-12-31")
    # 2 of 100 are paid out, so that one share before is 1 / 0.98 shares after.
    assert bench.rows(ADJUSTED) == [
        ("2024-03-04", 100.0, 100.0),
        ("2024-03-05", 99.0, 101.020408163),
        ("2024-03-06", 101.0, 103.06122449),
    ]


def test_a_new_dividend_leaves_earlier_rows_as_they_were(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, 98.0, 104.0, 103.0])
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0, "2024-03-07": 1.04})
    bench.build("core.bars", as_of="2024-03-06")
    before = bench.rows(ADJUSTED)
    bench.build("core.bars", as_of="2024-03-07")
    # 104 / 0.98; then 103 / 0.98 / 0.99, since 1.04 is a hundredth of 104.
    assert before == [("2024-03-04", 100.0, 100.0), ("2024-03-05", 98.0, 100.0), ("2024-03-06", 104.0, 106.12244898)]
    assert bench.rows(ADJUSTED) == [*before, ("2024-03-07", 103.0, 106.163677592)]


@pytest.mark.parametrize(
    ("ex_date", "value", "why"),
    [
        ("2024-03-04", 1.0, "nothing was there before the first bar"),
        ("2024-03-05", 100.0, "nothing would be left"),
        ("2024-03-05", 150.0, "more than there was"),
        ("2024-03-09", 1.0, "a Saturday after the last bar"),
    ],
)
def test_an_impossible_dividend_adds_nothing(bench: Bench, ex_date: str, value: float, why: str) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, 99.0])
    bench.actions("IWM", "dividend", {ex_date: value})
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(ADJUSTED) == [("2024-03-04", 100.0, 100.0), ("2024-03-05", 99.0, 99.0)], why


def test_a_split_adds_no_growth(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, 99.0])
    bench.actions("IWM", "split", {"2024-03-05": 2.0})
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(ADJUSTED) == [("2024-03-04", 100.0, 100.0), ("2024-03-05", 99.0, 99.0)]


def test_a_dividend_on_a_vanished_session_counts_from_the_next(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, None, 101.0])
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0})
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(ADJUSTED) == [("2024-03-04", 100.0, 100.0), ("2024-03-06", 101.0, 103.06122449)]


def test_two_dividends_on_vanished_sessions_count_together(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, None, None, 101.0])
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0, "2024-03-06": 3.0})
    bench.build("core.bars", as_of="2024-12-31")
    # 5 of 100: 101 / 0.95
    assert bench.rows(ADJUSTED) == [("2024-03-04", 100.0, 100.0), ("2024-03-07", 101.0, 106.315789474)]


@pytest.mark.parametrize(
    ("as_of", "rows"),
    [
        ("2024-03-06", [("2024-03-04", 100.0, 100.0), ("2024-03-05", 98.0, 100.0)]),
        ("2024-03-08", [("2024-03-04", 50.0, 50.0), ("2024-03-05", 49.0, 50.0)]),
    ],
)
def test_a_dividend_before_a_split_is_set_against_the_closes_of_its_time(
    bench: Bench, as_of: str, rows: list[tuple[str | float, ...]]
) -> None:
    """2 of 100 before two for one, 1 of 50 after."""
    bench.bars("IWM", "2024-03-04", [100.0, 98.0], captured_at="2024-03-05 22:00")
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0}, captured_at="2024-03-05 22:00")
    bench.bars("IWM", "2024-03-04", [50.0, 49.0], captured_at="2024-03-07 22:00", version=2)
    bench.actions("IWM", "dividend", {"2024-03-05": 1.0}, captured_at="2024-03-07 22:00", version=2)
    bench.build("core.bars", as_of=as_of)
    assert bench.rows(ADJUSTED) == rows


def test_a_dividend_corrected_later_is_not_known_before(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, 98.0], captured_at="2024-03-05 22:00")
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0}, captured_at="2024-03-05 22:00")
    bench.actions("IWM", "dividend", {"2024-03-05": 4.0}, captured_at="2024-03-11 22:00", version=2)
    bench.build("core.bars", as_of="2024-03-08")
    assert bench.rows(ADJUSTED) == [("2024-03-04", 100.0, 100.0), ("2024-03-05", 98.0, 100.0)]


def test_the_vendors_total_return_stands_where_it_is_delivered(bench: Bench) -> None:
    bench.bars("IWM", "2024-03-04", [100.0, 99.0], adj_closes=[80.0, 81.0])
    bench.actions("IWM", "dividend", {"2024-03-05": 2.0})  # already in the vendor's
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select close, adj_close, signal_price, return_price from core.bars order by session_date") == [
        (100.0, 80.0, 100.0, 80.0),
        (99.0, 81.0, 99.0, 81.0),
    ]


def test_a_close_that_ends_does_not_change_the_basis(bench: Bench) -> None:
    """As in HYG's file: close and total return until a day, the total return alone after. No price may jump."""
    bench.bars(
        "HYG",
        "2024-03-04",
        [80.0, 80.2, None, None],
        lows=[79.5, 79.9, None, None],
        adj_closes=[76.0, 76.2, 76.1, 76.3],
    )
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows(
        "select close, adj_close, signal_price, signal_low, return_price from core.bars order by session_date"
    ) == [
        (80.0, 76.0, 76.0, None, 76.0),
        (80.2, 76.2, 76.2, None, 76.2),
        (None, 76.1, 76.1, None, 76.1),
        (None, 76.3, 76.3, None, 76.3),
    ]


def test_a_price_signal_ends_with_the_close(bench: Bench) -> None:
    """SPY's signals use the price: if its closes end, its signals end and do not continue with another price."""
    bench.bars("SPY", "2024-03-04", [500.0, None], adj_closes=[480.0, 482.0])
    bench.build("core.bars", as_of="2024-12-31")
    assert bench.rows("select signal_price, return_price from core.bars order by session_date") == [
        (500.0, 480.0),
        (None, 482.0),
    ]


def test_a_series_that_begins_without_a_close_is_on_total_return(bench: Bench) -> None:
    bench.bars("SPY", "2024-03-04", [None, 501.0], adj_closes=[480.0, 482.0])
    bench.build("core.bars", "core.instruments", as_of="2024-12-31")
    assert bench.rows("select signal_price from core.bars order by session_date") == [(480.0,), (482.0,)]
    assert bench.rows("select price_basis from core.instruments") == [("total_return",)]


def test_an_index_has_no_total_return(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [2000.0])
    bench.bars("IWM", "2024-03-04", [200.0])
    bench.bars("BTC", "2024-03-04", [60000.0])
    bench.build("core.bars", "core.instruments", as_of="2024-12-31")
    assert bench.rows("select instrument_id, has_total_return from core.instruments order by all") == [
        ("BTC", True),  # a coin pays nothing, so its price is its total return
        ("IWM", True),
        ("RUT", False),
    ]
    assert bench.rows("select return_price from core.bars where instrument_id = 'RUT'") == [(2000.0,)]


# --- core.instruments -------------------------------------------------------------------------------------------------


def test_an_instrument_spans_its_final_bars(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [1.0, 2.0, 3.0], captured_at="2024-03-06 22:00")
    bench.bars("RUT", "2024-03-07", [4.0], captured_at="2024-03-07 17:00")  # unfinished
    bench.build("core.instruments", as_of="2024-03-07")
    assert bench.rows(
        "select instrument_id, name, asset_class, kind, role, calendar, currency, volume_proxy, price_basis, "
        "history_start, last_session from core.instruments"
    ) == [
        ("RUT", "Index RUT", "equity", "index", "small_cap", "XNYS", "USD", "IWM", "price", "2024-03-04", "2024-03-06")
    ]


def test_an_instrument_that_the_universe_does_not_know(bench: Bench) -> None:
    bench.bars("SC01", "2024-03-04", [1.0], calendar="XNYS")
    bench.bars("XYZ", "2024-03-04", [1.0], calendar="CRYPTO")
    bench.build("core.instruments", as_of="2024-12-31")
    assert bench.rows(
        "select instrument_id, name, asset_class, kind, role, calendar, volume_proxy, is_required "
        "from core.instruments order by all"
    ) == [
        ("SC01", "SC01", "equity", "share", "other", "XNYS", "SC01", False),
        ("XYZ", "XYZ", "crypto", "coin", "other", "CRYPTO", "XYZ", False),
    ]


def test_an_instrument_without_a_bar_by_the_clock_is_not_there(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [1.0])
    bench.bars("SPX", "2024-03-05", [1.0])
    bench.build("core.instruments", as_of="2024-03-04")
    assert bench.rows("select instrument_id from core.instruments") == [("RUT",)]


def test_an_end_is_known_once_it_came(bench: Bench) -> None:
    bench.bars("ETC", "2024-02-13", [1.0, 1.0, 1.0])
    bench.build("core.instruments", as_of="2024-02-15")
    assert bench.rows("select last_session, valid_to from core.instruments") == [("2024-02-15", "2024-02-15")]


def test_an_end_is_not_known_before_it_came(bench: Bench) -> None:
    bench.bars("ETC", "2024-02-13", [1.0, 1.0, 1.0])
    bench.build("core.instruments", as_of="2024-02-14")
    assert bench.rows("select last_session, valid_to from core.instruments") == [("2024-02-14", None)]


# --- core.pairs -------------------------------------------------------------------------------------------------------


def test_a_pair_takes_the_basis_that_both_legs_have(bench: Bench) -> None:
    for id_ in ("RUT", "SPX", "IWM", "SPY", "BTC", "ETH"):
        bench.bars(id_, "2024-03-04", [1.0])
    bench.build("core.pairs", as_of="2024-12-31")
    assert bench.rows("select pair_id, numerator, denominator, calendar, price_basis from core.pairs order by all") == [
        ("BTC/SPX", "BTC", "SPX", "XNYS", "price"),  # one equity leg: the exchange's calendar
        ("ETH/BTC", "ETH", "BTC", "CRYPTO", "total_return"),
        ("IWM/BTC", "IWM", "BTC", "XNYS", "total_return"),
        ("IWM/SPX", "IWM", "SPX", "XNYS", "price"),  # an index has no total return
        ("IWM/SPY", "IWM", "SPY", "XNYS", "total_return"),
        ("RUT/SPX", "RUT", "SPX", "XNYS", "price"),
    ]


def test_a_pair_without_one_of_its_legs_is_left_out(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-04", [1.0])
    bench.bars("IWM", "2024-03-04", [1.0])
    bench.bars("SPY", "2024-03-06", [1.0])
    bench.build("core.pairs", as_of="2024-03-05")
    assert bench.rows("select pair_id from core.pairs") == []
    bench.build("core.pairs", as_of="2024-03-06")
    assert bench.rows("select pair_id from core.pairs") == [("IWM/SPY",)]


# --- core.groups ------------------------------------------------------------------------------------------------------

GROUPS = "select group_id, instrument_id, valid_from, valid_to, is_proxy from core.groups order by all"


@pytest.mark.parametrize(
    ("as_of", "rows"),
    [
        ("2024-03-04", [("small", "SC01", "2024-03-04", None, True)]),
        # SC02 joined; that SC01 leaves on the 7th is not known yet.
        ("2024-03-06", [("small", "SC01", "2024-03-04", None, True), ("small", "SC02", "2024-03-05", None, True)]),
        (
            "2024-03-07",
            [("small", "SC01", "2024-03-04", "2024-03-07", True), ("small", "SC02", "2024-03-05", None, True)],
        ),
    ],
)
def test_members_come_and_go_with_the_clock(bench: Bench, as_of: str, rows: list[tuple[str, ...]]) -> None:
    bench.bars("SC01", "2024-03-04", [1.0], calendar="XNYS")
    bench.bars("SC02", "2024-03-04", [1.0], calendar="XNYS")
    bench.member("small", "SC01", "2024-03-04", "2024-03-07")
    bench.member("small", "SC02", "2024-03-05")
    bench.member("small", "GONE", "2024-03-04")  # there is no bar of it
    bench.build("core.groups", as_of=as_of)
    assert bench.rows(GROUPS) == rows


def test_altcoins_are_a_group_from_their_first_bar_on(bench: Bench) -> None:
    bench.bars("BTC", "2024-03-02", [1.0])
    bench.bars("SOL", "2024-03-03", [1.0, 1.0])
    bench.build("core.groups", as_of="2024-12-31")
    assert bench.rows(GROUPS) == [("altcoins", "SOL", "2024-03-03", None, True)]


def test_a_dead_altcoin_left_the_group(bench: Bench) -> None:
    bench.bars("ETC", "2024-02-13", [1.0, 1.0, 1.0])
    bench.build("core.groups", as_of="2024-12-31")
    assert bench.rows(GROUPS) == [("altcoins", "ETC", "2024-02-13", "2024-02-15", True)]


def test_a_membership_corrected_later_is_not_known_before(bench: Bench) -> None:
    bench.bars("SC01", "2024-03-04", [1.0], calendar="XNYS")
    bench.member("small", "SC01", "2024-03-04", captured_at="2024-03-04 22:00")
    bench.member("small", "SC01", "2024-03-04", "2024-03-05", captured_at="2024-03-11 22:00", version=2)
    bench.build("core.groups", as_of="2024-03-08")
    assert bench.rows(GROUPS) == [("small", "SC01", "2024-03-04", None, True)]


# --- core.actions -----------------------------------------------------------------------------------------------------

ACTIONS = "select ex_date, kind, value, known_at, version from core.actions order by all"


def test_an_action_is_known_at_the_close_of_its_ex_date(bench: Bench) -> None:
    bench.actions("IWM", "dividend", {"2024-03-08": 0.5, "2024-11-29": 0.6, "2025-01-02": 0.7})
    bench.actions("IWM", "split", {"2024-03-11": 2.0})
    bench.build("core.actions", as_of="2024-12-31")
    assert bench.rows(ACTIONS) == [
        ("2024-03-08", "dividend", 0.5, "2024-03-08 21:00", 1),
        ("2024-03-11", "split", 2.0, "2024-03-11 20:00", 1),
        ("2024-11-29", "dividend", 0.6, "2024-11-29 18:00", 1),
    ]


def test_an_action_on_a_day_without_a_session_is_known_when_the_day_is_over(bench: Bench) -> None:
    bench.actions("IWM", "dividend", {"2024-03-09": 0.5})
    bench.build("core.actions", as_of="2024-12-31")
    assert bench.rows(ACTIONS) == [("2024-03-09", "dividend", 0.5, "2024-03-10 00:00", 1)]


def _corrected_dividend(bench: Bench) -> None:
    bench.actions("IWM", "dividend", {"2024-03-08": 0.5}, captured_at="2024-03-08 22:00")
    bench.actions("IWM", "dividend", {"2024-03-08": 0.6}, captured_at="2024-03-11 22:00", version=2)


def test_an_action_between_two_versions(bench: Bench) -> None:
    _corrected_dividend(bench)
    bench.build("core.actions", as_of="2024-03-10")
    assert bench.rows(ACTIONS) == [("2024-03-08", "dividend", 0.5, "2024-03-08 21:00", 1)]
    bench.build("core.actions", as_of="2024-03-11")
    assert bench.rows("select value, version from core.actions") == [(0.6, 2)]


def test_a_corrected_action_is_known_when_it_was_captured(bench: Bench) -> None:
    _corrected_dividend(bench)
    bench.build("core.actions", as_of="2024-12-31")
    assert bench.rows(ACTIONS) == [("2024-03-08", "dividend", 0.6, "2024-03-11 22:00", 2)]


def test_a_split_does_not_date_dividends_anew(bench: Bench) -> None:
    bench.actions("IWM", "dividend", {"2024-03-08": 0.5}, captured_at="2024-03-08 22:00")
    bench.actions("IWM", "dividend", {"2024-03-08": 0.25}, captured_at="2024-03-12 22:00", version=2)
    bench.actions("IWM", "split", {"2024-03-12": 2.0}, captured_at="2024-03-12 22:00")
    bench.build("core.actions", as_of="2024-12-31")
    assert bench.rows(ACTIONS) == [
        ("2024-03-08", "dividend", 0.25, "2024-03-08 21:00", 2),
        ("2024-03-12", "split", 2.0, "2024-03-12 20:00", 1),
    ]


# --- core.market_cap --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_of", "rows"),
    [
        ("2024-03-08", [("2024-03-08", 1e12, "2024-03-09 00:00", 1)]),
        (
            "2024-03-10 21:59",
            [("2024-03-08", 1e12, "2024-03-09 00:00", 1), ("2024-03-09", 2e12, "2024-03-10 00:00", 1)],
        ),
        (
            "2024-03-10 22:00",
            [("2024-03-08", 1e12, "2024-03-09 00:00", 1), ("2024-03-09", 3e12, "2024-03-10 22:00", 2)],
        ),
    ],
)
def test_a_market_value_is_known_when_the_day_is_over(
    bench: Bench, as_of: str, rows: list[tuple[str | float, ...]]
) -> None:
    bench.market_caps("BTC", {"2024-03-08": 1e12, "2024-03-09": 2e12}, captured_at="2024-03-10 01:00")
    bench.market_caps("BTC", {"2024-03-09": 3e12}, captured_at="2024-03-10 22:00", version=2)
    bench.build("core.market_cap", as_of=as_of)
    assert (
        bench.rows("select session_date, market_cap_usd, known_at, version from core.market_cap order by all") == rows
    )


# --- core.macro -------------------------------------------------------------------------------------------------------

MACRO = "select series_id, observation_date, value, known_at, vintage_quality, version from core.macro order by all"


@pytest.mark.parametrize(
    ("series_id", "observation_date", "released_at", "a_minute_before"),
    [
        # Wednesday's balance sheet comes on Thursday, 16:30 in New York.
        ("WALCL", "2024-03-06", "2024-03-07 21:30", "2024-03-07 21:29"),
        ("WALCL", "2024-03-13", "2024-03-14 20:30", "2024-03-14 20:29"),  # summer time
        ("WALCL", "2024-11-27", "2024-11-29 21:30", "2024-11-29 21:29"),  # Thursday was Thanksgiving
        ("RRPONTSYD", "2024-03-08", "2024-03-08 18:15", "2024-03-08 18:14"),
        ("SOFR", "2024-03-08", "2024-03-11 13:00", "2024-03-11 12:59"),  # Friday's on Monday
        ("SOFR", "2024-01-12", "2024-01-16 14:00", "2024-01-16 13:59"),  # Monday was a holiday
        ("M2SL", "2024-02-01", "2024-03-26 17:00", "2024-03-26 16:59"),
        ("CPIAUCSL", "2024-03-01", "2024-04-15 12:30", "2024-04-15 12:29"),  # the 13th was a Saturday
    ],
)
def test_a_value_is_known_at_its_release(
    bench: Bench, series_id: str, observation_date: str, released_at: str, a_minute_before: str
) -> None:
    bench.observations(series_id, {observation_date: 5.0})
    bench.build("core.macro", as_of=a_minute_before)
    assert bench.rows(MACRO) == []
    bench.build("core.macro", as_of=released_at)
    assert bench.rows(MACRO) == [(series_id, observation_date, 5.0, released_at, "assumed_lag", 1)]


@pytest.mark.parametrize(
    ("as_of", "rows"),
    [
        ("2024-03-14", [("WALCL", "2024-03-06", 7.0, "2024-03-07 21:30", "captured", 1)]),
        ("2024-03-15 11:59", [("WALCL", "2024-03-06", 7.0, "2024-03-07 21:30", "captured", 1)]),
        ("2024-03-15 12:00", [("WALCL", "2024-03-06", 7.5, "2024-03-15 12:00", "captured", 2)]),
    ],
)
def test_a_revision_is_known_when_it_was_captured(
    bench: Bench, as_of: str, rows: list[tuple[str | float, ...]]
) -> None:
    bench.observations("WALCL", {"2024-03-06": 7.0}, captured_at="2024-03-08 12:00")
    bench.observations("WALCL", {"2024-03-06": 7.5}, captured_at="2024-03-15 12:00", version=2)
    bench.build("core.macro", as_of=as_of)
    assert bench.rows(MACRO) == rows


@pytest.mark.parametrize(
    ("captured_at", "vintage_quality"),
    [
        ("2024-03-07 22:00", "captured"),
        ("2024-03-14 21:30", "captured"),  # seven days after the release
        ("2024-03-14 21:31", "assumed_lag"),
    ],
)
def test_a_vintage_is_captured_within_a_week_of_its_release(
    bench: Bench, captured_at: str, vintage_quality: str
) -> None:
    bench.observations("WALCL", {"2024-03-06": 7.0}, captured_at=captured_at)
    bench.build("core.macro", as_of="2024-12-31")
    assert bench.rows("select known_at, vintage_quality from core.macro") == [("2024-03-07 21:30", vintage_quality)]


def test_a_series_that_the_universe_does_not_know_is_known_late(bench: Bench) -> None:
    bench.observations("NEW", {"2024-03-08": 1.0})
    bench.build("core.macro", as_of="2024-12-31")
    # Next business day at noon in New York.
    assert bench.rows("select unit, known_at from core.macro") == [(None, "2024-03-11 16:00")]


# --- core.series ------------------------------------------------------------------------------------------------------


def test_series_are_those_of_the_universe(bench: Bench) -> None:
    bench.build("core.series", as_of="2024-12-31")
    assert bench.rows(
        "select series_id, name, unit, frequency, release_rule, stale_after_days, is_restated from core.series"
    ) == [
        (s.id, s.name, s.unit, s.frequency, s.release, s.stale_after_days, s.is_restated)
        for s in sorted(UNIVERSE.series, key=lambda series: series.id)
    ]
