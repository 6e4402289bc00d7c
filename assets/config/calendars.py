"""Calendars: when a session opens and closes, and when a macro value becomes public.

Here: the sessions of both calendars and the release rules of macro series. No other module uses the calendar library.
Not here: anything that reads data. All instants are UTC; all rules are in New York time, as the publishers write them.
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
    """The version of the calendar library. Stored sessions that another version made are made again."""
    return version("exchange-calendars")


def sessions(last_day: date) -> pd.DataFrame:
    """Every scheduled session up to and including `last_day`, of both calendars.

    Columns: calendar, session_date (datetime64), opens_at and closes_at (UTC), is_half_day.
    """
    return pd.concat([_equity_sessions(last_day), _crypto_sessions(last_day)], ignore_index=True)


def _equity_sessions(last_day: date) -> pd.DataFrame:
    """The exchange's sessions, computed from the library's rules.

    The library's own schedule is the same (a test compares them), but it takes seconds for a century of days. So the
    library builds one month, and its rules give the rest.
    """
    exchange = exchange_calendar(last_day - timedelta(days=31), last_day)
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


def exchange_calendar(first_day: date, last_day: date) -> Any:
    """The library's calendar of the exchange for these days."""
    import exchange_calendars  # takes a while to import

    with warnings.catch_warnings():
        # exchange-calendars 4.13 takes `values` of a series with a time zone, which will change in pandas 4.
        warnings.simplefilter("ignore", pd.errors.Pandas4Warning)
        return exchange_calendars.get_calendar(EQUITY_CALENDAR, start=str(first_day), end=str(last_day))


def _instants(
    days: pd.DatetimeIndex,
    times: Iterable[tuple[pd.Timestamp | None, time]],
    by_rule: Iterable[tuple[time, Any]] = (),
    by_date: Iterable[tuple[time, pd.DatetimeIndex]] = (),
) -> pd.DatetimeIndex:
    """The UTC instant at which each day opens or closes.

    Args:
        days: The sessions.
        times: Regular local times, each with the first day on which it holds (None: from the beginning).
        by_rule: Exceptional local times, each with the holiday rule of its days.
        by_date: Exceptional local times, each with its dates.

    Returns:
        One instant per day, in the order of `days`.
    """
    clock = pd.Series(pd.NaT, index=days, dtype="timedelta64[ns]")
    for since, regular in times:
        clock[slice(since, None)] = pd.Timedelta(hours=regular.hour, minutes=regular.minute)
    exceptions = [*by_date, *((exceptional, rule.holidays(days[0], days[-1])) for exceptional, rule in by_rule)]
    # If a day has two exceptions, the library takes the first.
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
    """The end of a UTC day: the instant from which all of that day is known."""
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

    The text is one of `same day`, `next business day`, `next thursday`, `4th tuesday of next month`,
    `day 13 of next month`, followed by the time, for instance `next thursday 16:30`. A release that falls on a weekend
    or a federal holiday moves to the next business day.
    """

    text: str

    def __post_init__(self) -> None:
        """Raise ValueError if the text is not a rule."""
        self._parts()

    def _parts(self) -> dict[str, str | None]:
        match = _RULE.fullmatch(self.text)
        weekdays = (match["weekday"], match["nth_weekday"]) if match else ()
        if match is None or any(name and name not in _WEEKDAYS for name in weekdays):
            raise ValueError(f"'{self.text}' is not a release rule; assets/config/calendars.py lists the forms")
        return match.groupdict()

    def released_at(self, observation_dates: pd.Series) -> pd.Series:
        """The UTC instant at which the value of each observation date is released."""
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
        # The times of the rules are never in the hour that a clock change skips or repeats.
        local = pd.Series(released.astype("datetime64[ns]"), index=observation_dates.index) + clock
        return local.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC")


def observations_due(frequency: str, last: date, until: date) -> pd.Series:
    """The dates on which a series should have an observation.

    Args:
        frequency: daily (business days), weekly (every seventh day after `last`) or monthly (first of the month).
        last: The last date that has an observation.
        until: The last date to return.

    Returns:
        The dates after `last` up to and including `until`.
    """
    if frequency == "daily":
        days = pd.date_range(last, until, freq="D")
        days = days[np.is_busday(days.to_numpy().astype("datetime64[D]"), busdaycal=_business_days())]
    elif frequency == "weekly":
        days = pd.date_range(last, until, freq="7D")[1:]
    else:
        days = pd.date_range(last, until, freq="MS")
    return pd.Series(days[days > pd.Timestamp(last)], dtype="datetime64[ns]")


def _weekday_from(days: np.ndarray, weekday: str) -> np.ndarray:
    """The first day with that weekday, on or after each day."""
    # 1970-01-01, day 0 of datetime64, was a Thursday.
    weekday_of_day = (days.astype(np.int64) + 3) % 7
    wait = (_WEEKDAYS.index(weekday) - weekday_of_day) % 7
    shifted: np.ndarray = days + wait.astype("timedelta64[D]")
    return shifted


@cache
def _business_days() -> np.busdaycalendar:
    """Weekdays without federal holidays, from 1950 to 2100.

    Government offices close on Friday for a holiday on Saturday. The Federal Reserve Banks and the markets do not, and
    nearly every series of the universe comes from them.
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
