"""Clocks: when a session opens and closes, and when a macro value becomes public.

Here: the exchange calendar (the only module that knows the calendar library), the release rules of macro series and
nothing that reads data. All instants are UTC; all rules are written in New York time, as the publishers write them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

EQUITY_CALENDAR = "XNYS"
CRYPTO_CALENDAR = "CRYPTO"
NEW_YORK = "America/New_York"

# Yahoo's longest index history (S&P 500) begins on 1927-12-30; Bitcoin's first block is of 2009-01-03.
FIRST_EQUITY_DAY = date(1927, 12, 1)
FIRST_CRYPTO_DAY = date(2009, 1, 3)


def library_version() -> str:
    """The release of the calendar library, so that stored sessions can be told from newer ones."""
    return version("exchange-calendars")


def sessions(last_day: date) -> pd.DataFrame:
    """Every scheduled session up to and including `last_day`, of both calendars.

    Columns: calendar, session_date (datetime64), opens_at and closes_at (UTC), is_half_day.
    """
    return pd.concat([_equity_sessions(last_day), _crypto_sessions(last_day)], ignore_index=True)


def _equity_sessions(last_day: date) -> pd.DataFrame:
    """The exchange's sessions, by the rules that the library has of it.

    The library's own schedule is the same (that is tested), but it goes through a century day by day, which takes
    seconds; so it is asked for a month, and for its rules.
    """
    import exchange_calendars  # takes a while to import

    month_before = last_day - timedelta(days=31)
    with warnings.catch_warnings():
        # Release 4.13 uses what pandas 3 deprecates; the user can do nothing about it.
        warnings.simplefilter("ignore", pd.errors.Pandas4Warning)
        exchange = exchange_calendars.get_calendar(EQUITY_CALENDAR, start=str(month_before), end=str(last_day))
    days = pd.date_range(FIRST_EQUITY_DAY, last_day, freq="D")
    days = days[np.is_busday(days.to_numpy().astype("datetime64[D]"), busdaycal=exchange.day.calendar)]
    closes = _instants(days, exchange.close_times, exchange.special_closes, exchange.special_closes_adhoc)
    return pd.DataFrame(
        {
            "calendar": EQUITY_CALENDAR,
            "session_date": days,
            "opens_at": _instants(days, exchange.open_times, exchange.special_opens, exchange.special_opens_adhoc),
            "closes_at": closes,
            "is_half_day": closes != _instants(days, exchange.close_times),
        }
    )


def _instants(
    days: pd.DatetimeIndex,
    times: Iterable[tuple[pd.Timestamp | None, time]],
    by_rule: Iterable[tuple[time, Any]] = (),
    by_date: Iterable[tuple[time, pd.DatetimeIndex]] = (),
) -> pd.DatetimeIndex:
    """The UTC instant of each day's opening or close: the usual time from a day on, unless a rule or a date differs."""
    clock = pd.Series(pd.NaT, index=days, dtype="timedelta64[ns]")
    for since, usual in times:
        clock[slice(since, None)] = pd.Timedelta(hours=usual.hour, minutes=usual.minute)
    exceptions = [*by_date, *((exceptional, rule.holidays(days[0], days[-1])) for exceptional, rule in by_rule)]
    # Of two exceptions for a day the library takes the first.
    for exceptional, dates in reversed(exceptions):
        clock[days.isin(dates)] = pd.Timedelta(hours=exceptional.hour, minutes=exceptional.minute)
    local: pd.DatetimeIndex = days + pd.TimedeltaIndex(clock)
    return local.tz_localize(NEW_YORK).tz_convert("UTC")


def _crypto_sessions(last_day: date) -> pd.DataFrame:
    days = pd.date_range(FIRST_CRYPTO_DAY, last_day, freq="D")
    return pd.DataFrame(
        {
            "calendar": CRYPTO_CALENDAR,
            "session_date": days,
            "opens_at": days.tz_localize("UTC"),
            "closes_at": (days + pd.Timedelta(days=1)).tz_localize("UTC"),
            "is_half_day": False,
        }
    )


