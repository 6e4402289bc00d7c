"""A synthetic market: sixteen years of generated daily data, with known answers planted in it.

Here: the factors that drive the market, how each instrument and series responds to them, and the answer key. There is
no clock, no network and no calendar library (the equity sessions are an argument). Symbols, gaps and quirks of a real
vendor do not belong here, and neither does broken input: tests make that themselves.

How it works: one slow cycle of risk appetite reaches net liquidity first, then equities, then crypto majors, then
altcoins. In addition there are a market factor with stochastic volatility, a crash, a size factor (small against large
caps) that crypto repeats a month later, yields, spreads, and noise of each instrument. All randomness is one normal
number per calendar day and purpose. So another instrument, a longer calendar or a later last day does not change any
value that was there before.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.config.universe import Universe
from assets.sources.base import DEMO, AssetClass, FetchRequest, FetchResult, SourceError

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Anchors = tuple[tuple[str, float], ...]

ORIGIN = "synthetic"
# The answer key is valid for this seed. Another seed gives a similar market with other dates.
SEED = 26
FIRST_DAY = date(2010, 1, 4)
LAST_DAY = date(2025, 12, 31)
# The second state is a download five sessions later, after the split.
LAST_DAY_AFTER_SPLIT = date(2026, 1, 8)
SMALL_CAPS = "us_small_cap_demo"
MEGA_CAPS = "us_mega_cap_demo"
GROUP_SIZE = 12  # breadth needs ten members, so two may be missing

SESSIONS_PER_YEAR = 252
DAYS_PER_YEAR = 365.25


# --- the answer key ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlantedBreakout:
    """One all-time-high breakout of RUT, with the sessions whose closes decided its outcomes (None: never).

    A retest needs a low at or near the level after the session of the breakout, and then a close above the level.
    """

    session_date: date
    confirmed: date | None
    failed: date | None
    retested: date | None
    holding: date | None
    status: str  # the last one decided


def _breakout(
    session: str,
    *,
    confirmed: str | None = None,
    failed: str | None = None,
    retested: str | None = None,
    holding: str | None = None,
    status: str,
) -> PlantedBreakout:
    confirmed_on, failed_on, retested_on, holding_on = (
        date.fromisoformat(day) if day else None for day in (confirmed, failed, retested, holding)
    )
    return PlantedBreakout(date.fromisoformat(session), confirmed_on, failed_on, retested_on, holding_on, status)


@dataclass(frozen=True)
class PlantedLead:
    """The daily return of a ratio (numerator, denominator) leads that of a target, on the equity calendar."""

    signal: tuple[str, str]
    target: str
    lag_sessions: int
    correlation: float
    tolerance: float


@dataclass(frozen=True)
class PlantedSplit:
    """`ratio` new shares for one old. Once the split is known, earlier values are in new shares too."""

    instrument_id: str
    ex_date: date
    ratio: float


@dataclass(frozen=True)
class AnswerKey:
    """What a correct analysis of the synthetic market must find."""

    # Every breakout that the definition finds with W = Q = 252 and no margin.
    breakouts: tuple[PlantedBreakout, ...]
    false_breakout: date
    lead: PlantedLead
    # Part of the data from the first download on.
    old_split: PlantedSplit
    # Restates the whole history between the two states of the source.
    restated_split: PlantedSplit
    # The coin that ends, with its last bar; the coin that is listed last, with its first bar.
    died: tuple[str, date]
    listed_last: tuple[str, date]


# Calendar days by which each stage follows equities through the cycle of risk appetite; negative if it leads.
STAGE_DELAYS = {"liquidity": -60, "equities": 0, "crypto_majors": 30, "altcoins": 60}
LEAD_SESSIONS = 21
OLD_SPLIT = PlantedSplit("MC05", date(2020, 8, 31), 4.0)
RESTATED_SPLIT = PlantedSplit("SC07", date(2026, 1, 2), 4.0)

ANSWERS = AnswerKey(
    breakouts=(
        _breakout("2012-08-10", confirmed="2012-08-15", retested="2012-08-14", holding="2012-09-10", status="holding"),
        # The false one: two closes over the old peak, then the fall.
        _breakout("2015-11-23", failed="2015-11-27", status="failed"),
        # Confirmed and failed the day after.
        _breakout("2017-03-03", confirmed="2017-03-08", failed="2017-03-09", retested="2017-03-07", status="failed"),
        _breakout("2020-11-16", confirmed="2020-11-27", retested="2020-11-25", holding="2020-12-15", status="holding"),
        _breakout("2024-05-16", confirmed="2024-05-22", failed="2024-06-04", retested="2024-05-20", status="failed"),
        _breakout("2025-08-20", confirmed="2025-08-25", retested="2025-08-22", holding="2025-09-18", status="holding"),
    ),
    false_breakout=date(2015, 11, 23),
    lead=PlantedLead(("RUT", "SPX"), "BTC", LEAD_SESSIONS, correlation=0.32, tolerance=0.03),
    old_split=OLD_SPLIT,
    restated_split=RESTATED_SPLIT,
    died=("ETC", date(2021, 3, 15)),
    listed_last=("SUI", date(2023, 5, 3)),
)


# --- the script: what happens when ------------------------------------------------------------------------------

# Risk appetite as log deviation from trend. Each trough is longer than a year, so that leaving it is a breakout.
APPETITE: Anchors = (
    ("2009-06-01", -0.10),
    ("2010-01-04", 0.00),
    ("2011-01-01", 0.15),
    ("2011-10-01", -0.18),
    ("2012-11-24", 0.02),
    ("2014-03-14", 0.22),
    ("2015-01-01", -0.02),
    ("2015-11-25", 0.07),
    ("2016-04-20", -0.105),
    ("2017-02-06", 0.015),
    ("2018-08-08", 0.17),
    ("2019-01-01", -0.06),
    ("2020-02-06", -0.01),
    ("2020-11-25", 0.02),
    ("2021-10-20", 0.288),
    ("2022-09-13", -0.09),
    ("2023-11-25", 0.108),
    ("2024-07-01", 0.17),
    ("2025-01-01", -0.05),
    ("2025-10-01", 0.115),
    ("2026-01-01", 0.165),
    ("2026-08-01", 0.19),
)
# The market loses a third of its value within five weeks, and recovers within the year.
CRASH: Anchors = (
    ("2020-02-20", 0.0),
    ("2020-03-24", -0.36),
    ("2020-04-20", -0.22),
    ("2020-06-08", -0.12),
    ("2020-10-15", 0.0),
)
# A short rise above the old peak: the planted false breakout.
FALSE_BREAKOUT: Anchors = (
    ("2015-10-20", 0.0),
    ("2015-11-24", 0.07),
    ("2015-12-16", -0.06),
    ("2016-02-15", 0.0),
)
# Extra log volatility around the crash.
CRASH_FEAR: Anchors = (("2020-02-19", 0.0), ("2020-03-16", 1.9), ("2020-05-15", 0.7), ("2020-10-01", 0.0))
CRYPTO_TREND: Anchors = (
    ("2010-01-01", 0.0),
    ("2014-01-01", 4.0),
    ("2018-01-01", 6.3),
    ("2022-01-01", 7.9),
    ("2026-12-31", 9.2),
)
POLICY_RATE: Anchors = (
    ("2010-01-01", 0.0),
    ("2014-06-01", 0.0),
    ("2018-09-01", 2.5),
    ("2020-01-15", 1.75),
    ("2020-03-20", 0.0),
    ("2021-12-01", 0.0),
    ("2023-05-01", 5.0),
    ("2024-06-01", 5.0),
    ("2026-12-31", 3.0),
)
TEN_YEAR_YIELD: Anchors = (
    ("2010-01-01", 3.6),
    ("2012-07-01", 1.9),
    ("2014-01-01", 2.8),
    ("2016-07-01", 1.8),
    ("2018-10-01", 3.0),
    ("2020-06-01", 1.2),
    ("2023-10-01", 4.5),
    ("2026-12-31", 4.1),
)
# USD billions: hardly used, then a lot of cash that leaves again.
REVERSE_REPO: Anchors = (
    ("2010-01-01", 2.0),
    ("2013-09-01", 5.0),
    ("2016-12-31", 150.0),
    ("2018-12-31", 5.0),
    ("2021-03-01", 5.0),
    ("2022-06-01", 2100.0),
    ("2023-05-01", 2300.0),
    ("2024-12-31", 200.0),
    ("2026-12-31", 5.0),
)
TREASURY_ACCOUNT: Anchors = (
    ("2010-01-01", 90_000.0),
    ("2015-01-01", 180_000.0),
    ("2020-02-01", 380_000.0),
    ("2020-07-15", 1_600_000.0),
    ("2021-12-01", 250_000.0),
    ("2026-12-31", 800_000.0),
)
# Log of initial claims: they stay high for a year after the crash.
LAY_OFFS: Anchors = (
    ("2020-03-07", 0.0),
    ("2020-04-04", 2.6),
    ("2020-08-01", 1.4),
    ("2021-06-30", 0.3),
    ("2021-12-31", 0.0),
)

# --- sizes of the factors ---------------------------------------------------------------------------------------

MARKET_VOLATILITY = 0.0085  # daily; times a beta near 1 gives an index 15-20 % a year
MARKET_MEMORY = 0.980  # noise around the script has a half-life of seven weeks, so levels stay close to the script
VOLATILITY_MEMORY = 0.985
VOLATILITY_OF_VOLATILITY = 0.065
LEVERAGE = 0.7  # how much of a shock to volatility comes from a fall of the market
SIZE_VOLATILITY = 0.0048  # daily; small against large caps
CRYPTO_VOLATILITY = 0.029  # daily; together with the market and the lead, BTC has 60-70 % a year
CRYPTO_MEMORY = 0.997
CRYPTO_APPETITE = 6.0  # log crypto per unit of log appetite: prices rise three- to fivefold in a cycle
CRYPTO_MARKET_BETA = 1.2
CRYPTO_LEAD = 0.014  # log return of crypto per standard deviation of the size factor LEAD_SESSIONS earlier
ALTCOIN_APPETITE = 4.0  # log gain of altcoins over BTC per unit of log appetite
OWN_MEMORY = 0.995  # keeps the noise of an instrument small compared with its factors
LIQUIDITY_APPETITE = 0.8


@dataclass(frozen=True)
class Stock:
    """An index, fund or share: its first price and its response to each factor, as log return per unit."""

    price: float
    drift: float  # log total return a year beyond the factors
    beta: float = 0.0
    size: float = 0.0
    duration: float = 0.0  # years: percent lost per percentage point that the ten-year yield rises
    credit: float = 0.0  # years: percent lost per percentage point that the high-yield spread rises
    own: float = 0.0  # yearly volatility of its own noise
    income: float = 0.0  # dividends a year as a share of the price
    payments: int = 4  # dividends a year
    volume: float = 0.0  # typical shares per session; 0 for an index, which has no volume


@dataclass(frozen=True)
class Tracker:
    """A fund that tracks an index at a fixed part of its level, and accrues income until it is paid out."""

    index: str
    part: float
    income: float
    volume: float
    payments: int = 4


@dataclass(frozen=True)
class Coin:
    """A coin: its price on its first day, and its response to the crypto and altcoin factors from then on."""

    price: float
    listed: date
    beta: float
    alt: float = 1.0
    own: float = 0.55  # yearly volatility of its own noise
    drift: float = -0.15  # relative to BTC, which has the trend of crypto; most others lose against it over the years
    volume: float = 2e8  # typical USD per day
    supply: float | None = None  # coins in circulation; None if there is no market value
    ended: date | None = None


INDICES: Mapping[str, Stock] = {
    "RUT": Stock(640.0, 0.085, beta=1.10, size=1.0),
    "SPX": Stock(1130.0, 0.105, beta=1.00),
    "NDX": Stock(1880.0, 0.140, beta=1.08, size=-0.2, own=0.06),
    "IXIC": Stock(2300.0, 0.125, beta=1.06, size=-0.1, own=0.05),
    "DJI": Stock(10500.0, 0.090, beta=0.90, own=0.03),
}
TRACKERS: Mapping[str, Tracker] = {
    "IWM": Tracker("RUT", 0.100, income=0.013, volume=3.0e7),
    "SPY": Tracker("SPX", 0.100, income=0.017, volume=8.0e7),
    "QQQ": Tracker("NDX", 0.025, income=0.008, volume=4.5e7),
    "DIA": Tracker("DJI", 0.010, income=0.020, volume=4.0e6, payments=12),
}
FUNDS: Mapping[str, Stock] = {
    "RSP": Stock(41.0, 0.112, beta=1.02, size=0.25, own=0.02, income=0.016, volume=3.0e6),
    "MDY": Stock(132.0, 0.100, beta=1.06, size=0.60, own=0.03, income=0.012, volume=1.5e6),
    "IJR": Stock(55.0, 0.102, beta=1.10, size=0.95, own=0.03, income=0.013, volume=5.0e6),
    "IWC": Stock(40.0, 0.085, beta=1.12, size=1.30, own=0.05, income=0.011, volume=2.0e5),
    "EEM": Stock(42.0, 0.045, beta=1.05, size=0.20, own=0.11, income=0.022, payments=2, volume=4.0e7),
    "XLE": Stock(58.0, 0.070, beta=1.05, size=0.30, own=0.18, income=0.035, volume=1.8e7),
    "XLF": Stock(14.5, 0.110, beta=1.10, size=0.30, own=0.09, income=0.018, volume=5.0e7),
    "XLK": Stock(23.0, 0.150, beta=1.10, size=-0.20, own=0.06, income=0.009, volume=9.0e6),
    "XLP": Stock(26.5, 0.100, beta=0.60, size=-0.20, own=0.06, income=0.026, volume=1.0e7),
    "XLV": Stock(31.0, 0.115, beta=0.75, size=-0.10, own=0.07, income=0.016, volume=9.0e6),
    "XLY": Stock(30.0, 0.125, beta=1.10, size=0.10, own=0.06, income=0.009, volume=6.0e6),
    "KRE": Stock(22.0, 0.085, beta=1.15, size=0.90, own=0.16, income=0.025, volume=8.0e6),
    "XBI": Stock(18.5, 0.095, beta=1.15, size=0.80, own=0.22, volume=6.0e6),
    "GLD": Stock(110.0, 0.075, duration=3.0, own=0.14, volume=9.0e6),
    "TLT": Stock(91.0, 0.032, duration=16.5, own=0.03, income=0.030, payments=12, volume=1.8e7),
    "IEF": Stock(89.0, 0.024, duration=7.5, own=0.01, income=0.023, payments=12, volume=6.0e6),
    "LQD": Stock(105.0, 0.036, duration=8.0, credit=2.0, own=0.01, income=0.035, payments=12, volume=1.5e7),
    "HYG": Stock(88.0, 0.056, duration=2.0, credit=3.5, own=0.01, income=0.055, payments=12, volume=3.0e7),
}


def _shares() -> dict[str, Stock]:
    """Two groups of invented shares; each member differs a little from the one before."""
    numbers = range(1, GROUP_SIZE + 1)
    small_caps = {
        f"SC{n:02d}": Stock(
            18.0 + 5.0 * n,
            0.060 + 0.005 * n,
            beta=0.95 + 0.03 * n,
            size=0.80 + 0.05 * n,
            own=0.32,
            income=0.012 if n % 2 else 0.0,
            volume=4.0e5 + 5.0e4 * n,
        )
        for n in numbers
    }
    mega_caps = {
        f"MC{n:02d}": Stock(
            30.0 + 9.0 * n,
            0.090 + 0.006 * n,
            beta=0.80 + 0.04 * n,
            size=-0.15,
            own=0.20,
            income=0.015 if n % 3 else 0.0,
            volume=6.0e6 + 1.0e6 * n,
        )
        for n in numbers
    }
    return small_caps | mega_caps


SHARES: Mapping[str, Stock] = _shares()

COINS: Mapping[str, Coin] = {
    "BTC": Coin(11.0, date(2010, 7, 19), beta=1.0, alt=0.0, own=0.12, drift=0.0, volume=2e10, supply=1.9e7),
    "ETH": Coin(2.5, date(2013, 3, 1), beta=1.10, alt=0.4, own=0.35, drift=0.0, volume=1e10, supply=1.2e8),
    "LTC": Coin(0.6, date(2011, 10, 13), beta=1.00, drift=-0.35, volume=4e8, supply=7.0e7),
    "XRP": Coin(0.005, date(2012, 6, 1), beta=1.00, drift=-0.25, volume=1.5e9, supply=5.0e10),
    "DOGE": Coin(0.0004, date(2013, 1, 15), beta=1.10, own=0.70, drift=0.0, volume=9e8, supply=1.4e11),
    "XLM": Coin(0.003, date(2013, 6, 5), beta=1.05, volume=1.5e8, supply=2.8e10),
    "ETC": Coin(0.9, date(2013, 10, 1), beta=1.05, volume=1e8, ended=ANSWERS.died[1]),
    "BNB": Coin(0.7, date(2014, 2, 1), beta=1.00, drift=0.05, volume=1.2e9, supply=1.5e8),
    "ADA": Coin(0.02, date(2014, 6, 1), beta=1.10, volume=6e8, supply=3.4e10),
    "TRX": Coin(0.004, date(2014, 9, 1), beta=0.95, volume=5e8, supply=9.0e10),
    "LINK": Coin(0.2, date(2015, 1, 10), beta=1.10, volume=5e8, supply=5.5e8),
    "BCH": Coin(9.0, date(2015, 5, 4), beta=1.05, volume=4e8, supply=1.9e7),
    "ATOM": Coin(0.15, date(2015, 9, 7), beta=1.15, volume=2e8),
    "SOL": Coin(1.3, date(2018, 4, 10), beta=1.20, own=0.70, drift=0.15, volume=2.5e9, supply=4.5e8),
    "AVAX": Coin(4.2, date(2020, 9, 22), beta=1.15, own=0.65, volume=4e8),
    "SUI": Coin(1.2, ANSWERS.listed_last[1], beta=1.20, own=0.70, volume=8e8),
}


# --- building blocks --------------------------------------------------------------------------------------------


def _day_numbers(days: pd.DatetimeIndex) -> Floats:
    return np.asarray(days.to_numpy().astype("datetime64[D]").astype(np.float64))


def _path(days: pd.DatetimeIndex, anchors: Anchors, delay: int = 0) -> Floats:
    """Straight lines between the anchors, `delay` calendar days later; constant before the first and after the last."""
    at = np.array([day for day, _ in anchors], dtype="datetime64[D]").astype(np.float64)
    return np.asarray(np.interp(_day_numbers(days) - delay, at, [value for _, value in anchors]), dtype=np.float64)


def _mean_reverting(shocks: Floats, memory: float) -> Floats:
    """level = memory * level before + shock, along the first axis."""
    levels = np.empty_like(shocks)
    level = np.zeros_like(shocks[0])
    for row, shock in enumerate(shocks):
        level = memory * level + shock
        levels[row] = level
    return levels


def _changes(levels: Floats) -> Floats:
    return np.diff(levels, prepend=levels[:1])


def _significant(values: Floats, digits: int = 6) -> Floats:
    """Rounded to `digits` significant digits."""
    exponent = np.floor(np.log10(values)) - (digits - 1)
    unit = 10.0 ** np.abs(exponent)
    return np.asarray(np.where(exponent < 0, np.rint(values * unit) / unit, np.rint(values / unit) * unit))


def _cents(values: Floats) -> Floats:
    return np.round(values, 2)


@dataclass(frozen=True)
class Days:
    """The calendar days, which of them are equity sessions, and the random numbers: one per day and purpose."""

    seed: int
    every: pd.DatetimeIndex
    sessions: pd.DatetimeIndex

    @cached_property
    def session_places(self) -> Places:
        return np.asarray(self.every.get_indexer(self.sessions), dtype=np.int64)

    def noise(self, purpose: str) -> Floats:
        """Normal numbers, one per calendar day. The same day and purpose always get the same number."""
        bits = np.random.PCG64(np.random.SeedSequence([self.seed, zlib.crc32(purpose.encode())]))
        return np.random.Generator(bits).standard_normal(len(self.every))

    def session_noise(self, purpose: str) -> Floats:
        return self.noise(purpose)[self.session_places]

    def years(self, days: pd.DatetimeIndex) -> Floats:
        return (_day_numbers(days) - _day_numbers(self.every[:1])) / DAYS_PER_YEAR

    def carried(self, on_sessions: Floats) -> Floats:
        """Values per session as values per calendar day: each day has the value of the latest session."""
        latest = np.searchsorted(self.session_places, np.arange(len(self.every)), side="right") - 1
        return np.asarray(on_sessions[latest])

    def placed(self, on_sessions: Floats) -> Floats:
        """Returns per session as returns per calendar day: zero on days without a session."""
        everywhere = np.zeros(len(self.every))
        everywhere[self.session_places] = on_sessions
        return everywhere


# --- factors ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Factors:
    """The factors, per equity session (fear, market, size, ten_year, spread) or per calendar day (crypto, alt)."""

    fear: Floats  # log volatility relative to its normal level
    market: Floats  # log level
    size: Floats  # log level, small against large caps
    ten_year: Floats  # percent
    spread: Floats  # high-yield spread, percentage points
    crypto: Floats  # log level
    alt: Floats  # log level, altcoins against BTC


def _build_factors(days: Days) -> Factors:
    shock = days.session_noise("market")
    fear = _fear(days, shock)
    market = _market(days, shock, fear)
    size_shock = days.session_noise("size")
    size_volatility = SIZE_VOLATILITY * np.exp(0.5 * fear)
    size = _mean_reverting(size_volatility * size_shock, MARKET_MEMORY)
    crypto = _crypto(days, market, _changes(size) / size_volatility)
    return Factors(
        fear=fear,
        market=market,
        size=size,
        ten_year=_ten_year(days, shock),
        spread=_spread(fear, market),
        crypto=crypto,
        alt=_alt(days),
    )


def _fear(days: Days, market_shock: Floats) -> Floats:
    """Stochastic volatility, which clusters and rises when the market falls."""
    own = days.session_noise("volatility")
    shocks = VOLATILITY_OF_VOLATILITY * (np.sqrt(1 - LEVERAGE**2) * own - LEVERAGE * market_shock)
    return _mean_reverting(shocks, VOLATILITY_MEMORY) + _path(days.sessions, CRASH_FEAR)


def _market(days: Days, shock: Floats, fear: Floats) -> Floats:
    """The script (appetite, crash, false breakout) plus noise, whose size follows the fear of the day before."""
    script = sum(_path(days.sessions, part) for part in (APPETITE, CRASH, FALSE_BREAKOUT))
    fear_before = np.concatenate([[0.0], fear[:-1]])
    return np.asarray(script + _mean_reverting(MARKET_VOLATILITY * np.exp(fear_before) * shock, MARKET_MEMORY))


def _ten_year(days: Days, market_shock: Floats) -> Floats:
    """The ten-year yield in percent. It moves five basis points a day, in part together with the market."""
    shocks = 0.05 * (0.3 * market_shock + 0.95 * days.session_noise("ten-year yield"))
    return np.maximum(_path(days.sessions, TEN_YEAR_YIELD) + _mean_reverting(shocks, 0.985), 0.3)


def _spread(fear: Floats, market: Floats) -> Floats:
    """The high-yield spread in percentage points: wide when the market is low, and slowly wider with fear."""
    slow_fear = _mean_reverting(0.05 * fear, 0.95)
    return np.asarray(4.3 * np.exp(0.35 * slow_fear - 1.5 * market))


def _crypto(days: Days, market: Floats, size_scaled: Floats) -> Floats:
    """Trend, a late and strong response to appetite, and shocks: its own, the market's and the past size factor's."""
    leading = np.concatenate([np.zeros(LEAD_SESSIONS), size_scaled[:-LEAD_SESSIONS]])
    heat = _mean_reverting(0.07 * days.noise("crypto volatility"), VOLATILITY_MEMORY)
    shocks = (
        CRYPTO_VOLATILITY * np.exp(heat - 0.08) * days.noise("crypto")  # 0.08: half the variance, so the mean stays
        + CRYPTO_MARKET_BETA * days.placed(_changes(market))
        + CRYPTO_LEAD * days.placed(leading)
    )
    slow = CRYPTO_APPETITE * _path(days.every, APPETITE, STAGE_DELAYS["crypto_majors"])
    return np.asarray(_path(days.every, CRYPTO_TREND) + slow + _mean_reverting(shocks, CRYPTO_MEMORY))


def _alt(days: Days) -> Floats:
    """The gain of altcoins over BTC: the last stage of the cycle."""
    slow = ALTCOIN_APPETITE * _path(days.every, APPETITE, STAGE_DELAYS["altcoins"])
    return np.asarray(slow + _mean_reverting(0.010 * days.noise("altcoins"), 0.99))


# --- bars -------------------------------------------------------------------------------------------------------


def _bars(
    id_: str,
    on: pd.DatetimeIndex,
    prices: Mapping[str, Floats],
    volume: Floats,
) -> pd.DataFrame:
    """A frame of the bars contract. adj_close is unknown, as the total return follows from prices and dividends."""
    return pd.DataFrame(
        {"instrument_id": id_, "session_date": on, **prices, "adj_close": np.nan, "volume": volume},
    )


def _ohlc(close: Floats, opened: Floats, reach: Floats, up: Floats, down: Floats) -> dict[str, Floats]:
    """Prices of a day with that open and close, whose range goes a little beyond both (`reach`: log units)."""
    return {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(reach * np.abs(up)),
        "low": np.minimum(opened, close) * np.exp(-reach * np.abs(down)),
        "close": close,
    }


def _volume(typical: float, fear: Floats, noise: Floats) -> Floats:
    """Around its typical size, larger with fear, and autocorrelated."""
    return np.asarray(typical * np.exp(0.4 * fear + _mean_reverting(0.22 * noise, 0.6)))


# --- equities ---------------------------------------------------------------------------------------------------


def _stock_level(id_: str, stock: Stock, days: Days, factors: Factors) -> Floats:
    """The price of a stock that would keep all its income."""
    own = stock.own / np.sqrt(SESSIONS_PER_YEAR) * days.session_noise(f"{id_} own")
    log_return = (
        stock.drift * days.years(days.sessions)
        + stock.beta * (factors.market - factors.market[0])
        + stock.size * (factors.size - factors.size[0])
        - stock.duration / 100 * (factors.ten_year - factors.ten_year[0])
        - stock.credit / 100 * (factors.spread - factors.spread[0])
        + _mean_reverting(own, OWN_MEMORY)
    )
    return np.asarray(stock.price * np.exp(log_return))


def _tracker_level(id_: str, tracker: Tracker, index: Floats, days: Days) -> Floats:
    """The level of the index plus accrued income, with a tracking error of 0.03 % a day."""
    accrued = tracker.income * days.years(days.sessions)
    return np.asarray(tracker.part * index * np.exp(accrued + 0.0003 * days.session_noise(f"{id_} own")))


def _ex_dates(sessions: pd.DatetimeIndex, payments: int) -> Places:
    """The places of the ex-dates: the twelfth session of every paying month, the last of which is December."""
    month = np.asarray(sessions.year * 12 + sessions.month)
    nth = pd.Series(month).groupby(month).cumcount().to_numpy()
    pays = np.asarray(sessions.month) % (12 // payments) == 0
    return np.asarray(np.flatnonzero((nth == 11) & pays), dtype=np.int64)


def _actions(id_: str, on: pd.DatetimeIndex, kind: str, values: Floats) -> pd.DataFrame:
    return pd.DataFrame({"instrument_id": id_, "ex_date": on, "kind": kind, "value": values})


def _pay_out(id_: str, level: Floats, income: float, payments: int, days: Days) -> tuple[Floats, pd.DataFrame]:
    """The close, which falls by each dividend, and the dividends."""
    places = _ex_dates(days.sessions, payments) if income else np.array([], dtype=np.int64)
    share = income / payments
    is_ex_date = np.zeros(len(level))
    is_ex_date[places] = 1
    close = level * (1 - share) ** np.cumsum(is_ex_date)
    dividends = np.round(_cents(close)[places - 1] * share, 4)
    return close, _actions(id_, days.sessions[places], "dividend", dividends)


def _equity_bars(id_: str, close: Floats, returns: Floats, like: Stock, days: Days, factors: Factors) -> pd.DataFrame:
    """Bars around a close. Most of the return comes overnight, and the range follows the volatility of `like`."""
    volatility = (
        MARKET_VOLATILITY * like.beta * np.exp(factors.fear)
        + like.own / np.sqrt(SESSIONS_PER_YEAR)
        + like.duration / 100 * 0.05
    )
    reach = 0.5 * volatility
    opened = close * np.exp(-0.4 * returns + 0.3 * reach * days.session_noise(f"{id_} open"))
    prices = _ohlc(close, opened, reach, days.session_noise(f"{id_} high"), days.session_noise(f"{id_} low"))
    volume = (
        np.round(_volume(like.volume, factors.fear, days.session_noise(f"{id_} volume")), -2)
        if like.volume
        else np.full(len(close), np.nan)
    )
    return _bars(id_, days.sessions, {name: _cents(values) for name, values in prices.items()}, volume)


def _fear_index(days: Days, factors: Factors) -> pd.DataFrame:
    """VIX: never below nine, normally about eighteen, sixty in the crash."""
    close = (9.0 + 8.5 * np.exp(factors.fear)) * np.exp(0.01 * days.session_noise("VIX own"))
    like = Stock(close[0], 0.0, own=0.8)
    return _equity_bars("VIX", close, _changes(np.log(close)), like, days, factors)


def _build_equities(days: Days, factors: Factors) -> dict[str, dict[str, pd.DataFrame]]:
    """The tables per instrument: bars, and actions if it pays dividends or splits."""
    tables = {"VIX": {"equity_bars": _fear_index(days, factors)}}
    stocks = {**INDICES, **FUNDS, **SHARES}
    levels = {id_: _stock_level(id_, stock, days, factors) for id_, stock in stocks.items()}
    for id_, fund in TRACKERS.items():
        levels[id_] = _tracker_level(id_, fund, levels[fund.index], days)
        stocks[id_] = replace(INDICES[fund.index], volume=fund.volume, income=fund.income, payments=fund.payments)
    for id_, stock in stocks.items():
        close, actions = _pay_out(id_, levels[id_], stock.income, stock.payments, days)
        tables[id_] = {"equity_bars": _equity_bars(id_, close, _changes(np.log(levels[id_])), stock, days, factors)}
        if id_ == OLD_SPLIT.instrument_id:
            actions = _with_split(actions, OLD_SPLIT)
        if len(actions):
            tables[id_]["equity_actions"] = actions
    return tables


def _with_split(actions: pd.DataFrame, split: PlantedSplit) -> pd.DataFrame:
    on = pd.DatetimeIndex([pd.Timestamp(split.ex_date)])
    added = pd.concat([actions, _actions(split.instrument_id, on, "split", np.array([split.ratio]))])
    return added.sort_values("ex_date", ignore_index=True)


def _restated(tables: Mapping[str, pd.DataFrame], split: PlantedSplit) -> dict[str, pd.DataFrame]:
    """What a vendor delivers after a split: earlier prices and dividends divided by its ratio, volumes multiplied."""
    bars, actions = tables["equity_bars"].copy(), tables["equity_actions"].copy()
    # The sessions after the split too, as the generated path is in old shares.
    bars[["open", "high", "low", "close"]] /= split.ratio
    bars["volume"] *= split.ratio
    actions["value"] /= split.ratio
    return {"equity_bars": bars, "equity_actions": _with_split(actions, split)}


def _groups() -> pd.DataFrame:
    """The groups of shares: every share is a member from the first day on."""
    members = [(MEGA_CAPS if id_.startswith("MC") else SMALL_CAPS, id_) for id_ in SHARES]
    frame = pd.DataFrame(members, columns=["group_id", "instrument_id"])
    frame["valid_from"] = pd.Timestamp(FIRST_DAY)
    frame["valid_to"] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[ns]")
    return frame


# --- coins ------------------------------------------------------------------------------------------------------

DEATH_DAYS = 45  # a dying coin loses nine tenths in its last six weeks
DEATH_LOSS = 2.3


def _coin_close(id_: str, coin: Coin, alive: Places, days: Days, factors: Factors) -> Floats:
    on = days.every[alive]
    own = coin.own / np.sqrt(DAYS_PER_YEAR) * days.noise(f"{id_} own")[alive]
    log_return = (
        coin.drift * (days.years(on) - days.years(on[:1]))
        + coin.beta * (factors.crypto[alive] - factors.crypto[alive[0]])
        + coin.alt * (factors.alt[alive] - factors.alt[alive[0]])
        + _mean_reverting(own, OWN_MEMORY)
    )
    if coin.ended:
        days_left = _day_numbers(pd.DatetimeIndex([coin.ended])) - _day_numbers(on)
        log_return = log_return - DEATH_LOSS * np.clip(1 - days_left / DEATH_DAYS, 0, 1)
    return np.asarray(coin.price * np.exp(log_return))


def _build_coin(
    id_: str, coin: Coin, days: Days, factors: Factors, close_only_before: date | None
) -> dict[str, pd.DataFrame]:
    """The bars of a coin, and its market value if its supply is known, on the days that it was listed."""
    is_alive = (days.every >= pd.Timestamp(coin.listed)) & (days.every <= pd.Timestamp(coin.ended or days.every[-1]))
    alive = np.asarray(np.flatnonzero(is_alive), dtype=np.int64)
    on = days.every[alive]
    close = _coin_close(id_, coin, alive, days, factors)
    opened = np.concatenate([close[:1], close[:-1]])  # a market without a night
    reach = np.full(len(close), 0.4 * (CRYPTO_VOLATILITY * coin.beta + coin.own / np.sqrt(DAYS_PER_YEAR)))
    exact = _ohlc(close, opened, reach, days.noise(f"{id_} high")[alive], days.noise(f"{id_} low")[alive])
    prices = {name: _significant(values) for name, values in exact.items()}
    if close_only_before:
        for name in ("open", "high", "low"):
            prices[name][on < pd.Timestamp(close_only_before)] = np.nan
    # The traded dollars grow with the price level of crypto, which ends near the last anchor of its trend.
    typical = coin.volume * np.exp(0.8 * (factors.crypto[alive] - CRYPTO_TREND[-1][1]))
    volume = typical * _volume(1.0, days.carried(factors.fear)[alive], days.noise(f"{id_} volume")[alive])
    tables = {"crypto_bars": _bars(id_, on, prices, _significant(volume))}
    if coin.supply:
        # Two percent of today's supply is issued a year.
        supply = coin.supply * (1 - 0.02 * (2026 - 2010 - days.years(on)))
        market_cap = _significant(prices["close"] * supply)
        tables["crypto_market_caps"] = pd.DataFrame(
            {"instrument_id": id_, "session_date": on, "market_cap_usd": market_cap}
        )
    return tables


# --- macro ------------------------------------------------------------------------------------------------------

Rhythm = Literal["every day", "business day", "session", "wednesday", "friday", "saturday", "month"]


@dataclass(frozen=True)
class MacroSeries:
    """When a series is observed, and how many decimals it has."""

    rhythm: Rhythm
    decimals: int
    # Days from the observation date until it is public. What was not public on the last day is not delivered.
    published_after: int
    begins: date = FIRST_DAY


MACRO: Mapping[str, MacroSeries] = {
    "WALCL": MacroSeries("wednesday", 0, published_after=1),
    "WTREGEN": MacroSeries("wednesday", 0, published_after=1),
    "WRESBAL": MacroSeries("wednesday", 0, published_after=1),
    "RRPONTSYD": MacroSeries("business day", 3, published_after=0),
    "SOFR": MacroSeries("business day", 2, published_after=1, begins=date(2018, 4, 3)),
    "DFF": MacroSeries("every day", 2, published_after=1),
    "EFFR": MacroSeries("business day", 2, published_after=1),
    "DGS2": MacroSeries("business day", 2, published_after=0),
    "DGS10": MacroSeries("business day", 2, published_after=0),
    "T10Y2Y": MacroSeries("business day", 2, published_after=0),
    "T10YIE": MacroSeries("business day", 2, published_after=0),
    "BAMLH0A0HYM2": MacroSeries("business day", 2, published_after=1),
    "BAMLC0A0CM": MacroSeries("business day", 2, published_after=1),
    "VIXCLS": MacroSeries("session", 2, published_after=1),
    "DTWEXBGS": MacroSeries("business day", 4, published_after=5),
    "NFCI": MacroSeries("friday", 5, published_after=5),
    "ICSA": MacroSeries("saturday", -3, published_after=5),
    "M2SL": MacroSeries("month", 1, published_after=53),
    "CPIAUCSL": MacroSeries("month", 3, published_after=43),
    "UNRATE": MacroSeries("month", 1, published_after=36),
}
WEEKDAYS = {"wednesday": 2, "friday": 4, "saturday": 5}
# If the normal number of a day is above this (three days in a thousand), the series has no value on it.
HOLE = 2.75


def _observed(id_: str, series: MacroSeries, days: Days) -> Places:
    """The places among all days on which the series has a value."""
    every = days.every
    if series.rhythm == "every day":
        is_observed = np.full(len(every), True)
    elif series.rhythm == "month":
        is_observed = np.asarray(every.day == 1)
    elif series.rhythm in WEEKDAYS:
        is_observed = np.asarray(every.day_of_week == WEEKDAYS[series.rhythm])
    else:
        is_observed = np.isin(np.arange(len(every)), days.session_places)
        if series.rhythm == "business day":
            is_observed &= ~_is_bond_holiday(every) & (days.noise(f"{id_} holes") < HOLE)
    is_public = every <= every[-1] - pd.Timedelta(days=series.published_after)
    return np.asarray(np.flatnonzero(is_observed & is_public & (every >= pd.Timestamp(series.begins))), dtype=np.int64)


def _is_bond_holiday(every: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
    """Days on which shares trade and bonds do not: the second Monday of October, and the eleventh of November."""
    columbus = (every.month == 10) & (every.day_of_week == 0) & (every.day > 7) & (every.day <= 14)
    return np.asarray(columbus | ((every.month == 11) & (every.day == 11)))


def _around(days: Days, id_: str, daily: float, memory: float) -> Floats:
    """Mean-reverting noise of one series, per calendar day."""
    return _mean_reverting(daily * days.noise(f"{id_} own"), memory)


def _build_liquidity(days: Days) -> dict[str, Floats]:
    """The parts of net liquidity, made so that net liquidity is a trend plus an early response to appetite."""
    every = days.every
    appetite = _path(every, APPETITE, STAGE_DELAYS["liquidity"])
    noise = _around(days, "net liquidity", 0.0015, 0.95)
    net = 2_000_000 * np.exp(0.055 * days.years(every) + LIQUIDITY_APPETITE * appetite + noise)
    account = _path(every, TREASURY_ACCOUNT) * np.exp(_around(days, "WTREGEN", 0.03, 0.97))
    reverse_repo = _path(every, REVERSE_REPO) * np.exp(_around(days, "RRPONTSYD", 0.05, 0.90))
    assets = net + account + 1000 * reverse_repo  # USD millions; reverse repo is in billions
    return {"WALCL": assets, "WTREGEN": account, "RRPONTSYD": reverse_repo, "WRESBAL": 0.62 * net}


def _build_rates(days: Days, factors: Factors) -> dict[str, Floats]:
    every = days.every
    policy = np.round(_path(every, POLICY_RATE) * 4) / 4 + 0.10  # moves by quarters of a percent
    funds = policy + 0.008 * days.noise("DFF own")
    is_quarter_end = np.asarray((every.month % 3 == 0) & (every.day >= 30))
    ten_year = days.carried(factors.ten_year)
    # The two-year yield anticipates the policy rate by half a year.
    two_year = np.maximum(_path(every, POLICY_RATE, -180) + 0.35 + _around(days, "DGS2", 0.03, 0.98), 0.1)
    return {
        "DFF": funds,
        "EFFR": funds,
        "SOFR": policy - 0.03 + 0.015 * days.noise("SOFR own") + 0.15 * is_quarter_end,
        "DGS2": two_year,
        "DGS10": ten_year,
        "T10Y2Y": np.round(ten_year, 2) - np.round(two_year, 2),
        "T10YIE": 2.1 + 0.15 * (ten_year - 2.5) + _around(days, "T10YIE", 0.02, 0.99),
    }


def _build_conditions(days: Days, factors: Factors, fear_index: pd.DataFrame) -> dict[str, Floats]:
    fear, spread = days.carried(factors.fear), days.carried(factors.spread)
    market = days.carried(factors.market)
    dollar = 0.015 * days.years(days.every) - 0.25 * market + _around(days, "DTWEXBGS", 0.003, 0.99)
    return {
        "BAMLH0A0HYM2": spread,
        "BAMLC0A0CM": 0.3 * spread + _around(days, "BAMLC0A0CM", 0.01, 0.97),
        "VIXCLS": days.carried(fear_index["close"].to_numpy()),
        "DTWEXBGS": 92 * np.exp(dollar),
        "NFCI": -0.55 + 0.25 * fear + 0.06 * (spread - 4.3) + _around(days, "NFCI", 0.005, 0.97),
    }


def _build_economy(days: Days) -> dict[str, Floats]:
    years, lay_offs = days.years(days.every), _path(days.every, LAY_OFFS)
    return {
        "ICSA": 380_000 * np.exp(-0.035 * years + lay_offs + _around(days, "ICSA", 0.02, 0.9)),
        "M2SL": 8_450 * np.exp(0.060 * years + _around(days, "M2SL", 0.0005, 0.95)),
        "CPIAUCSL": 217.0 * np.exp(0.025 * years + _around(days, "CPIAUCSL", 0.0002, 0.95)),
        "UNRATE": 4.0 + 5.5 * np.exp(-0.25 * years) + 3.5 * lay_offs + _around(days, "UNRATE", 0.02, 0.95),
    }


def _build_macro(days: Days, factors: Factors, fear_index: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The observations per series."""
    values = {
        **_build_liquidity(days),
        **_build_rates(days, factors),
        **_build_conditions(days, factors, fear_index),
        **_build_economy(days),
    }
    frames = {}
    for id_, series in MACRO.items():
        places = _observed(id_, series, days)
        frames[id_] = pd.DataFrame(
            {
                "series_id": id_,
                "observation_date": days.every[places],
                "value": np.round(values[id_][places], series.decimals),
            }
        )
    return frames


