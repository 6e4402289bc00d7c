"""The models of evidence: what followed a pattern of events, against chance, by hand-made rows.

The summaries look at BTC or at the altseason index, held for 7 days, from windows that a test gives; the one signal is
the all-time high of RUT. The shift test itself is held to its definition in test_statistics_shifts.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import exp, log

import pytest
from bench import UNIVERSE, Bench, Row
from test_marts import BASE, EVENT, FIRST, SMALL

from assets.config.universe import Ingredient, PrimaryFamily, Signal, Stage, Targets

SIGNAL = "RUT:all_time_high:decided"
PATTERNS = (
    "intermediate.pattern_windows",
    "intermediate.baselines",
    "intermediate.pattern_moments",
    "intermediate.shift_tests",
    "intermediate.family_q_values",
)


def _given(
    bench: Bench,
    windows: Mapping[str, float],
    events: Sequence[str] = (),
    kept: Sequence[str] = (),
    dropped: Sequence[str] = (),
    target_id: str = "BTC",
) -> None:
    """The windows of a target by entry, with their returns; the entries of the signal's events, and those of the
    breakouts that the filter "volume" keeps and drops."""
    is_index = target_id == "ALTSEASON"
    bench.given("core.instruments", "instrument_id varchar, role varchar", [("BTC", "crypto_major")])
    bench.given(
        "intermediate.forward_windows",
        "target_id varchar, entry_date date, horizon_days integer, forward_return double, log_return double, "
        "is_index boolean, is_reconstructed boolean, known_at timestamptz",
        [
            (
                target_id,
                day,
                7,
                value,
                value if is_index else log(1 + value),
                is_index,
                day < "2014-09-17",
                f"{day} 23:00",
            )
            for day, value in windows.items()
        ],
    )
    nothing: Row = ("none", "none", False, "1999-01-01 00:00")
    filtered: list[Row] = [("volume", f"{day}?", True, f"{day} 12:00") for day in kept]
    filtered += [("volume", f"{day}?", False, f"{day} 12:00") for day in dropped]
    bench.given(
        "intermediate.triggers",
        "signal_id varchar, event_id varchar, trigger_at timestamptz",
        [(SIGNAL, f"{day}/{number}", f"{day} 12:00") for number, day in enumerate(events)]
        or [("another", "another", "1999-01-01 00:00")],
    )
    bench.given(
        "intermediate.filtered_events",
        "filter varchar, event_id varchar, is_kept boolean, trigger_at timestamptz",
        filtered or [nothing],
    )
    bench.given(
        "intermediate.specification_events",
        "specification_id varchar, session_date date, decided_at timestamptz",
        [("none", "1999-01-01", "1999-01-01 00:00")],
    )
    bench.given(
        "intermediate.response_entries",
        "trigger_at timestamptz, target_id varchar, entry_date date",
        [(f"{day} 12:00", target_id, day) for day in sorted({*events, *kept, *dropped})]
        or [("1999-01-01 00:00", "none", "1999-01-01")],
    )


def _summary(
    bench: Bench, windows: Mapping[str, float], events: Sequence[str], target_id: str = "BTC", **parameters: float
) -> None:
    _given(bench, windows, events, target_id=target_id)
    for model in (*PATTERNS, "marts.rotation_summary"):
        bench.build_only(model, as_of="2024-12-31", **parameters)


def _summarised(bench: Bench, columns: str) -> list[Row]:
    return bench.rows(f"select {columns} from marts.rotation_summary where signal_id = '{SIGNAL}' and horizon_days = 7")


def days(first: str, values: Sequence[float]) -> dict[str, float]:
    """One value a day from the first on."""
    return {str(date.fromisoformat(first) + timedelta(days=n)): value for n, value in enumerate(values)}


# --- marts.rotation_summary: what followed --------------------------------------------------------------------------

FOUR = {"2024-01-01": 0.21, "2024-03-01": 0.0, "2024-05-01": -0.1, "2024-07-01": 0.3}


def test_a_summary_by_hand(bench: Bench) -> None:
    _summary(bench, windows={**FOUR, "2024-08-01": 0.1}, events=list(FOUR))
    assert _summarised(
        bench,
        "n_events, n_episodes, mean_return, median_return, hit_rate, baseline_mean, baseline_median, evidence, as_of",
    ) == [(4, 4, 0.1025, 0.105, 0.5, 0.102, 0.1, "insufficient", "2024-12-31")]


def test_the_excess_and_what_is_left_of_it_without_one_episode(bench: Bench) -> None:
    """Growth of 1.1, 1.1 and 1.21 (two episodes: the first two are three weeks apart), and 1 at another time.

    The usual is the fourth root of 1.1 * 1.1 * 1.21 * 1 = 1.1 ** 4, which is 1.1. The events have the third root of
    1.1 ** 4; without the first episode 1.21, without the second 1.1.
    """
    windows = {"2024-01-01": 0.1, "2024-01-22": 0.1, "2024-03-01": 0.21, "2024-05-01": 0.0}
    _summary(bench, windows, events=["2024-01-01", "2024-01-22", "2024-03-01"])
    assert _summarised(bench, "n_episodes, excess_mean, leave_one_out_min, leave_one_out_max") == [
        (2, round(1.1 ** (1 / 3) - 1, 9), 0.0, 0.1)
    ]
    _summary(bench, windows, events=["2024-03-01"])
    assert _summarised(bench, "excess_mean, leave_one_out_min, leave_one_out_max") == [(0.1, None, None)]


@pytest.mark.parametrize(
    ("entries", "n_episodes"),
    [
        (["2024-01-01", "2024-01-22"], 1),  # 21 days apart
        (["2024-01-01", "2024-01-23"], 2),  # 22 days apart
        (["2024-01-01", "2024-01-01"], 1),
        (["2024-01-01", "2024-01-20", "2024-02-08"], 1),  # each within three weeks of the one before
        (["2024-01-01", "2024-01-23", "2024-02-13", "2024-03-06"], 3),
    ],
)
def test_events_within_three_weeks_are_one_episode(bench: Bench, entries: list[str], n_episodes: int) -> None:
    _summary(bench, windows=dict.fromkeys(entries, 0.1), events=entries)
    assert _summarised(bench, "n_events, n_episodes") == [(len(entries), n_episodes)]


def test_reconstructed_history_is_no_evidence(bench: Bench) -> None:
    """BTC before 2014-09-17 counts neither among the events nor in what is usual nor among the shifts."""
    windows = {"2014-09-09": 9.0, "2014-09-16": 9.0, **days("2014-09-17", [0.2] * 14)}
    _summary(bench, windows, events=["2014-09-16", "2014-09-17"])
    # Of fourteen windows those 7 days away in both directions are one.
    assert _summarised(bench, "n_events, mean_return, baseline_mean, min_p") == [(1, 0.2, 0.2, 0.5)]


def test_a_signal_without_events_has_a_row(bench: Bench) -> None:
    _summary(bench, windows={"2024-01-01": 0.1}, events=[])
    assert bench.rows(
        "select signal_id, target_id, horizon_days, n_events, n_episodes, mean_return, hit_rate, baseline_mean, "
        "excess_mean, p_value, min_p, q_value, evidence from marts.rotation_summary order by all"
    ) == [
        (signal_id, "BTC", horizon_days, 0, 0, None, None, baseline_mean, None, None, None, None, "insufficient")
        for signal_id in ("ETH:all_time_high:decided", "RUT:all_time_high:confirmed", SIGNAL)
        for horizon_days, baseline_mean in ((3, None), (7, 0.1), (30, None))
    ]


def test_the_altseason_index_moves_by_points(bench: Bench) -> None:
    """From 20 to 50 % it is 0.3; means are arithmetic, and no return of any price."""
    _summary(bench, {"2024-01-01": 0.3, "2024-03-01": -0.1, "2024-05-01": -0.5}, ["2024-01-01"], target_id="ALTSEASON")
    assert _summarised(bench, "mean_return, baseline_mean, excess_mean, leave_one_out_min") == [(0.3, -0.1, 0.4, None)]


def test_a_summary_from_bars(bench: Bench) -> None:
    """The whole way: one event, BTC from 100 to 121 in three days, against all windows of three days."""
    bench.bars("RUT", FIRST, BASE)
    bench.bars("BTC", "2024-01-31", [100.0, 110.0, 110.0, 121.0, 121.0])
    bench.build("marts.rotation_summary", as_of="2024-02-04", **SMALL)
    # Windows that are complete by Sunday: 100 to 121 and 110 to 121. Neither is three days away from the other.
    assert bench.rows(
        "select n_events, mean_return, median_return, hit_rate, baseline_mean, excess_mean, p_value "
        f"from marts.rotation_summary where signal_id = '{SIGNAL}' and target_id = 'BTC' and horizon_days = 3"
    ) == [(1, 0.21, 0.21, 1.0, 0.155, 0.048808848, None)]  # 1.21 / sqrt(1.21 * 1.1) - 1


# --- marts.rotation_summary: whether it is evidence -----------------------------------------------------------------

NINE = [str(date(2020, 1, 10) + timedelta(days=101 * n)) for n in range(9)]


@pytest.mark.parametrize(
    ("effect", "supporting_q", "minimum_episodes", "evidence"),
    [
        pytest.param(0.5, 0.10, 9, "supports", id="above"),
        pytest.param(-0.5, 0.10, 9, "contradicts", id="below"),
        pytest.param(0.5, 0.0001, 9, "none", id="q is not small enough"),
        pytest.param(0.5, 0.10, 10, "insufficient", id="nine episodes of ten"),
    ],
)
def test_evidence(bench: Bench, effect: float, supporting_q: float, minimum_episodes: int, evidence: str) -> None:
    """Nine events in 1,009 days after which it rose, as it did at no other time: p is the smallest that there is."""
    windows = days("2020-01-01", [0.0] * 1009)
    _summary(
        bench,
        {**windows, **dict.fromkeys(NINE, effect)},
        NINE,
        supporting_q=supporting_q,
        minimum_episodes=minimum_episodes,
    )
    min_p = round(1 / (1 + 1009 - 2 * 7 + 1), 9)
    # The one row of the family whose p is defined pays for itself alone.
    assert _summarised(bench, "p_value, min_p, q_value, evidence") == [(min_p, min_p, min_p, evidence)]


def test_one_episode_that_carries_all_is_no_evidence(bench: Bench) -> None:
    """The other eight lost a little: without the great one the excess is below zero."""
    windows = {**days("2020-01-01", [0.0] * 1009), **dict.fromkeys(NINE, -0.01), NINE[4]: 9.0}
    _summary(bench, windows, NINE, supporting_q=1)
    ((excess, lowest, highest, evidence),) = _summarised(
        bench, "excess_mean, leave_one_out_min, leave_one_out_max, evidence"
    )
    usual = (log(10) + 8 * log(0.99)) / 1009
    assert evidence == "none"
    assert excess == pytest.approx(exp((log(10) + 8 * log(0.99)) / 9 - usual) - 1)
    assert (lowest, highest) == pytest.approx(
        (exp(log(0.99) - usual) - 1, exp((log(10) + 7 * log(0.99)) / 8 - usual) - 1)
    )


def test_outside_the_family_it_is_exploratory(bench: Bench) -> None:
    windows = {**days("2020-01-01", [0.0] * 1009), **dict.fromkeys(NINE, 0.5)}
    _summary(bench, windows, NINE, target_id="ETH")
    assert _summarised(bench, "p_value = min_p, q_value, evidence") == [(True, None, "exploratory")]


# --- intermediate.family_q_values -----------------------------------------------------------------------------------


def _q_values(bench: Bench, p_values: Sequence[float | None]) -> list[Row]:
    """q of a family of so many targets, in its order."""
    ids = [f"T{n:02}" for n in range(len(p_values))]
    family = PrimaryFamily(signals=(SIGNAL,), targets=tuple(ids), horizons_days=(7,))
    bench.universe(UNIVERSE.model_copy(update={"primary_family": family}))
    bench.given(
        "intermediate.shift_tests",
        "pattern_id varchar, target_id varchar, horizon_days integer, p_value double",
        [*((SIGNAL, id_, 7, p) for id_, p in zip(ids, p_values, strict=True)), (SIGNAL, "other", 7, 1e-9)],
    )
    bench.build_only("intermediate.family_q_values", as_of="2024-12-31")
    return bench.rows("select q_value from intermediate.family_q_values order by target_id")


def test_benjamini_yekutieli_by_hand(bench: Bench) -> None:
    """Three p-values: 3 * (1 + 1/2 + 1/3) = 5.5, so 5.5 * 0.01, 5.5 * 0.02 / 2 and 5.5 * 0.03 / 3 are all 0.055.

    In the second family the one in the middle, 5.5 * 0.04 / 2, costs more than the largest and is no worse than it. A
    row without a p-value is not one of them, nor is what stands outside.
    """
    assert _q_values(bench, [0.03, 0.01, 0.02]) == [(0.055,), (0.055,), (0.055,)]
    largest = round(5.5 * 0.05 / 3, 9)
    assert _q_values(bench, [0.001, 0.05, None, 0.04]) == [(0.0055,), (largest,), (largest,)]
    assert _q_values(bench, [0.9, 0.8]) == [(1.0,), (1.0,)]


def test_the_family_of_the_project_can_reject(bench: Bench) -> None:
    """54 questions cost 54 * (1 + ... + 1/54), about 247 times p. Since 2014-09-17 Bitcoin has more than 4,300 windows,
    so that one row alone can have q <= 0.10; basket and Ether, since 2018 and 2017, with about 2,900 can as well."""
    for windows in (4300, 2900):
        smallest = 1 / (1 + windows - 2 * 90 + 1)
        found = _q_values(bench, [smallest, *[0.9] * 53])
        assert found[0][0] is not None
        assert float(found[0][0]) == pytest.approx(54 * sum(1 / n for n in range(1, 55)) * smallest)
        assert float(found[0][0]) <= 0.10


# --- what starts the clock ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stage_that_turns_on_is_an_event(bench: Bench) -> None:
    """One ingredient, the price of ETH above its mean of two days: on with its first score, which is no turn-on, off on
    the third session and on again on the fifth. BTC is bought at the end of that day."""
    bench.universe(
        UNIVERSE.model_copy(
            update={
                "stages": (Stage(name="coins", ingredients=(Ingredient(subject="ETH", measure="price_above_mean"),)),),
                "signals": (Signal(subject="coins", kind="turn_on", trigger="decided"),),
                "targets": Targets(instruments=("BTC",), horizons_days=(3,)),
            }
        )
    )
    # From Wednesday to Tuesday; at a session's close the coin's last bar is that of the day before.
    bench.bars("ETH", "2024-01-02", [10.0, 11.0, 12.0, 9.0, 8.0, 7.0, 9.0, 10.0, 11.0])
    bench.bars("RUT", "2024-01-03", [1.0] * 6)
    bench.bars("BTC", "2024-01-02", [100.0] * 8 + [110.0, 110.0, 110.0, 121.0])
    bench.build("marts.rotation_responses", as_of="2024-01-13", **SMALL, long_mean=2, short_mean=2)
    turned_on = bench.rows("select session_date, known_at from marts.cascade where is_turn_on")
    assert len(turned_on) == 1
    assert bench.rows("select is_on from marts.cascade order by session_date")[0] == (True,)
    ((day, at),) = turned_on
    assert bench.rows("select signal_id, event_id, trigger, trigger_at from intermediate.triggers") == [
        ("coins:turn_on:decided", f"coins:turn_on:{day}", "decided", at)
    ]
    assert bench.rows("select event_id, entry_date, forward_return from marts.rotation_responses") == [
        (f"coins:turn_on:{day}", day, 0.1)
    ]


@pytest.mark.slow
def test_the_altseason_index_is_a_target_that_nobody_buys(bench: Bench) -> None:
    """From 20 % to 0 and up to 50 %: differences, also where the level is zero. Null levels are no sessions."""
    targets = Targets(instruments=("BTC",), indices=("ALTSEASON",), horizons_days=(1, 2))
    bench.universe(UNIVERSE.model_copy(update={"targets": targets}))
    bench.given(
        "marts.altseason",
        "session_date date, index_pct double, known_at timestamptz",
        [
            ("2024-01-31", 20.0, "2024-02-01 00:00"),
            ("2024-02-01", 0.0, "2024-02-02 00:00"),
            ("2024-02-02", 50.0, "2024-02-03 00:00"),
            ("2024-02-03", None, "2024-02-04 00:00"),
        ],
    )
    bench.given(
        "intermediate.triggers",
        "event_id varchar, trigger varchar, trigger_at timestamptz",
        [(EVENT, "decided", "2024-01-31 21:00")],
    )
    for name, columns in (
        ("intermediate.filtered_events", "trigger_at timestamptz"),
        ("intermediate.specification_events", "decided_at timestamptz"),
    ):
        bench.given(name, columns, [("2024-01-31 21:00",)])
    bench.build("core.instruments", as_of="2024-02-03")
    bench.build("intermediate.prices", as_of="2024-02-03")
    for model in ("target_prices", "forward_windows", "entries", "extremes"):
        bench.build_only(f"intermediate.{model}", as_of="2024-02-03")
    bench.build_only("marts.rotation_responses", as_of="2024-02-03")
    assert bench.rows(
        "select horizon_days, entry_date, exit_date, forward_return, max_run_up, max_drawdown "
        "from marts.rotation_responses order by horizon_days"
    ) == [
        (1, "2024-01-31", "2024-02-01", -0.2, 0.0, -0.2),
        (2, "2024-01-31", "2024-02-02", 0.3, 0.3, -0.2),
    ]
    assert bench.rows("select log_return from intermediate.forward_windows where entry_date = '2024-02-01'") == [
        (0.5,),
        (0.5,),
    ]


# --- marts.specification_grid ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_way_to_define_a_breakout(bench: Bench) -> None:
    """A year of six sessions; quiet for two, three or five of them; margins of 0, 1 and 2 %.

    100 on the first session, 90 until the fifth, then 95, 93, 93, 101 (the ninth), 102, 103. 100 is the all-time high
    until 101, 102 and 103 break it with margins of 0, 1 and 2 %. After two quiet sessions 101 is the level of the last
    session: 103 is above it by 1 %, with 102 in between, which is not, but not by 2 %. 95 on the sixth session is the
    high of the year before the ninth, which breaks it by more than 2 %; for a quiet time of five sessions it lies
    within it, above the 90 that would be the level.
    """
    bench.bars("RUT", FIRST, [100.0, 90.0, 90.0, 90.0, 90.0, 95.0, 93.0, 93.0, 101.0, 102.0, 103.0])
    changed = SMALL | {
        "equity_year": 6,
        "equity_year_high_quiet": 2,
        "specification_half_year": 3,
        "equity_all_time_high_quiet": 5,
        "specification_small_margin": 0.01,
        "specification_large_margin": 0.02,
    }
    signals = (*UNIVERSE.signals, Signal(subject="RUT", kind="year_high", trigger="decided"))
    bench.universe(UNIVERSE.model_copy(update={"signals": signals}))
    bench.build("intermediate.specification_events", "marts.breakouts", as_of="2024-12-31", **changed)
    assert bench.rows(
        "select kind, quiet_sessions, margin, session_date from intermediate.specification_events as events "
        "inner join intermediate.specifications on specifications.specification_id = events.specification_id "
        "order by all"
    ) == [
        ("all_time_high", 2, 0.0, "2024-02-02"),
        ("all_time_high", 2, 0.01, "2024-02-05"),
        ("all_time_high", 2, 0.01, "2024-02-06"),
        ("all_time_high", 3, 0.0, "2024-02-02"),
        ("all_time_high", 3, 0.01, "2024-02-05"),
        ("all_time_high", 3, 0.02, "2024-02-06"),
        ("all_time_high", 5, 0.0, "2024-02-02"),
        ("all_time_high", 5, 0.01, "2024-02-05"),
        ("all_time_high", 5, 0.02, "2024-02-06"),
        ("year_high", 2, 0.0, "2024-02-02"),
        ("year_high", 2, 0.01, "2024-02-02"),
        ("year_high", 2, 0.01, "2024-02-06"),
        ("year_high", 2, 0.02, "2024-02-02"),
        ("year_high", 3, 0.0, "2024-02-02"),
        ("year_high", 3, 0.01, "2024-02-02"),
        ("year_high", 3, 0.02, "2024-02-02"),
    ]
    # The usual definitions: quiet for five and for two sessions, no margin.
    assert bench.rows("select kind, session_date, decided_at from marts.breakouts where subject_id = 'RUT'") == [
        ("all_time_high", "2024-02-02", "2024-02-02 21:00"),
        ("year_high", "2024-02-02", "2024-02-02 21:00"),
    ]
    bench.bars("BTC", "2024-02-01", [100.0, 100.0, 100.0, 110.0, 110.0, 121.0, 121.0])
    bench.build("marts.specification_grid", as_of="2024-12-31", **changed)
    # BTC has windows of 3 and 7 days for all eighteen ways. Of the fourteen ways that found something all have events
    # whose 3 days are complete; those that found 2024-02-06 only have none whose 7 days are. In 3 days it grew by 1.1
    # to the powers 1, 1, 2, 1, 1, 0, 0; after the 5th and the 6th, which are one episode, to the powers 1 and 0.
    assert bench.rows(
        "select horizon_days, count(*), count(excess_mean), count_if(n_events = 0) from marts.specification_grid "
        "group by horizon_days order by horizon_days"
    ) == [(3, 18, 14, 4), (7, 18, 12, 6)]
    assert bench.rows(
        "select n_events, n_episodes, excess_mean from marts.specification_grid "
        "where kind = 'all_time_high' and quiet_sessions = 2 and margin = 0.01 and horizon_days = 3"
    ) == [(2, 1, round(1.1 ** (1 / 2 - 6 / 7) - 1, 9))]


# --- marts.confirmation_value ---------------------------------------------------------------------------------------


def test_filters_by_hand(bench: Bench) -> None:
    """Both highs of one session are one event. An event is kept or dropped when the filter's answer is known, and
    neither before that nor if it stays unknown."""
    high = "RUT:all_time_high"
    at, confirmed, held = "2024-01-02 21:00", "2024-01-05 21:00", "2024-01-30 21:00"
    bench.given(
        "marts.breakouts",
        "event_id varchar, subject_id varchar, kind varchar, session_date date, relative_volume double, "
        "breadth_sma200 double, liquidity_change_91d double, decided_at timestamptz, confirmed_at timestamptz, "
        "failed_at timestamptz, holding_at timestamptz",
        [
            (f"{high}:a", "RUT", "all_time_high", "2024-01-02", 1.5, 0.5, 1.0, at, confirmed, None, held),
            ("RUT:year_high:a", "RUT", "year_high", "2024-01-02", 1.5, 0.5, 1.0, at, None, None, None),
            (f"{high}:b", "RUT", "all_time_high", "2024-03-01", 1.4, 0.4, 0.0, at, None, "2024-03-06 21:00", None),
            (f"{high}:c", "RUT", "all_time_high", "2024-05-01", None, None, None, at, None, None, None),
            (f"{high}:d", "IWM", "all_time_high", "2024-05-01", 1.5, 0.5, 1.0, at, None, None, None),
        ],
    )  # fmt: skip
    bench.given(
        "intermediate.breakout_followup",
        "event_id varchar, sessions_after integer, known_at timestamptz",
        [
            (f"{high}:a", 10, "2024-01-17 21:00"),
            (f"{high}:b", 9, "2024-03-14 20:00"),
            (f"{high}:b", 10, "2024-03-15 20:00"),
            (f"{high}:c", 9, "2024-05-14 20:00"),
        ],
    )
    bench.build_only("intermediate.filtered_events", as_of="2024-12-31")
    assert bench.rows("select filter, event_id[-1:], is_kept, trigger_at from intermediate.filtered_events") == [
        ("breadth", "a", True, at),
        ("breadth", "b", False, at),
        ("confirmed", "a", True, confirmed),
        ("confirmed", "b", False, "2024-03-15 20:00"),
        ("easing_liquidity", "a", True, at),
        ("easing_liquidity", "b", False, at),
        ("no_early_failure", "a", True, held),
        ("no_early_failure", "b", False, "2024-03-06 21:00"),
        ("volume", "a", True, at),
        ("volume", "b", False, at),
    ]


def _confirmed(
    bench: Bench, windows: Mapping[str, float], kept: Sequence[str], dropped: Sequence[str], **parameters: float
) -> list[Row]:
    _given(bench, windows, kept=kept, dropped=dropped)
    for model in (*PATTERNS[:-1], "marts.confirmation_value"):
        bench.build_only(model, as_of="2024-12-31", **parameters)
    return bench.rows(
        "select n_kept, n_dropped, n_episodes_kept, excess_kept, excess_dropped, p_value, evidence "
        "from marts.confirmation_value where filter = 'volume' and target_id = 'BTC' and horizon_days = 7"
    )


def test_what_a_filter_is_worth(bench: Bench) -> None:
    """29 windows; the kept event grew to 1.21, the dropped one to 1 / 1.21: 2 * ln(1.21) apart, and the usual is 1.

    Shifted together they are as far apart nowhere, or, with another two windows ten days on, at 1 of 16 shifts.
    """
    windows = days("2024-01-01", [0.0] * 29)
    effect = {"2024-01-02": 0.21, "2024-01-06": 1 / 1.21 - 1}
    found = _confirmed(bench, {**windows, **effect}, kept=["2024-01-02"], dropped=["2024-01-06"])
    assert found == [(1, 1, 1, 0.21, round(1 / 1.21 - 1, 9), round(1 / 17, 9), "insufficient")]
    again = {"2024-01-12": 1 / 1.21 - 1, "2024-01-16": 0.21}
    found = _confirmed(
        bench, {**windows, **effect, **again}, kept=["2024-01-02"], dropped=["2024-01-06"], minimum_episodes=1
    )
    assert found == [(1, 1, 1, 0.21, round(1 / 1.21 - 1, 9), round(2 / 17, 9), "exploratory")]


def test_without_something_dropped_there_is_nothing_to_compare(bench: Bench) -> None:
    windows = days("2024-01-01", [0.0] * 29)
    found = _confirmed(bench, windows, kept=["2024-01-02"], dropped=[], minimum_episodes=1)
    assert found == [(1, 0, 1, 0.0, None, None, "insufficient")]
