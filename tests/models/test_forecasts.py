"""The ledger of forecasts: what was said when a signal came, by hand-made rows, and that nothing changes it later.

The target is BTC, held for 7 days. On the day of an event it closes at noon, the signal comes at 18:00, and BTC is
bought at the close of 23:00.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import log

import duckdb
import numpy as np
import pytest
from bench import UNIVERSE, Bench, Row, usual_parameters

from assets.config.universe import PrimaryFamily
from assets.publish.frozen_forecasts import freeze
from assets.statistics.forecasts import past_tests, without_one

SIGNAL = "RUT:all_time_high:decided"
MODELS = (
    "intermediate.response_entries",
    "intermediate.forecast_bases",
    "intermediate.forecast_tests",
    "marts.forecasts",
)
WINDOWS = (
    "target_id varchar, entry_date date, horizon_days integer, forward_return double, log_return double, "
    "is_reconstructed boolean, known_at timestamptz"
)


def day(number: int, gap: int = 30) -> str:
    """The day of the n-th event, a month after the one before."""
    return str(date(2020, 1, 1) + timedelta(days=gap * number))


def complete_at(entry: str) -> str:
    return f"{date.fromisoformat(entry) + timedelta(days=8)} 00:00"


def given(
    bench: Bench, responses: Mapping[str, float], events: Sequence[str], others: Mapping[str, float] | None = None
) -> None:
    """The responses to the events by day, those without one, and what followed other days."""
    windows = {**(others or {}), **responses}
    bench.given(
        "intermediate.triggers",
        "signal_id varchar, event_id varchar, trigger varchar, trigger_at timestamptz",
        [(SIGNAL, entry, "decided", f"{entry} 18:00") for entry in events],
    )
    closes(bench, [("BTC", f"{entry} {hour}") for entry in (*events, *responses) for hour in ("12:00", "23:00")])
    for model in ("intermediate.filtered_events", "intermediate.specification_events"):
        bench.given(model, "trigger_at timestamptz, decided_at timestamptz", [(None, None)])
    bench.given(
        "intermediate.forward_windows",
        WINDOWS,
        [("BTC", entry, 7, value, log(1 + value), False, complete_at(entry)) for entry, value in windows.items()],
    )
    bench.given(
        "intermediate.pattern_windows",
        f"pattern_id varchar, event_id varchar, episode bigint, {WINDOWS}",
        [
            (SIGNAL, entry, number, "BTC", entry, 7, value, log(1 + value), False, complete_at(entry))
            for number, (entry, value) in enumerate(responses.items())
        ],
    )


def closes(bench: Bench, instants: Sequence[tuple[str, str]]) -> None:
    """The closes of targets; those before the evening belong to the day before."""
    bench.given(
        "intermediate.target_prices",
        "target_id varchar, session_number bigint, session_date date, price double, is_index boolean, "
        "closes_at timestamptz",
        [
            (id_, number, at[:10] if at.endswith("23:00") else "1999-01-01", 1.0, False, at)
            for number, (id_, at) in enumerate(sorted(set(instants)))
        ],
    )


def build(bench: Bench, as_of: str = "2024-12-31", **parameters: float) -> None:
    """Build them, of the closes that there are by then."""
    instant = as_of if " " in as_of else f"{date.fromisoformat(as_of) + timedelta(days=1)} 00:00"
    bench.connection.execute("delete from intermediate.target_prices where closes_at > ?::timestamptz", [instant])
    for model in MODELS:
        bench.build_only(model, as_of=as_of, **parameters)


def said(bench: Bench, columns: str, event_id: str | None = None) -> list[Row]:
    one = f"and event_id = '{event_id}'" if event_id else ""
    return bench.rows(f"select {columns} from marts.forecasts where horizon_days = 7 {one} order by trigger_at")


# --- what a forecast says -------------------------------------------------------------------------------------------


def test_a_forecast_by_hand(bench: Bench) -> None:
    """Nothing before the first event; nine responses are enough for a range; what followed is held against it."""
    values = [0.05, -0.02, 0.03, 0.01, -0.04, 0.02, 0.04, -0.01, 0.01, 0.05, 0.09]
    events = [day(number) for number in range(12)]
    given(bench, dict(zip(events, values, strict=False)), events)
    build(bench)
    found = said(bench, "n_events, n_episodes, median, low, high, evidence, realised, percentile, inside")
    insufficient, none = "insufficient", "none"
    assert found == [
        (0, 0, None, None, None, insufficient, 0.05, None, None),
        (1, 1, 0.05, None, None, insufficient, -0.02, 0.0, None),
        (2, 2, 0.015, None, None, insufficient, 0.03, 0.5, None),
        (3, 3, 0.03, None, None, insufficient, 0.01, round(1 / 3, 9), None),
        (4, 4, 0.02, None, None, insufficient, -0.04, 0.0, None),
        (5, 5, 0.01, None, None, insufficient, 0.02, 0.6, None),
        (6, 6, 0.015, None, None, insufficient, 0.04, round(5 / 6, 9), None),
        (7, 7, 0.02, None, None, insufficient, -0.01, round(2 / 7, 9), None),
        # -4 -2 -1 1 2 3 4 5: three are lower than 1 and one is the same.
        (8, 8, 0.015, None, None, none, 0.01, 0.4375, None),
        # -4 -2 -1 1 1 2 3 4 5: the ends are the first and the last, and 5 is still inside.
        (9, 9, 0.01, -0.04, 0.05, none, 0.05, round(8.5 / 9, 9), True),
        # -4 -2 ... 5 5: a tenth of the way from the ends.
        (10, 10, 0.015, -0.038, 0.05, none, 0.09, 1.0, False),
        # -4 -2 ... 5 9: two tenths of the way. What followed is not known.
        (11, 11, 0.02, -0.036, 0.082, none, None, None, None),
    ]
    # A look at the past freezes nothing.
    assert freeze(bench.begin(as_of="2024-12-31", code_version="test")) == 0


def test_a_forecast_rests_on_what_was_complete_when_the_signal_came(bench: Bench) -> None:
    """Of two earlier events, ten days and a week before, one window of seven days was over. Nine days on both are."""
    responses = {"2020-01-01": 0.1, "2020-01-04": 0.3}
    given(bench, responses, ["2020-01-01", "2020-01-04", "2020-01-11", "2020-01-12"])
    build(bench, as_of="2020-01-12 18:00")
    assert said(bench, "event_id, n_events, median, entry_at, frozen_at, is_backtest") == [
        ("2020-01-01", 0, None, "2020-01-01 23:00", "2020-01-12 18:00", True),
        ("2020-01-04", 0, None, "2020-01-04 23:00", "2020-01-12 18:00", True),
        ("2020-01-11", 1, 0.1, "2020-01-11 23:00", "2020-01-12 18:00", False),
        # Known from midnight of the 12th on.
        ("2020-01-12", 2, 0.2, None, "2020-01-12 18:00", False),
    ]


def test_only_what_traded_is_forecast(bench: Bench) -> None:
    """A close of the five days before the signal; BTC has one five days before it, the other a minute less."""
    given(bench, {"2020-01-01": 0.1}, ["2020-01-01", "2020-02-01"])
    closes(bench, [("BTC", "2020-01-27 18:00"), ("IWM", "2020-01-27 18:01"), ("ETH", "2020-02-01 18:01")])
    build(bench)
    assert said(bench, "event_id, target_id, n_events, evidence") == [("2020-02-01", "IWM", 0, "insufficient")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("effect", "parameters", "evidence"),
    [
        pytest.param(0.5, {}, "supports", id="above"),
        pytest.param(-0.5, {}, "contradicts", id="below"),
        pytest.param(0.5, {"supporting_q": 0.0001}, "none", id="q is not small enough"),
        pytest.param(0.5, {"minimum_episodes": 10}, "insufficient", id="nine episodes of ten"),
    ],
)
def test_evidence_is_that_of_the_instant(
    bench: Bench, effect: float, parameters: dict[str, float], evidence: str
) -> None:
    """Nine events in 1,000 days after which it moved, as it did at no other time, until the ninth was over.

    Then it moved that far every day. That would make p large, but it was not known when the tenth event occurred.
    """
    events = [day(number, 101) for number in range(10)]
    calm = {day(number, 1): 0.0 for number in range(1000)}
    wild = {day(number, 1): effect for number in range(1000, 2000)}
    given(bench, dict.fromkeys(events[:-1], effect), events, others=calm | wild)
    # The tenth comes when the calm days are over.
    last = day(1000, 1)
    bench.connection.execute(f"update intermediate.triggers set trigger_at = '{last}' where event_id = '{events[-1]}'")
    closes(bench, [("BTC", f"{entry} 00:00") for entry in (*events, last)])
    build(bench, "2024-12-31", **{"minimum_episodes": 9} | parameters)
    assert said(bench, "n_episodes, evidence", events[-1]) == [(9, evidence)]
    assert said(bench, "n_episodes, evidence", events[-2]) == [(8, "insufficient")]
    if evidence == "supports":
        elsewhere = PrimaryFamily(signals=(SIGNAL,), targets=("IWM",), horizons_days=(7,))
        bench.universe(UNIVERSE.model_copy(update={"primary_family": elsewhere}))
        build(bench, minimum_episodes=9)
        assert said(bench, "evidence", events[-1]) == [("exploratory",)]


def test_the_tests_of_an_instant_see_nothing_later() -> None:
    """Two questions of which one passes the gate, so that both are tested; a window and an event that came later."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            """
            create table bases as select 'A' as signal_id, true as is_primary, n as n_episodes,
                timestamptz '2020-02-01' + to_days(n::integer) as trigger_at from range(7, 9) as counts (n);
            create table family as select unnest(['A', 'B', 'C']) as signal_id, 'BTC' as target_id, 1 as horizon_days;
            create table windows as select 'BTC' as target_id, 1 as horizon_days, false as is_reconstructed,
                date '2020-01-01' + n::integer as entry_date, (n % 7) / 10 as log_return,
                timestamptz '2020-01-03' + to_days(n::integer) as known_at from range(60) as days (n);
            create table patterns as select unnest(['A', 'A', 'A', 'B', 'C']) as pattern_id, 'BTC' as target_id,
                1 as horizon_days, unnest(['a', 'b', 'later', 'a', 'later']) as event_id,
                date '2020-01-01' + unnest([6, 13, 50, 0, 50]) as entry_date, unnest([1, 1, 2, 1, 1]) as episode;
            create table pattern_windows as select patterns.*, log_return, known_at
            from patterns inner join windows on windows.entry_date = patterns.entry_date;
            """
        )
        relations = [connection.table(name) for name in ("bases", "windows", "pattern_windows", "family")]
        found = past_tests(usual_parameters(), *relations)
    # On 9 February, of 60 windows those of the first 38 days are known: five weeks of 0 to 0.6 and 0, 0.1, 0.2.
    usual = (5 * 2.1 + 0.3) / 38
    assert list(found["signal_id"]) == ["A", "B"]
    assert [str(at) for at in found["trigger_at"].unique()] == ["2020-02-09 00:00:00+00:00"]
    assert list(found["excess_log"]) == pytest.approx([0.6 - usual, 0 - usual])
    # Of 37 shifts that count, those by weeks that hit two sixes again, or, past the seam of 38 days, one as far off.
    values = [n % 7 / 10 for n in range(38)]
    expected = []
    for places in ([6, 13], [0]):
        means = [sum(values[(place + shift) % 38] for place in places) / len(places) for shift in range(38)]
        far = [shift for shift in range(1, 38) if abs(means[shift] - usual) >= abs(means[0] - usual) - 1e-12]
        expected.append((1 + len(far)) / 38)
    assert list(found["p_value"]) == pytest.approx(expected)
    assert found["lowest_log"].isna().all()  # one episode, so nothing is left without it


def test_without_one_episode() -> None:
    assert without_one(np.array([1.0, 2.0, 6.0, 7.0]), np.array([4, 4, 9, 5])) == pytest.approx([13 / 2, 3.0, 10 / 3])
    assert len(without_one(np.array([1.0, 2.0]), np.array([3, 3]))) == 0


# --- what is said stays said ----------------------------------------------------------------------------------------

WORDS = "event_id, frozen_at, code_version, is_backtest, n_events, n_episodes, median, low, high, evidence"


def test_a_later_run_changes_no_word_of_it(bench: Bench) -> None:
    """Between two runs prices are corrected, an event is unmade, parameters change, and a new event comes."""
    events = [day(number) for number in range(11)]
    values = [round(0.01 * number, 2) for number in range(11)]
    given(bench, dict(zip(events[:-1], values, strict=False)), events)
    first, second, third = (f"{day(10)} 20:00", f"{day(11)} 20:00", f"{day(11)} 21:00")
    run = bench.begin(as_of=first, code_version="one")
    build(bench, as_of=first)
    words = said(bench, WORDS)
    assert words[-1] == (day(10), first, "one", False, 10, 10, 0.045, 0.001, 0.089, "none")
    assert (freeze(run), freeze(run)) == (11 * 3, 0)  # three horizons
    # As if only this table had been built again.
    bench.build_only("marts.forecasts", as_of=first)
    assert said(bench, WORDS) == words

    # The first event was none after all; every response was twice as large; an eleventh event comes.
    later = {day(number): 2 * values[number] for number in range(1, 11)}
    given(bench, later, [day(number) for number in range(1, 12)])
    bench.connection.execute(
        f"insert into intermediate.target_prices values ('BTC', 0, '{day(0)}', 1, false, '{day(0)} 23:00'); "
        f"insert into intermediate.forward_windows values ('BTC', '{day(0)}', 7, 0.5, 0.4, false, '2020-01-09')"
    )
    for as_of, code_version, added in ((second, "two", 3), (third, "three", 0)):
        run = bench.begin(as_of=as_of, code_version=code_version)
        build(bench, as_of=as_of, forecast_tail=0.2, minimum_episodes=3, supporting_q=0.05)
        # Ten responses, the first event's not among them: a fifth of the way from the second to the third.
        assert said(bench, WORDS) == [*words, (day(11), second, "two", False, 10, 10, 0.11, 0.044, 0.176, "none")]
        # What is frozen is not worked out again.
        assert bench.rows("select count(*) from intermediate.forecast_bases") == [(added,)]
        assert freeze(run) == added
    # It is scored by what is known now, against what it rested on: 0.2 is above all of 0, 0.01, ... 0.09.
    assert said(bench, "realised, realised_at, percentile, inside", day(10)) == [
        (0.2, complete_at(day(10)), 1.0, False)
    ]
    assert said(bench, "entry_at, realised, percentile", day(0)) == [(f"{day(0)} 23:00", 0.5, None)]

    # A look back to the day before the first run: nothing was frozen yet.
    before = str(date.fromisoformat(day(10)) - timedelta(days=1))
    given(bench, {event: later[event] for event in list(later)[:8]}, list(later)[:9])
    build(bench, as_of=before)
    assert len(said(bench, WORDS)) == 9
    assert said(bench, "frozen_at, is_backtest, n_events, median", day(9)) == [(f"{day(10)} 00:00", True, 8, 0.09)]


def test_words_and_the_responses_behind_them_are_frozen_together(bench: Bench) -> None:
    """After a correction only the responses are worked out anew; the words of before wait until they fit again."""
    given(bench, {day(0): 0.1, day(1): 0.2}, [day(0), day(1), day(2)])
    as_of = f"{day(2)} 20:00"
    run = bench.begin(as_of=as_of, code_version="test")
    build(bench, as_of=as_of)
    given(bench, {day(0): 0.1, day(1): 0.4}, [day(0), day(1), day(2)])
    bench.build_only("intermediate.forecast_bases", as_of=as_of)
    # Three horizons of the first two events, and of the third those without a response.
    assert freeze(run) == 3 * 2 + 2
    bench.build_only("marts.forecasts", as_of=as_of)
    assert freeze(run) == 1
    assert bench.rows("select median, responses::varchar from reference.frozen_forecasts where n_events = 2") == [
        (0.25, "[0.1, 0.4]")
    ]