# --- the source -------------------------------------------------------------------------------------------------

_DATE_COLUMNS = ("session_date", "ex_date", "observation_date")


def synthetic_universe(universe: Universe) -> Universe:
    """The universe for this market: every name says synthetic, and the coin that ends here has a last day.

    Coins that this market does not have are left out, so that they are not reported as missing.
    """
    died, last_bar = ANSWERS.died
    death = {"valid_to": last_bar, "valid_to_reason": "dies in the synthetic market"}
    instruments = tuple(
        i.model_copy(update={"name": f"{i.name} ({ORIGIN})", **(death if i.id == died else {})})
        for i in universe.instruments
        if i.kind != "coin" or i.id in COINS
    )
    series = tuple(s.model_copy(update={"name": f"{s.name} ({ORIGIN})"}) for s in universe.series)
    return universe.model_copy(update={"instruments": instruments, "series": series})


@dataclass
class DemoSource:
    """The synthetic market as a source. It is generated once, at the first fetch.

    It delivers the instruments and series that the universe lists, and two groups of invented shares.

    Attributes:
        universe: The universe, see `synthetic_universe`.
        sessions: The equity calendar, at least from FIRST_DAY to the last day.
        seed: The seed of all randomness.
        is_after_split: The same market five sessions later, after RESTATED_SPLIT restated the history of one share.
    """

    universe: Universe
    sessions: pd.DatetimeIndex
    seed: int = SEED
    is_after_split: bool = False
    name: str = field(default=DEMO, init=False)
    is_synthetic: bool = field(default=True, init=False)
    has_clock: bool = field(default=False, init=False)

    @property
    def last_day(self) -> date:
        return LAST_DAY_AFTER_SPLIT if self.is_after_split else LAST_DAY

    def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
        """Yield one result per instrument or series in the order of the universe, then the shares and their groups."""
        everything = {"equity": self._equities, "crypto": self._coins, "macro": self._macro}
        for id_, tables in everything[request.asset_class].items():
            if request.wants(id_):
                since = request.since.get(id_)
                yield FetchResult(
                    id_, ORIGIN, {name: _from(frame, since) for name, frame in tables.items()}, since=since
                )

    def on_stored(self, asset_class: AssetClass) -> None:
        """Do nothing: this source keeps no cache."""

    @cached_property
    def _days(self) -> Days:
        first, last = pd.Timestamp(FIRST_DAY), pd.Timestamp(self.last_day)
        sessions = self.sessions[(self.sessions >= first) & (self.sessions <= last)]
        if sessions.empty or sessions[0] != first or sessions[-1] != last:
            raise SourceError(f"the synthetic market needs the equity sessions from {FIRST_DAY} to {self.last_day}")
        return Days(self.seed, pd.date_range(first, last), sessions)

    @cached_property
    def _factors(self) -> Factors:
        return _build_factors(self._days)

    @cached_property
    def _all_equities(self) -> dict[str, dict[str, pd.DataFrame]]:
        return _build_equities(self._days, self._factors)

    @cached_property
    def _equities(self) -> dict[str, dict[str, pd.DataFrame]]:
        known = [i.id for i in self.universe.instruments if i.id in self._all_equities]
        wanted = {id_: self._all_equities[id_] for id_ in (*known, *SHARES)}
        if self.is_after_split:
            split_id = RESTATED_SPLIT.instrument_id
            wanted[split_id] = _restated(wanted[split_id], RESTATED_SPLIT)
        return {**wanted, "groups": {"group_members": _groups()}}

    @cached_property
    def _coins(self) -> dict[str, dict[str, pd.DataFrame]]:
        return {
            i.id: _build_coin(i.id, COINS[i.id], self._days, self._factors, i.reconstructed_before)
            for i in self.universe.instruments
            if i.id in COINS
        }

    @cached_property
    def _macro(self) -> dict[str, dict[str, pd.DataFrame]]:
        frames = _build_macro(self._days, self._factors, self._all_equities["VIX"]["equity_bars"])
        return {s.id: {"macro_observations": frames[s.id]} for s in self.universe.series if s.id in frames}


def _from(frame: pd.DataFrame, since: date | None) -> pd.DataFrame:
    """A copy of the rows from a day on."""
    column = next((name for name in _DATE_COLUMNS if name in frame), None)
    if since is None or column is None:
        return frame.copy()
    return frame[frame[column] >= pd.Timestamp(since)].reset_index(drop=True)
