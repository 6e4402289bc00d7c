"""What becomes of every fault that a vendor was seen to have: what is stored, rejected and reported.

A desk has loaded everything on Wednesday. On Thursday each symbol and each series meets a fault of its own; on Friday
the vendors are well again. docs/faults.md is the table of what these tests show.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import pandas as pd
import pytest
from desk import Desk, Refreshed, live_source, sell
from standin import PRICES, Fault, StandinMarket, VendorStandin, forget_vendors

from assets.config.calendars import EQUITY_CALENDAR
from assets.config.universe import Instrument, Series, SymbolSpan, Targets, Universe

FIRST, LAST = date(2025, 6, 2), date(2025, 12, 12)
WEDNESDAY, THURSDAY, FRIDAY = date(2025, 12, 10), date(2025, 12, 11), LAST
# An hour after the close of New York: equity bars are final, the coins' day goes on.
AT = {day: f"{day} 22:00" for day in (WEDNESDAY, THURSDAY, FRIDAY)}
# The vendor forgets this session on Thursday.
FORGOTTEN = date(2025, 12, 3)

pytestmark = pytest.mark.slow

Change = Callable[[StandinMarket, str], None]


@dataclass(frozen=True)
class Case:
    """A fault of one symbol or series on Thursday, and its expected result.

    `fault` is what the stand-in does, `change` what has become of the market. `failure` and `rejection` are patterns of
    what is reported (None: nothing). `has_thursday`: whether Thursday's value is stored on Thursday. `vanished`
    are the stored days that the delivery lacked; `kinds` are the restatements on Thursday.
    """

    id: str
    fault: Fault | None = None
    change: Change | None = None
    failure: str | None = None
    rejection: str | None = None
    has_thursday: bool = False
    vanished: tuple[date, ...] = ()
    kinds: tuple[str, ...] = ()


def _bars(market: StandinMarket, symbol: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    known = market.symbols[symbol]
    market.symbols[symbol] = dataclasses.replace(known, bars=change(known.bars.copy()))


def _times(factor: float, since: date = date.min) -> Change:
    """All prices from a day on times a factor, and nothing else."""

    def scaled(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[bars["date"].dt.date >= since, list(PRICES)] *= factor
        return bars

    return lambda market, symbol: _bars(market, symbol, scaled)


def _another(market: StandinMarket, symbol: str) -> None:
    """The prices of something else under the symbol."""
    other = StandinMarket.small(["STRANGER-USD"], sessions=[FIRST, LAST]).symbols["STRANGER-USD"].bars

    def replaced(bars: pd.DataFrame) -> pd.DataFrame:
        bars[list(PRICES)] = other[list(PRICES)].to_numpy()[: len(bars)] * 0.0003
        return bars

    _bars(market, symbol, replaced)


def _without_last(count: int) -> Change:
    return lambda market, symbol: _bars(
        market, symbol, lambda bars: bars[bars["date"].dt.date <= THURSDAY].iloc[:-count]
    )


def _split(market: StandinMarket, symbol: str) -> None:
    market.split(symbol, THURSDAY, 4, 1)


def _corrected(market: StandinMarket, symbol: str) -> None:
    def moved(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[bars["date"].dt.date == FORGOTTEN, "close"] *= 1.001
        return bars

    _bars(market, symbol, moved)


NO_ANSWER = [
    Case("A404", Fault("not_found_404"), failure="404: Yahoo does not know A404"),
    Case("A401", Fault("invalid_crumb_401"), failure="401: .* [(]Invalid Crumb[)]"),
    Case("A429", Fault("too_many_429"), failure="429: Yahoo reports too many requests"),
    Case("A500", Fault("server_error_500"), failure="500: server error at Yahoo"),
    Case("LATE", Fault("timeout"), failure="timeout: Yahoo did not answer"),
    Case("RESET", Fault("reset"), failure="connection lost: Yahoo closed the connection"),
    Case("TORN", Fault("truncated_json"), failure="not JSON"),
    Case("HTML", Fault("html"), failure="not JSON"),
    Case("ODD", Fault("odd_shape"), failure="not a chart"),
    Case("EMPTY", Fault("empty_window"), failure="no sessions"),
    Case("OTHER", Fault("wrong_symbol"), failure="wrong symbol"),
    Case("PENCE", Fault("wrong_currency"), failure="wrong currency"),
]
BAD_ROWS = [
    Case(
        "NULLS",
        Fault("null_rows"),
        rejection="vendor sent the session without prices",
        has_thursday=True,
        vanished=(date(2025, 12, 8), WEDNESDAY),
        kinds=("vanished",),
    ),
    Case("NANLAST", Fault("all_nan_last_row"), rejection="vendor sent the session without prices"),
    Case("TWICE", Fault("duplicate_last_row"), rejection="different rows for the same key"),
    Case("NOVOLUME", Fault("zero_volume"), has_thursday=True),
    Case("UNVOLUME", Fault("missing_volume"), has_thursday=True),
    Case("X100", Fault("x100"), rejection=r"the price is [\d.]+ times that of the bars around it", has_thursday=True),
    Case("MINUS", Fault("negative_price"), rejection="is not a positive number", has_thursday=True),
    Case("SATURDAY", Fault("weekend_row"), rejection="the date is not a session of the calendar", has_thursday=True),
    Case("DOWN", Fault("descending"), has_thursday=True),
    Case(
        "HOLE",
        Fault("missing_session", day=FORGOTTEN),
        has_thursday=True,
        vanished=(FORGOTTEN,),
        kinds=("vanished",),
    ),
    Case("NEWHOLE", Fault("missing_session", day=THURSDAY)),
    Case("CORRECT", change=_corrected, has_thursday=True, kinds=("correction",)),
]
BAD_SYMBOLS = [
    Case(
        "SHORT",
        Fault("shorter", rows=5),
        failure="rejected, .*: 26 of 30 stored rows are missing",
        rejection="26 of 30",
    ),
    Case(
        "ENDED", change=_without_last(3), failure="it ends on 2025-12-08, but 2025-12-10 is stored", rejection="it ends"
    ),
    Case("SPLIT", change=_split, has_thursday=True, kinds=("split",)),
    Case("HALF", change=_times(0.25, FORGOTTEN), failure="a split of only a part", rejection="a split of only a part"),
    Case("UNIT", change=_times(100.0), failure="another unit", rejection="another unit"),
    Case("STRANGER", change=_another, failure="another instrument", rejection="another instrument"),
]
FUNDS = [*NO_ANSWER, *BAD_ROWS, *BAD_SYMBOLS]
COINS = [
    Case("UNI", change=_another, failure="another instrument", rejection="another instrument", has_thursday=False),
    Case("GONE", Fault("not_found_404"), failure="404"),
]
SERIES = [
    Case("S404", Fault("not_found_404"), failure="404: FRED does not know S404"),
    Case("SHTML", Fault("html"), failure="not CSV"),
    Case("SNONE", Fault("empty_body"), failure="empty: FRED sent nothing"),
    Case("SHEAD", Fault("wrong_heading"), failure="wrong heading"),
    Case("SOLD", Fault("old_format"), has_thursday=True),
    Case("SGARBLED", Fault("garbled_rows"), rejection="the date or the value cannot be read", has_thursday=True),
    Case("SSHORT", Fault("shorter", rows=5), failure="rejected, .*: 26 of 30 stored rows", rejection="26 of 30"),
]
HEALTHY = "WELL"


def _fund(id_: str) -> Instrument:
    return Instrument(id=id_, name=id_, asset_class="equity", kind="fund", role="other", yahoo=id_)


def _coin(id_: str) -> Instrument:
    return Instrument(id=id_, name=id_, asset_class="crypto", kind="coin", role="altcoin", yahoo=f"{id_}-USD")


def _series(id_: str) -> Series:
    return Series(id=id_, name=id_, unit="percent", frequency="daily", release="same day 16:16", stale_after_days=5)


UNIVERSE = Universe(
    instruments=(
        _fund(HEALTHY),
        *(_fund(case.id) for case in FUNDS),
        _coin("BTC"),
        *(_coin(case.id) for case in COINS),
        _coin("RENAMED").model_copy(
            update={
                "yahoo": (
                    SymbolSpan(symbol="OLD-USD", valid_to=date(2025, 9, 30)),
                    SymbolSpan(symbol="NEW-USD", valid_from=date(2025, 10, 1)),
                )
            }
        ),
        _coin("DEAD").model_copy(update={"valid_to": date(2025, 11, 1), "valid_to_reason": "delisted in this test"}),
    ),
    pairs=(),
    signals=(),
    targets=Targets(instruments=(), horizons_days=(7,)),
    series=(_series("RATE"), *(_series(case.id) for case in SERIES)),
)
NAMES = [HEALTHY, *(case.id for case in FUNDS), "BTC-USD", *(f"{case.id}-USD" for case in COINS)]


@dataclass(frozen=True)
class Week:
    """The desk after its three days: each day's reports, prices and restatements."""

    desk: Desk
    standin: VendorStandin
    market: StandinMarket
    refreshed: dict[date, Refreshed]
    prices: dict[date, dict[tuple[str, str], float]]
    kinds: dict[str, set[str]]
    asked: dict[date, dict[str, int]]


