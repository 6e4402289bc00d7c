"""Calendars and release rules: sessions, half days, holidays, and when macro values become public."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from assets.config import calendars
from assets.config.calendars import ReleaseRule
from assets.config.universe import load_universe


@pytest.fixture(scope="module")
def sessions() -> pd.DataFrame:
    """All sessions up to the end of 2026."""
    return calendars.sessions(date(2026, 12, 31))


def of(sessions: pd.DataFrame, calendar: str, day: str) -> pd.Series:
    """The one session of a calendar and day."""
    rows = sessions[(sessions["calendar"] == calendar) & (sessions["session_date"] == day)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_session_closes_at_four_in_new_york_whatever_the_season(sessions: pd.DataFrame) -> None:
    assert of(sessions, "XNYS", "2026-01-13")["closes_at"] == datetime(2026, 1, 13, 21, tzinfo=UTC)
    assert of(sessions, "XNYS", "2026-07-13")["closes_at"] == datetime(2026, 7, 13, 20, tzinfo=UTC)


@pytest.mark.slow
def test_the_sessions_are_those_of_the_library(sessions: pd.DataFrame) -> None:
    library = calendars.exchange_calendar(calendars.FIRST_EQUITY_DAY, date(2026, 12, 31))
    exchange = sessions[sessions["calendar"] == "XNYS"].set_index("session_date")
    expected = library.schedule[["open", "close"]]
    pd.testing.assert_frame_equal(
        exchange[["opens_at", "closes_at"]],
        expected.set_axis(["opens_at", "closes_at"], axis=1),
        check_names=False,
        check_freq=False,
        check_dtype=False,
        check_index_type=False,
    )
    assert list(exchange.index[exchange["is_half_day"]]) == list(library.early_closes)


def test_the_day_after_thanksgiving_closes_at_one(sessions: pd.DataFrame) -> None:
    session = of(sessions, "XNYS", "2025-11-28")
    assert session["closes_at"] == datetime(2025, 11, 28, 18, tzinfo=UTC)
    assert session["is_half_day"]


@pytest.mark.parametrize("day", ["2026-01-01", "2026-05-25", "2001-09-11", "2012-10-29", "2025-01-09", "2026-08-22"])
def test_holidays_closures_and_weekends_are_no_sessions(sessions: pd.DataFrame, day: str) -> None:
    assert not ((sessions["calendar"] == "XNYS") & (sessions["session_date"] == day)).any()


def test_a_coin_trades_every_day_until_midnight(sessions: pd.DataFrame) -> None:
    assert of(sessions, "CRYPTO", "2026-08-22")["closes_at"] == datetime(2026, 8, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "observed", "released"),
    [
        # The H.4.1 of a Wednesday comes on Thursday, half past four; after Thanksgiving on Friday.
        ("next thursday 16:30", "2026-08-19", "2026-08-20 20:30"),
        ("next thursday 16:30", "2025-11-26", "2025-11-28 21:30"),
        ("next thursday 16:30", "2026-08-20", "2026-08-27 20:30"),
        ("same day 13:15", "2026-08-21", "2026-08-21 17:15"),
        # A holiday on Saturday closes government offices on Friday, the Federal Reserve Banks not.
        ("same day 13:15", "2021-12-31", "2021-12-31 18:15"),
        ("same day 16:16", "2026-01-13", "2026-01-13 21:16"),
        # Friday's rate comes on Monday, or on Tuesday after a Monday holiday.
        ("next business day 09:00", "2026-08-21", "2026-08-24 13:00"),
        ("next business day 09:00", "2026-01-16", "2026-01-20 14:00"),
        ("next monday 16:16", "2026-08-14", "2026-08-17 20:16"),
        ("next wednesday 08:30", "2026-08-14", "2026-08-19 12:30"),
        ("4th tuesday of next month 13:00", "2026-04-01", "2026-05-26 17:00"),
        ("day 13 of next month 08:30", "2026-07-01", "2026-08-13 12:30"),
        # The 13th of a month may be a Sunday.
        ("day 13 of next month 08:30", "2026-08-01", "2026-09-14 12:30"),
        # The first Friday of July 2025 was Independence Day.
        ("1st friday of next month 08:30", "2025-06-01", "2025-07-07 12:30"),
        ("1st friday of next month 08:30", "2026-12-01", "2027-01-04 13:30"),
    ],
)
def test_release_rules(rule: str, observed: str, released: str) -> None:
    at = ReleaseRule(rule).released_at(pd.Series(pd.to_datetime([observed])))
    assert at.iloc[0] == pd.Timestamp(released, tz="UTC")


@pytest.mark.parametrize("text", ["", "next thursday", "next someday 16:30", "tomorrow 09:00", "next Thursday 16:30"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a release rule"):
        ReleaseRule(text)


def test_every_series_of_the_universe_has_a_rule() -> None:
    for series in load_universe().series:
        ReleaseRule(series.release)