def end_of_day(day: date) -> datetime:
    """The instant at which a UTC day is over, which is when all of it is known."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RULE = re.compile(
    r"(?:(?P<same>same day)|(?P<next_day>next business day)|next (?P<weekday>[a-z]+day)"
    r"|(?P<nth>\d)(?:st|nd|rd|th) (?P<nth_weekday>[a-z]+day) of next month|day (?P<month_day>\d+) of next month)"
    r" (?P<hour>\d\d):(?P<minute>\d\d)"
)


@dataclass(frozen=True)
class ReleaseRule:
    """When the value of an observation date becomes public, in New York time.

    Written as one of `same day`, `next business day`, `next thursday`, `4th tuesday of next month`,
    `day 13 of next month`, followed by the time, for instance `next thursday 16:30`. A release that falls on a weekend
    or a federal holiday moves to the next business day.
    """

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for a text that is no rule."""
        self._parts()

    def _parts(self) -> dict[str, str | None]:
        match = _RULE.fullmatch(self.text)
        weekdays = (match["weekday"], match["nth_weekday"]) if match else ()
        if match is None or any(name and name not in _WEEKDAYS for name in weekdays):
            raise ValueError(f"'{self.text}' is not a release rule; see calendars.ReleaseRule for the forms")
        return match.groupdict()

    def released_at(self, observation_dates: pd.Series) -> pd.Series:
        """The UTC instant of release of each observation date."""
        parts = self._parts()
        days = observation_dates.to_numpy().astype("datetime64[D]")
        if parts["same"]:
            planned = days
        elif parts["next_day"]:
            planned = days + np.timedelta64(1, "D")
        elif parts["weekday"]:
            planned = _weekday_from(days + np.timedelta64(1, "D"), parts["weekday"])
        else:
            next_month = (days.astype("datetime64[M]") + np.timedelta64(1, "M")).astype("datetime64[D]")
            if parts["nth_weekday"]:
                weeks = np.timedelta64(7 * (int(parts["nth"] or 1) - 1), "D")
                planned = _weekday_from(next_month, parts["nth_weekday"]) + weeks
            else:
                planned = next_month + np.timedelta64(int(parts["month_day"] or 1) - 1, "D")
        released = np.busday_offset(planned, 0, roll="forward", busdaycal=_business_days())
        at = time(int(parts["hour"] or 0), int(parts["minute"] or 0))
        clock = pd.Timedelta(hours=at.hour, minutes=at.minute)
        # A day repeats and the rules' times never fall into the hour that a clock change skips or doubles.
        local = pd.Series(released.astype("datetime64[ns]"), index=observation_dates.index) + clock
        return local.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC")


def observations_due(frequency: str, last: date, until: date) -> pd.Series:
    """The dates after `last` up to `until` that a daily, weekly or monthly series should have an observation of."""
    if frequency == "daily":
        days = pd.date_range(last, until, freq="D")
        days = days[np.is_busday(days.to_numpy().astype("datetime64[D]"), busdaycal=_business_days())]
    elif frequency == "weekly":
        days = pd.date_range(last, until, freq="7D")[1:]
    else:
        days = pd.date_range(last, until, freq="MS")
    return pd.Series(days[days > pd.Timestamp(last)], dtype="datetime64[ns]")


def _weekday_from(days: np.ndarray, weekday: str) -> np.ndarray:
    """The first such weekday on or after each day."""
    # 1970-01-01, day 0 of datetime64, was a Thursday.
    weekday_of_day = (days.astype(np.int64) + 3) % 7
    wait = (_WEEKDAYS.index(weekday) - weekday_of_day) % 7
    shifted: np.ndarray = days + wait.astype("timedelta64[D]")
    return shifted


@cache
def _business_days() -> np.busdaycalendar:
    """Weekdays without federal holidays, as far back as FRED's series go and as far ahead as anyone asks.

    The offices of the government close on Friday for a holiday on Saturday; the Federal Reserve Banks and markets do
    not, and nearly every series here is theirs.
    """
    from pandas.tseries.holiday import Holiday, USFederalHolidayCalendar, nearest_workday, sunday_to_monday

    rules = [
        Holiday(rule.name, month=rule.month, day=rule.day, start_date=rule.start_date, observance=sunday_to_monday)
        if rule.observance is nearest_workday
        else rule
        for rule in USFederalHolidayCalendar.rules
    ]
    holidays = USFederalHolidayCalendar(rules=rules).holidays("1950-01-01", "2100-12-31")
    return np.busdaycalendar(holidays=holidays.to_numpy().astype("datetime64[D]"))
