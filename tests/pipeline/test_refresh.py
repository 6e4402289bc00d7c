"""What a refresh asks for and what it makes of the answer, day after day: windows, gaps, splits, restatements.

The source is a script, so that each test says exactly what the vendor sends. The same rules against real answers of the
vendors' software stand in test_vendor_faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from desk import Desk, Script

from assets.config.calendars import EQUITY_CALENDAR
from assets.config.universe import Instrument, Series, Targets, Universe
from assets.contracts.raw import RAW_TABLE
from assets.ingest.row_checks import read_stored
from assets.warehouse.connection import connect, prepare

MODELS = ("core.bars_as_of", "core.macro_as_of", "meta.restatements", "meta.gaps", "meta.freshness")
KEPT, CURE = "refused, and what is stored stays", "(--symbol IWM --accept takes it)"
UNIVERSE = Universe(
    instruments=(
        Instrument(id="IWM", name="Fund", asset_class="equity", kind="fund", role="small_cap"),
        Instrument(id="SPY", name="Fund", asset_class="equity", kind="fund", role="large_cap"),
        Instrument(id="BTC", name="Coin", asset_class="crypto", kind="coin", role="crypto_major"),
    ),
    pairs=(),
    signals=(),
    targets=Targets(instruments=(), horizons_days=(7,)),
    series=(
        Series(id="RATE", name="Rate", unit="percent", frequency="daily", release="same day 16:16", stale_after_days=9),
        Series(
            id="NFCI",
            name="Conditions",
            unit="index",
            frequency="weekly",
            release="next wednesday 08:30",
            stale_after_days=14,
            is_restated=True,
        ),
    ),
)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def desk(calendar_sessions: pd.DataFrame, script: Script) -> Desk:
    return Desk(UNIVERSE, calendar_sessions[calendar_sessions["session_date"] >= "2023-01-01"], lambda _: script)


@pytest.fixture
def sessions(calendar_sessions: pd.DataFrame) -> list[date]:
    """Sixty sessions of New York that end on Friday, 2024-03-08."""
    is_equity = calendar_sessions["calendar"] == EQUITY_CALENDAR
    days = list(calendar_sessions.loc[is_equity, "session_date"].dt.date)
    end = days.index(date(2024, 3, 8)) + 1
    return days[end - 60 : end]


def frame(days: Sequence[date], closes: Sequence[float], **more: Sequence[float | None]) -> pd.DataFrame:
    """Bars with nothing but a close, unless more is given."""
    return pd.DataFrame({"session_date": pd.to_datetime(list(days)), "close": closes, **more})


def prices(days: Sequence[date]) -> list[float]:
    """A slow and steady rise: each day has a price of its own."""
    return [100.0 + (day - date(2023, 12, 12)).days / 10 for day in days]


def sell(script: Script, days: Sequence[date], closes: Sequence[float] | None = None, id_: str = "IWM") -> None:
    script.answers.setdefault("equity_bars", {})[id_] = frame(days, closes or prices(days))


def after_close(day: date) -> str:
    return f"{day} 22:00"


# --- what is requested --------------------------------------------------------------------------------------------


def test_the_first_load_asks_for_everything_and_a_refresh_for_thirty_sessions(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    sell(script, sessions)
    told = desk.refresh(after_close(sessions[-1]))

    first, second = (question for question in script.questions if question.asset_class == "equity")
    assert (first.since, second.since) == ({}, {"IWM": sessions[-31]})
    assert told.stored == 1


@pytest.mark.slow
def test_the_cost_of_a_refresh_does_not_grow_with_history(desk: Desk, script: Script, sessions: list[date]) -> None:
    for count in (40, 60):
        sell(script, sessions[:count])
        desk.refresh(after_close(sessions[count - 1]))
        told = desk.refresh(after_close(sessions[count - 1]))
        assert sum(told.classes["equity"].rows_delivered.values()) == 30


@pytest.mark.slow
def test_full_asks_for_everything_again(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions)
    desk.refresh(after_close(sessions[-1]))
    told = desk.refresh(after_close(sessions[-1]), full=True)

    assert script.questions[-3].since == {}
    assert (told.classes["equity"].rows_delivered, told.stored) == ({"IWM": 60}, 0)


@pytest.mark.slow
def test_a_named_symbol_is_asked_for_alone_and_whole(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions)
    sell(script, sessions, id_="SPY")
    desk.refresh(after_close(sessions[-1]))
    told = desk.refresh(after_close(sessions[-1]), symbols=("SPY",))

    assert told.classes["equity"].rows_delivered == {"SPY": 60}
    # The other symbol is not affected.
    assert desk.rows("select id, rows_delivered, failure from meta.deliveries order by id") == [
        ("IWM", 60, None),
        ("SPY", 60, None),
    ]


def test_a_named_symbol_that_nobody_delivers_is_told(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions)
    desk.refresh(after_close(sessions[-1]))
    told = desk.refresh(after_close(sessions[-1]), symbols=("IWM", "SPY"))

    assert told.failures == {"SPY": "not delivered"}


def test_an_unfinished_day_is_asked_for_again_until_it_is_final(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    today = sessions[-1]
    sell(script, sessions)
    desk.refresh(f"{today} 18:00")
    desk.build(*MODELS)
    query = "select is_final, known_at from core.bars where session_date = ?"
    assert desk.rows(query, today) == [(False, f"{today} 18:00")]
    assert desk.rows("select last_session::varchar from core.instruments") == [(str(sessions[-2]),)]

    # Not a cent has moved since, but now it is the close.
    assert desk.refresh(after_close(today)).stored == 1
    desk.build(*MODELS)
    assert desk.rows(query, today) == [(True, f"{today} 21:00")]
    assert desk.rows("select count(*) from meta.restatements") == [(0,)]


def test_a_gap_is_recorded_and_asked_for_again_until_it_is_filled(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    hole = sessions[10]
    with_hole = [day for day in sessions if day != hole]
    sell(script, with_hole[:-1])
    desk.refresh(after_close(sessions[-2]))
    desk.build(*MODELS)
    assert desk.rows("select instrument_id, session_date, missing_in_a_row from meta.gaps") == [("IWM", str(hole), 1)]
    assert desk.rows("select missing_sessions from meta.freshness where id = 'IWM'") == [(1,)]

    sell(script, sessions)
    told = desk.refresh(after_close(sessions[-1]))
    assert script.questions[-3].since == {"IWM": hole}
    assert told.stored == 2
    desk.build(*MODELS)
    assert desk.rows("select * from meta.gaps") == []
    # It came after newer ones, so it could not be known before that.
    assert desk.rows("select session_date, captured_at, field, old_value, new_value, kind from meta.restatements") == [
        (str(hole), after_close(sessions[-1]), "close", None, prices([hole])[0], "late_fill")
    ]
    count = "select count(*) from core.bars_as_of(?) where session_date = ?"
    assert desk.rows(count, f"{sessions[-1]} 21:59:00+00", hole) == [(0,)]
    assert desk.rows(count, f"{sessions[-1]} 22:00:00+00", hole) == [(1,)]
    assert desk.rows("select known_at from core.bars where session_date = ?", hole) == [(after_close(sessions[-1]),)]


@pytest.mark.slow
def test_history_before_the_first_session_is_no_late_fill(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions[20:])
    desk.refresh(after_close(sessions[-1]))
    script.answers["equity_bars"]["IWM"] = frame(sessions, [90.0] * 20 + prices(sessions[20:]))
    assert desk.refresh(after_close(sessions[-1]), full=True).stored == 20
    desk.build(*MODELS)
    assert desk.rows("select count(*) from meta.restatements") == [(0,)]
    assert desk.rows(
        "select is_assumed, count(*) from core.bars_as_of(?) group by all", f"{sessions[-1]} 12:00:00+00"
    ) == [(True, 59)]


@pytest.mark.slow
def test_a_series_is_asked_for_its_last_observations_and_a_restated_one_for_all(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    observed = pd.DataFrame({"observation_date": pd.to_datetime(sessions), "value": prices(sessions)})
    script.answers["macro_observations"] = {"RATE": observed, "NFCI": observed.iloc[::5].copy()}
    sell(script, sessions)
    desk.refresh(after_close(sessions[-1]))
    desk.refresh(after_close(sessions[-1]))
    assert script.questions[-1].since == {"RATE": sessions[-30]}


@pytest.mark.slow
def test_what_was_read_is_read_again_when_what_judges_it_has_changed(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    sell(script, sessions)
    script.states["IWM"] = "as it was"
    for code_version in ("old", "old", "new"):
        desk.refresh(after_close(sessions[-1]), classes=("equity",), code_version=code_version)
    assert [question.seen for question in script.questions] == [{}, {"script:IWM": "as it was"}, {}]


# --- what the answer may not do -----------------------------------------------------------------------------------


def split(closes: Sequence[float], ratio: float = 4.0) -> list[float]:
    return [close / ratio for close in closes]


@pytest.mark.slow
def test_a_split_brings_the_whole_history_on_the_new_scale(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    sell(script, sessions, split(prices(sessions)))
    told = desk.refresh(after_close(sessions[-1]))

    assert (told.failures, told.stored) == ({}, 60)
    assert [(q.only, q.since) for q in script.questions[-4:-2]] == [
        (None, {"IWM": sessions[-31]}),
        (frozenset({"IWM"}), {}),
    ]
    desk.build(*MODELS)
    assert desk.rows("select kind, count(*) from meta.restatements group by all") == [("split", 59)]
    assert desk.rows("select max(close) < 30, bool_and(known_at = closes_at) from core.bars") == [(True, True)]
    assert desk.rows("select min(close) from core.bars_as_of(?)", f"{sessions[-1]} 21:59:00+00") == [(100.0,)]


@pytest.mark.slow
def test_a_past_day_is_on_its_own_scale_even_where_it_was_seen_after_a_split(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    """Friday's bar and dividend come on Saturday morning, together with a split that was not known on Friday."""
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    closes = prices(sessions)
    sell(script, sessions, split(closes))
    paid = {"ex_date": pd.to_datetime([sessions[-1]]), "kind": ["dividend"], "value": [0.25]}
    script.answers["equity_actions"] = {"IWM": pd.DataFrame(paid)}
    desk.refresh("2024-03-09 09:00")

    desk.build("core.bars", "core.actions", as_of=sessions[-1])
    assert desk.rows("select close from core.bars order by session_date") == [(round(close, 9),) for close in closes]
    assert desk.rows("select value from core.actions") == [(1.0,)]
    growth = 1 / (1 - 1.0 / closes[-2])
    assert desk.rows("select adj_close from core.bars where session_date = ?", sessions[-1]) == [
        (round(closes[-1] * growth, 9),)
    ]
    desk.build("core.bars_as_of")
    then = "select close, is_assumed from core.bars_as_of('2024-03-09 00:00:00+00') order by session_date desc limit 2"
    assert desk.rows(then) == [(round(closes[-1], 9), True), (round(closes[-2], 9), False)]
    assert desk.rows("select max(close) < 30 from core.bars_as_of('2024-03-09 09:00:00+00')") == [(True,)]