PRICES_NOW = "select instrument_id, session_date::varchar, close from core.bars"
VALUES_NOW = "select series_id, observation_date::varchar, value from core.macro"


def _prices(desk: Desk) -> dict[tuple[str, str], float]:
    rows = desk.connection.execute(f"{PRICES_NOW} union all {VALUES_NOW}").fetchall()
    return {(id_, day): value for id_, day, value in rows}


@pytest.fixture(scope="module")
def week(calendar_sessions: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    forget_vendors()
    is_in = (calendar_sessions["calendar"] == EQUITY_CALENDAR) & calendar_sessions["session_date"].between(
        pd.Timestamp(FIRST), pd.Timestamp(LAST)
    )
    sessions = list(calendar_sessions.loc[is_in, "session_date"].dt.date)
    symbols = [*NAMES, "OLD-USD", "NEW-USD", "DEAD-USD"]
    series = ["RATE", *(case.id for case in SERIES)]
    market = StandinMarket.small(symbols, series, sessions=sessions)
    with VendorStandin(market) as standin, pytest.MonkeyPatch.context() as patch:
        for name, value in {**standin.environment, "CASCADE_FRED_DELAY_SECONDS": "0"}.items():
            patch.setenv(name, value)
        desk = Desk(UNIVERSE, calendar_sessions, live_source(UNIVERSE, tmp_path_factory.mktemp("desk")))
        refreshed, prices, asked = {}, {}, {}
        cases = [*FUNDS, *COINS, *SERIES]
        coins = {case.id for case in COINS}
        for day in (WEDNESDAY, THURSDAY, FRIDAY):
            today = StandinMarket(dict(market.symbols), dict(market.series))
            standin.faults = {}
            if day == THURSDAY:
                for case in cases:
                    symbol = f"{case.id}-USD" if case.id in coins else case.id
                    if case.change:
                        case.change(today, symbol)
                    if case.fault:
                        standin.faults[symbol] = case.fault
            if day == FRIDAY:
                _split(today, "SPLIT")
                _corrected(today, "CORRECT")
            standin.requests.clear()
            sell(standin, today, day)
            refreshed[day] = desk.refresh(AT[day])
            asked[day] = {name: len(standin.asked(name)) for name in [*symbols, *series]}
            desk.build("core.bars_as_of", "core.macro_as_of", "meta.restatements", "meta.gaps", "meta.freshness")
            prices[day] = _prices(desk)
            if day == THURSDAY:
                kinds: dict[str, set[str]] = {}
                for id_, kind in desk.connection.execute("select distinct id, kind from meta.restatements").fetchall():
                    kinds.setdefault(id_, set()).add(kind)
        yield Week(desk, standin, market, refreshed, prices, kinds, asked)
        desk.connection.close()


CASES = pytest.mark.parametrize("case", [*FUNDS, *COINS, *SERIES], ids=lambda case: case.id)


def test_on_a_good_day_nothing_is_reported(week: Week) -> None:
    for day in (WEDNESDAY, FRIDAY):
        assert (week.refreshed[day].failures, week.refreshed[day].rejections) == ({}, {})
    assert week.prices[THURSDAY][HEALTHY, str(THURSDAY)] > 0


@CASES
def test_what_the_user_is_told(week: Week, case: Case) -> None:
    refreshed = week.refreshed[THURSDAY]
    failure, rejections = refreshed.failures.get(case.id), "; ".join(refreshed.rejections.get(case.id, ()))
    assert (failure is None) == (case.failure is None), failure
    assert re.search(case.failure or "", failure or ""), failure
    assert bool(rejections) == (case.rejection is not None), rejections
    assert re.search(case.rejection or "", rejections), rejections


@CASES
def test_what_is_stored(week: Week, case: Case) -> None:
    before, after = ({k: v for k, v in week.prices[d].items() if k[0] == case.id} for d in (WEDNESDAY, THURSDAY))
    # Nothing stored is lost, and nothing of the past moves but what was restated for a reason that is on record.
    assert before.keys() <= after.keys()
    moved = {day: after[id_, day] / before[id_, day] for id_, day in before if after[id_, day] != before[id_, day]}
    if case.id == "SPLIT":
        assert moved.keys() == {day for _, day in before}
        assert all(abs(ratio - 0.25) < 1e-6 for ratio in moved.values())
    elif case.id == "CORRECT":
        assert moved.keys() == {str(FORGOTTEN)}
    else:
        assert moved == {}
    assert ((case.id, str(THURSDAY)) in after) == case.has_thursday


@CASES
def test_what_is_on_record(week: Week, case: Case) -> None:
    assert week.kinds.get(case.id, set()) == set(case.kinds)
    vanished = {day for id_, day in week.refreshed[THURSDAY].vanished if id_ == case.id}
    assert vanished == {str(day) for day in case.vanished}


@CASES
def test_the_next_good_refresh_heals_everything(week: Week, case: Case) -> None:
    after = {day: value for (id_, day), value in week.prices[FRIDAY].items() if id_ == case.id}
    if case in SERIES:
        expected = {str(day): value for day, value in week.market.series[case.id]}
    else:
        today = StandinMarket(dict(week.market.symbols))
        symbol = f"{case.id}-USD" if case in COINS else case.id
        if case.id == "SPLIT":
            _split(today, symbol)
        if case.id == "CORRECT":
            _corrected(today, symbol)
        bars = today.symbols[symbol].bars
        expected = dict(zip(bars["date"].dt.date.map(str), bars["close"], strict=True))
    assert after == pytest.approx(expected, rel=1e-9)


def test_a_refresh_asks_for_what_may_have_changed_and_a_split_for_everything(week: Week) -> None:
    starts = {
        request.path.rpartition("/")[2]: request.query
        for request in week.standin.requests
        if request.path.startswith("/v8/finance/chart/") and "period1" in request.query
    }
    first = pd.Timestamp(int(starts[HEALTHY]["period1"]), unit="s", tz="UTC").date()
    # Thirty sessions back from Thursday, and the week before them that makes an empty answer a fault.
    assert first == date(2025, 10, 23)
    # On Thursday: once for the window, which shows the split, and once for the whole history.
    assert week.asked[THURSDAY]["SPLIT"] == week.asked[THURSDAY][HEALTHY] + 1


def test_what_is_dead_and_complete_is_not_asked_for(week: Week) -> None:
    assert week.asked[WEDNESDAY]["DEAD-USD"] > 0
    assert week.asked[THURSDAY]["DEAD-USD"] == week.asked[FRIDAY]["DEAD-USD"] == 0
    assert week.desk.rows("select status from meta.freshness where id = 'DEAD'") == [("ended",)]


def test_a_renamed_coin_is_one_series_and_only_its_last_name_is_asked_for(week: Week) -> None:
    assert (week.asked[WEDNESDAY]["OLD-USD"] > 0, week.asked[THURSDAY]["OLD-USD"]) == (True, 0)
    after = {day: value for (id_, day), value in week.prices[FRIDAY].items() if id_ == "RENAMED"}
    old, new = (week.market.symbols[name].bars.set_index("date")["close"] for name in ("OLD-USD", "NEW-USD"))
    expected = pd.concat([old[:"2025-09-30"], new["2025-10-01":]])
    assert after == {str(day.date()): value for day, value in expected.items()}


def test_a_split_moves_the_whole_history_and_no_clock(week: Week) -> None:
    # Nothing new became known about the sessions before it.
    assert week.desk.rows(
        "select count(*), count(distinct version) from core.bars "
        "where instrument_id = 'SPLIT' and session_date < ? and known_at = closes_at and version = 2",
        THURSDAY,
    ) == [(len([1 for id_, _ in week.prices[WEDNESDAY] if id_ == "SPLIT"]), 1)]
    before = week.desk.rows(
        "select close from core.bars_as_of(?) where instrument_id = 'SPLIT' and session_date = ?",
        f"{THURSDAY} 15:00:00+00",
        WEDNESDAY,
    )
    after = week.desk.rows(
        "select close from core.bars_as_of(?) where instrument_id = 'SPLIT' and session_date = ?",
        f"{FRIDAY} 15:00:00+00",
        WEDNESDAY,
    )
    assert before[0][0] == pytest.approx(4 * float(str(after[0][0])), rel=1e-6)


def test_a_correction_is_known_when_it_was_seen(week: Week) -> None:
    def close(at: str) -> object:
        query = "select close, known_at from core.bars_as_of(?) where instrument_id = 'CORRECT' and session_date = ?"
        return week.desk.rows(query, at, FORGOTTEN)[0]

    original = week.prices[WEDNESDAY]["CORRECT", str(FORGOTTEN)]
    assert close(f"{THURSDAY} 21:59:00+00") == (round(original, 9), f"{FORGOTTEN} 21:00")
    assert close(f"{THURSDAY} 22:00:00+00") == (round(original * 1.001, 9), f"{THURSDAY} 22:00")


def test_a_session_that_comes_a_day_late_but_in_order_leaves_no_gap(week: Week) -> None:
    rows = "select known_at from core.bars_as_of(?) where instrument_id = 'NEWHOLE' and session_date = ?"
    assert week.desk.rows(rows, f"{FRIDAY} 23:00:00+00", THURSDAY) == [(f"{THURSDAY} 21:00",)]
    assert week.desk.rows("select * from meta.gaps") == []