@pytest.mark.slow
def test_a_split_whose_history_cannot_be_had_changes_nothing(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    sell(script, sessions, split(prices(sessions)))
    script.failures_of_the_whole["IWM"] = "500: a fault of its own"
    told = desk.refresh(after_close(sessions[-1]))

    assert told.stored == 0
    assert "500: a fault of its own" in told.failures["IWM"]
    assert "0.25 times those stored, and the whole history on that scale did not come" in told.failures["IWM"]
    # The next day it can be had.
    script.failures_of_the_whole.clear()
    assert desk.refresh(after_close(sessions[-1])).stored == 60


@pytest.mark.slow
def test_a_history_that_is_split_in_part_only_is_refused(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    closes = prices(sessions)
    # The vendor has restated its last month, but nothing before.
    sell(script, sessions, closes[:30] + split(closes[30:]))
    told = desk.refresh(after_close(sessions[-1]))

    assert told.stored == 0
    assert "the whole history on that scale did not come" in told.failures["IWM"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "has_split", "reason"),
    [
        (100.0, False, "another unit? every price is 100 times the one stored, and no split says so"),
        (0.01, False, "another unit? every price is 0.01 times the one stored, and no split says so"),
        (0.01, True, None),
    ],
)
def test_a_factor_of_a_unit_needs_a_split_that_says_so(
    factor: float, has_split: bool, reason: str | None, desk: Desk, script: Script, sessions: list[date]
) -> None:
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    sell(script, sessions, [close * factor for close in prices(sessions)])
    if has_split:
        event = {"ex_date": pd.to_datetime([sessions[-1]]), "kind": ["split"], "value": [1 / factor]}
        script.answers["equity_actions"] = {"IWM": pd.DataFrame(event)}
    told = desk.refresh(after_close(sessions[-1]))

    failure = told.failures.get("IWM")
    assert failure == (
        None if reason is None else f"refused, and what is stored stays: {reason} (--symbol IWM --accept takes it)"
    )
    assert (told.stored > 0) == (reason is None)


@pytest.mark.slow
def test_a_shorter_history_never_replaces_a_longer_one(desk: Desk, script: Script, sessions: list[date]) -> None:
    observed = pd.DataFrame({"observation_date": pd.to_datetime(sessions), "value": prices(sessions)})
    script.answers["macro_observations"] = {"RATE": observed}
    sell(script, sessions)
    desk.refresh(after_close(sessions[-1]))
    script.answers["macro_observations"] = {"RATE": observed.iloc[30:].copy()}
    sell(script, sessions[30:])
    told = desk.refresh(after_close(sessions[-1]), full=True)

    assert told.failures == {
        "IWM": f"{KEPT}: 30 of 60 stored rows are not in it any more {CURE}",
        "RATE": f"{KEPT}: 30 of 60 stored rows are not in it any more {CURE.replace('IWM', 'RATE')}",
    }
    assert told.stored == 0
    # A plain refresh never asks that far back, and goes on.
    assert desk.refresh(after_close(sessions[-1])).failures == {}


@pytest.mark.slow
def test_a_last_session_never_moves_back(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions)
    desk.refresh(after_close(sessions[-1]))
    sell(script, sessions[:-1])
    told = desk.refresh(after_close(sessions[-1]))

    assert told.failures == {"IWM": f"{KEPT}: it ends on {sessions[-2]}, but {sessions[-1]} is stored {CURE}"}
    desk.build("core.bars")
    assert desk.rows("select max(session_date)::varchar from core.bars") == [(str(sessions[-1]),)]


@pytest.mark.slow
def test_the_unfinished_bar_of_today_may_go_again(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions)
    desk.refresh(f"{sessions[-1]} 18:00")
    sell(script, sessions[:-1])
    assert desk.refresh(f"{sessions[-1]} 18:30").failures == {}


@pytest.mark.slow
def test_a_session_that_vanishes_stays_stored_and_is_told_once(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    sell(script, sessions)
    desk.refresh(after_close(sessions[-1]))
    sell(script, [day for day in sessions if day != sessions[-5]])
    found = [desk.refresh(after_close(sessions[-1])).vanished for _ in range(2)]

    assert found == [{("IWM", str(sessions[-5]))}, set()]
    desk.build(*MODELS)
    assert desk.rows("select count(*) from core.bars") == [(60,)]
    assert desk.rows("select session_date, kind from meta.restatements") == [(str(sessions[-5]), "vanished")]


@pytest.mark.slow
def test_a_dividend_that_vanishes_is_told_as_well(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions)
    paid = {"ex_date": pd.to_datetime([sessions[-5]]), "kind": ["dividend"], "value": [0.5]}
    script.answers["equity_actions"] = {"IWM": pd.DataFrame(paid)}
    desk.refresh(after_close(sessions[-1]))
    # Nothing of the kind comes any more, which is no fragment: most days have no dividend.
    script.answers["equity_actions"] = {"IWM": pd.DataFrame(paid).iloc[:0]}
    told = desk.refresh(after_close(sessions[-1]))
    assert (told.failures, told.vanished) == ({}, {("IWM", str(sessions[-5]))})


@pytest.mark.slow
def test_another_instrument_under_the_symbol_is_refused_until_somebody_says_that_it_is_right(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    stranger = [0.0007 * (1.2 if number % 2 else 0.8) for number in range(60)]
    sell(script, sessions, stranger)
    told = desk.refresh(after_close(sessions[-1]))
    assert "another instrument? 30 of 30 prices are not those stored" in told.failures["IWM"]
    assert told.stored == 0

    accepted = desk.refresh(after_close(sessions[-1]), symbols=("IWM",), accept=True)
    assert (accepted.failures, accepted.stored) == ({}, 60)
    # The old prices are still there, one version below.
    assert desk.rows("select version, count(*) from raw.equity_bars group by all order by all") == [
        (1, 60),
        (2, 59),
    ]


@pytest.mark.slow
def test_what_is_not_delivered_any_more_is_named(desk: Desk, script: Script, sessions: list[date]) -> None:
    sell(script, sessions)
    sell(script, sessions, id_="SPY")
    desk.refresh(after_close(sessions[-1]))
    del script.answers["equity_bars"]["SPY"]
    for _ in range(2):
        told = desk.refresh(after_close(sessions[-1]))
        assert told.failures == {"SPY": "not delivered any more; what is stored stays"}


@pytest.mark.slow
def test_what_merely_knows_less_is_no_change(desk: Desk, script: Script, sessions: list[date]) -> None:
    script.answers["equity_bars"] = {"IWM": frame(sessions, prices(sessions), volume=[1000.0] * 60)}
    desk.refresh(after_close(sessions[-1]))
    script.answers["equity_bars"] = {"IWM": frame(sessions, prices(sessions), volume=[1000.0] * 59 + [float("nan")])}
    assert desk.refresh(after_close(sessions[-1])).stored == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ({10: 100.0}, [10]),
        ({10: 0.01, 11: 0.01}, [10, 11]),
        # A unit error that lasts to the end.
        ({57: 100.0, 58: 100.0, 59: 100.0}, [57, 58, 59]),
        # The first one of all.
        ({0: 100.0}, [0]),
        # The wildest real days stay.
        ({10: 5.0}, []),
    ],
)
def test_a_price_in_another_unit_is_refused(
    rows: dict[int, float], refused: list[int], desk: Desk, script: Script, sessions: list[date]
) -> None:
    closes = [close * rows.get(number, 1.0) for number, close in enumerate(prices(sessions))]
    sell(script, sessions, closes)
    told = desk.refresh(after_close(sessions[-1]))
    assert [day for _, _, day, _ in told.classes["equity"].refusals] == [sessions[number] for number in refused]


@pytest.mark.slow
def test_a_price_in_another_unit_is_refused_when_it_is_the_only_new_one(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    sell(script, sessions[:-1])
    desk.refresh(after_close(sessions[-2]))
    sell(script, sessions, [*prices(sessions)[:-1], 10_590.0])
    told = desk.refresh(after_close(sessions[-1]))
    assert told.refusals["IWM"] == {
        "the price is 97.51 times that of the bars around it: another unit, or another instrument"
    }


@pytest.mark.slow
def test_total_return_closes_on_another_base_are_never_appended(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    closes = prices(sessions)
    # A dividend of 1 % before the twentieth session; the last ten were downloaded after another one of 0.3 %.
    factors = [0.99] * 20 + [1.0] * 30 + [0.997] * 10
    adjusted = [close * factor for close, factor in zip(closes, factors, strict=True)]
    script.answers["equity_bars"] = {"IWM": frame(sessions, closes, adj_close=adjusted)}
    told = desk.refresh(after_close(sessions[-1]))

    assert told.refusals["IWM"] == {"adj_close/close falls by 0.30 %: adjusted on another base than the bars before"}
    assert [day for _, _, day, _ in told.classes["equity"].refusals] == sessions[-10:]


@pytest.mark.slow
def test_a_vendors_dividend_is_no_correction(desk: Desk, script: Script, sessions: list[date]) -> None:
    closes = prices(sessions)
    script.answers["equity_bars"] = {"IWM": frame(sessions, closes, adj_close=closes)}
    desk.refresh(after_close(sessions[-2]))
    script.answers["equity_bars"] = {
        "IWM": frame(sessions, closes, adj_close=[c * 0.997 for c in closes[:-1]] + closes[-1:])
    }
    desk.refresh(after_close(sessions[-1]), full=True)
    desk.build(*MODELS)

    assert desk.rows("select distinct field, kind from meta.restatements") == [("adj_close", "dividend")]
    assert desk.rows("select bool_and(known_at = closes_at) from core.bars") == [(True,)]


@pytest.mark.slow
def test_dividends_may_move_a_part_of_total_return_closes_but_nothing_may_so_move_prices(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    """Years of dividends came between two deliveries: the oldest closes stand 15 % lower, by one factor."""
    closes = prices(sessions)
    moved = [close * (0.85 if number < 20 else 1.0) for number, close in enumerate(closes)]
    adjusted, price = frame(sessions, [float("nan")] * 60, adj_close=closes), frame(sessions, closes)
    script.answers["equity_bars"] = {"IWM": adjusted, "SPY": price}
    desk.refresh(after_close(sessions[-1]))
    script.answers["equity_bars"] = {"IWM": adjusted.assign(adj_close=moved), "SPY": price.assign(close=moved)}
    told = desk.refresh(after_close(sessions[-1]), full=True)
    assert told.failures == {
        "SPY": f"{KEPT}: half of a split? 20 of 60 prices are 0.85 times those stored {CURE.replace('IWM', 'SPY')}"
    }


@pytest.mark.slow
def test_an_observation_that_was_missing_is_known_when_it_was_seen(
    desk: Desk, script: Script, sessions: list[date]
) -> None:
    sell(script, sessions)
    observed = pd.DataFrame({"observation_date": pd.to_datetime(sessions), "value": prices(sessions)})
    script.answers["macro_observations"] = {"RATE": observed.drop(index=55)}
    desk.refresh(after_close(sessions[-2]))
    script.answers["macro_observations"] = {"RATE": observed}
    desk.refresh(after_close(sessions[-1]))
    desk.build(*MODELS)
    count = "select count(*) from core.macro_as_of(?) where observation_date = ?"
    assert desk.rows(count, f"{sessions[-1]} 21:59:00+00", sessions[55]) == [(0,)]
    assert desk.rows(count, f"{sessions[-1]} 22:00:00+00", sessions[55]) == [(1,)]
    assert desk.rows("select session_date, kind from meta.restatements") == [(str(sessions[55]), "late_fill")]


@pytest.mark.slow
def test_a_revision_of_a_series_is_known_when_it_was_seen(desk: Desk, script: Script, sessions: list[date]) -> None:
    values = prices(sessions)
    script.answers["macro_observations"] = {
        "RATE": pd.DataFrame({"observation_date": pd.to_datetime(sessions[:-1]), "value": values[:-1]})
    }
    sell(script, sessions)
    desk.refresh(after_close(sessions[-2]))
    script.answers["macro_observations"] = {
        "RATE": pd.DataFrame(
            {"observation_date": pd.to_datetime(sessions), "value": [*values[:-2], values[-2] + 1, values[-1]]}
        )
    }
    desk.refresh(after_close(sessions[-1]))
    desk.build(*MODELS)
    value = "select value from core.macro_as_of(?) where observation_date = ?"
    # It came out at 16:16 in New York, and not a minute before.
    assert desk.rows(value, f"{sessions[-2]} 21:15:00+00", sessions[-2]) == []
    assert desk.rows(value, f"{sessions[-2]} 21:16:00+00", sessions[-2]) == [(values[-2],)]
    assert desk.rows(value, f"{sessions[-1]} 21:59:00+00", sessions[-2]) == [(values[-2],)]
    assert desk.rows(value, f"{sessions[-1]} 22:00:00+00", sessions[-2]) == [(values[-2] + 1,)]
    assert desk.rows("select id, field, old_value, new_value, kind from meta.restatements") == [
        ("RATE", "value", values[-2], values[-2] + 1, "correction")
    ]


@pytest.mark.slow
def test_a_source_without_a_clock_never_goes_back_in_time(desk: Desk, script: Script, sessions: list[date]) -> None:
    script.has_clock = False
    sell(script, sessions[1:])
    desk.refresh("2024-06-01 00:00")
    # The only news is about a day of the past: it is seen on the last day that there is anything about.
    script.answers["equity_bars"] = {"IWM": frame(sessions[:1], [99.9])}
    desk.refresh("2024-06-01 00:00", symbols=("IWM",), accept=True)
    assert desk.rows("select distinct captured_at from raw.equity_bars") == [("2024-03-09 00:00",)]


def test_a_whole_history_delivered_again_is_compared_within_bounded_memory(tmp_path: Path) -> None:
    """A million bars, and memory for a part of them: to hold them all by their keys would end the run."""
    bars = RAW_TABLE["equity_bars"]
    with connect(str(tmp_path / "warehouse.duckdb"), tmp_path / "spill") as connection:
        prepare(connection)
        connection.execute(
            """
            insert into raw.equity_bars by name
            select
                'S' || (bar // 5000) as instrument_id,
                date '2010-01-01' + (bar % 5000)::int as session_date,
                bar as close,
                'file' as source,
                timestamptz '2025-01-01' as captured_at,
                1 as version
            from range(1_000_000) as bars (bar);
            insert into raw.equity_bars by name
            select * replace (9 as close, 2 as version) from raw.equity_bars where session_date = '2015-01-01';
            create temp table staged_equity_bars as select instrument_id from raw.equity_bars limit 0;
            create temp table covered as
            select distinct 'equity_bars' as table_name, instrument_id as id, null::date as first_day
            from raw.equity_bars;
            set memory_limit = '80MiB'
            """
        )
        read_stored(connection, bars)
        counted = "select count(*), count_if(version = 2), count_if(is_covered) from temp.stored_equity_bars"
        assert connection.execute(counted).fetchall() == [(1_000_000, 200, 1_000_000)]
