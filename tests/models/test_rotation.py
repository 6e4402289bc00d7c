"""Ratios of everything: the pairs of the universe, the altcoin basket, the weekly rotation, the join across calendars.

The rotation is worked out over three weeks instead of fourteen. 2024-03-29 was a Good Friday; 2024 began on a Monday.
The basket holds five coins or six, A to F, that stand at 10 until something happens. Instants are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import yaml
from bench import UNIVERSE, Bench, Numbers, Row
from folders import CascadeHome, market_folder

from assets.config.universe import UNIVERSE_FILE, Instrument, Pair, PairOfEach, Universe, UniverseError, load_universe
from assets.sources.base import FetchRequest
from assets.sources.demo import DemoSource

# --- the pairs of the universe --------------------------------------------------------------------------------------


def test_the_universe_has_the_pairs_that_are_asked_for() -> None:
    universe = load_universe()
    altcoins = {i.id for i in universe.instruments if i.role == "altcoin"}
    assert len(altcoins) > 15
    wanted = [
        *("RUT/SPX", "IWM/SPY", "IWC/IWM", "RSP/SPY", "QQQ/SPY", "KRE/XLF", "XBI/XLV", "HYG/IEF", "LQD/IEF", "XLY/XLP"),
        *("EEM/SPY", "GLD/SPY", "ETH/BTC", "BTC/SPX", "BTC/GLD", "ALTS/BTC"),
    ]
    assert [pair.id for pair in universe.pairs[: len(wanted)]] == wanted
    assert {pair.id for pair in universe.pairs[len(wanted) :]} == {f"{coin}/BTC" for coin in altcoins}
    assert "ALTS" in universe.target_ids


def test_each_stands_for_every_instrument_of_the_role() -> None:
    universe = UNIVERSE.model_copy(
        update={"pairs_as_written": (UNIVERSE.pairs[0], PairOfEach(each="altcoin", against="ETH"))}
    )
    assert universe.pairs == (
        UNIVERSE.pairs[0],
        Pair(id="SOL/ETH", numerator="SOL", denominator="ETH"),
        Pair(id="ETC/ETH", numerator="ETC", denominator="ETH"),
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"each": "altcoin", "against": "UNKNOWN"}, "denominator of BNB/UNKNOWN: unknown instrument UNKNOWN"),
        ({"each": "crypto_major", "against": "BTC"}, "duplicate pair ETH/BTC"),
        ({"each": "altcoin", "versus": "BTC"}, "versus"),
    ],
)
def test_a_pair_of_each_that_does_not_fit_is_named(tmp_path: Path, entry: dict[str, str], message: str) -> None:
    entries = yaml.safe_load(UNIVERSE_FILE.read_text(encoding="utf-8"))
    entries["pairs"].append(entry)
    path = tmp_path / "universe.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    with pytest.raises(UniverseError, match=message):
        load_universe(path)


@pytest.mark.slow
def test_a_pair_without_its_legs_is_left_out_and_named(tmp_path: Path) -> None:
    home = CascadeHome(tmp_path / "home")
    assert home.run(market_folder(tmp_path / "market")).code == 0
    named, checked = home.ask(
        "select detail, rows_checked - rows_failed from meta.checks where check_name = 'every_pair_has_its_legs'"
    )[0]
    assert named.startswith("AAVE/BTC; ALTS/BTC; ATOM/BTC; ")  # four altcoins are no basket
    assert home.ask("select count(distinct pair_id) from marts.relative_strength") == [(checked,)]


# --- marts.relative_rotation ----------------------------------------------------------------------------------------

WEEKS = [f"{friday:%Y-%m-%d}" for friday in pd.date_range("2024-01-05", "2024-03-01", freq="W-FRI")]
THREE_WEEKS = {"rotation_weeks": 3}
ROTATION = ("intermediate.weekly_ratios", "intermediate.weekly_standings", "marts.relative_rotation")


def _ratios(bench: Bench, ratios: Sequence[tuple[str, float]], calendar: str = "XNYS", **known: str) -> None:
    """The ratio of one pair, each known at nine in the evening, or when `known` says (dates with underscores)."""
    bench.given("core.pairs", "pair_id varchar, calendar varchar", [("N/D", calendar)])
    bench.given(
        "marts.relative_strength",
        "pair_id varchar, session_date date, ratio double, known_at timestamptz",
        [
            ("N/D", day, ratio, known.get(f"on_{day.replace('-', '_')}", f"{day} 21:00") + ":00+00")
            for day, ratio in ratios
        ],
    )


def _rotation(bench: Bench, columns: str, **parameters: float) -> list[Row]:
    for model in ROTATION:
        bench.build_only(model, as_of="2026-12-31", **(THREE_WEEKS | parameters))
    return bench.rows(f"select {columns} from marts.relative_rotation order by week_end")


def test_relative_rotation_by_hand(bench: Bench) -> None:
    """Three weeks that stand at 1, 2 and 3 in any order have the mean 2 and the sample deviation 1."""
    _ratios(bench, list(zip(WEEKS, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 2.0, 1.0, 3.0], strict=True)))
    rows = _rotation(bench, "week_end, rs_ratio, rs_momentum, quadrant, heading_deg, distance, known_at")
    assert [row[:2] for row in rows] == [
        ("2024-01-05", None),
        ("2024-01-12", None),
        ("2024-01-19", 101.0),
        ("2024-01-26", 99.0),
        ("2024-02-02", 100.0),
        ("2024-02-09", 101.0),
        # 2, 3, 2: (2 - 7/3) / sqrt(1/3)
        ("2024-02-16", 99.422649731),
        ("2024-02-23", 99.0),
        ("2024-03-01", 101.0),
    ]
    # The changes: 99/101 - 1 = -0.019802, 100/99 - 1 = 0.010101, 0.01, -0.015617, -0.004251, 2/99 = 0.020202.
    assert [row[2:] for row in rows] == [
        *[(None, None, None, None, f"{week} 21:00") for week in WEEKS[:5]],
        # (0.01 - 0.00009968) / 0.01723541; no momentum the week before to come from; sqrt(1 + 0.57441748 ** 2)
        (100.574417484, "leading", None, 1.153236943, "2024-02-09 21:00"),
        # (-0.01561733 - 0.00149456) / 0.01481942; atan2(-1.72911132, -1.57735027); sqrt(0.57735027 ** 2 + ...)
        (98.845306167, "lagging", -132.372064064, 1.290988451, "2024-02-16 21:00"),
        # (-0.00425104 + 0.00328946) / 0.01283571; atan2(1.07977907, -0.42264973); sqrt(1 + 0.07491477 ** 2)
        (99.925085233, "lagging", 111.376488579, 1.002802185, "2024-02-23 21:00"),
        # (0.02020202 - 0.00011122) / 0.01830378; atan2(1.17254607, 2); sqrt(1 + 1.0976313 ** 2)
        (101.097631299, "leading", 30.381946135, 1.484855033, "2024-03-01 21:00"),
    ]


@pytest.mark.parametrize(
    ("ratios", "quadrant"),
    [
        ([1.0, 2.0, 3.0, 1.0, 2.0, 3.0], "leading"),  # 101 after 99 and 100
        ([3.0, 1.0, 2.0, 2.5, 3.5, 3.0], "weakening"),  # at its mean, after two weeks above it
        ([3.0, 2.0, 1.0, 3.0, 2.0, 1.0], "lagging"),
        ([5.0, 3.0, 1.0, 1.0, 0.5, 0.6], "improving"),  # still below its mean, after a worse week
    ],
)
def test_the_four_quadrants(bench: Bench, ratios: list[float], quadrant: str) -> None:
    _ratios(bench, list(zip(WEEKS, ratios, strict=False)))
    assert _rotation(bench, "quadrant")[-1] == (quadrant,)


def test_fourteen_weeks_and_their_first_rows(bench: Bench) -> None:
    """With the project's own number the ratio starts at week 14, the momentum at 28, the heading at 29."""
    fridays = [f"{day:%Y-%m-%d}" for day in pd.date_range("2022-05-06", periods=30, freq="W-FRI")]
    _ratios(bench, [(day, 1 + (number * number) % 7) for number, day in enumerate(fridays)])
    rows = _rotation(bench, "rs_ratio, rs_momentum, heading_deg", rotation_weeks=14)
    assert [next(n for n, row in enumerate(rows, 1) if row[column] is not None) for column in range(3)] == [14, 28, 29]
    assert None not in rows[-1]


@pytest.mark.parametrize("ratio", [1.0, 0.1, 1 / 3])
def test_a_ratio_that_stands_still_has_no_place(bench: Bench, ratio: float) -> None:
    _ratios(bench, [(week, ratio) for week in WEEKS])
    assert set(_rotation(bench, "rs_ratio, rs_momentum, quadrant, heading_deg, distance")) == {(None,) * 5}


def test_what_stood_still_for_a_while_starts_again(bench: Bench) -> None:
    _ratios(bench, list(zip(WEEKS, [5.0, 5.0, 5.0, 6.0, 8.0, 7.0, 8.0, 9.0, 7.0], strict=True)))
    # 5, 5, 5 has no deviation; then four distances make three changes, and the momentum starts in the seventh week.
    rows = _rotation(bench, "rs_ratio is null, rs_momentum is null")
    assert rows == [*[(True, True)] * 3, *[(False, True)] * 3, *[(False, False)] * 3]


def test_a_steady_trend_has_a_place_but_no_momentum(bench: Bench) -> None:
    """Each week a tenth more: the distance from the mean is always the same, and what rounding adds is no change."""
    _ratios(bench, [(week, 0.1 * 1.1**number) for number, week in enumerate(WEEKS)])
    rows = _rotation(bench, "rs_ratio, rs_momentum, heading_deg")
    # (1.21 - 3.31/3) / sqrt of ((1 - 3.31/3)^2 + (1.1 - 3.31/3)^2 + (1.21 - 3.31/3)^2) / 2
    assert rows == [(None, None, None)] * 2 + [(101.015489306, None, None)] * 7


def test_a_week_without_a_bar_is_not_there(bench: Bench) -> None:
    """The weeks that are there follow one another."""
    _ratios(bench, [(week, ratio) for week, ratio in zip(WEEKS, [1.0, 2.0, 9.0, 3.0], strict=False) if ratio != 9])
    assert _rotation(bench, "week_end, rs_ratio") == [
        ("2024-01-05", None),
        ("2024-01-12", None),
        ("2024-01-26", 101.0),
    ]


def test_a_lost_friday_closes_with_thursday_once_monday_shows_it(bench: Bench) -> None:
    days = [("2024-01-05", 1.0), ("2024-01-11", 2.0), ("2024-01-16", 7.0), ("2024-01-19", 3.0)]
    _ratios(bench, days)
    assert _rotation(bench, "week_end, rs_ratio, known_at") == [
        ("2024-01-05", None, "2024-01-05 21:00"),
        ("2024-01-12", None, "2024-01-16 21:00"),
        ("2024-01-19", 101.0, "2024-01-19 21:00"),
    ]
    _ratios(bench, days[:2])
    assert _rotation(bench, "week_end") == [("2024-01-05",)]


@pytest.mark.parametrize(
    ("calendar", "last", "week_ends"),
    [
        ("XNYS", "2024-03-21", ["2024-03-15"]),  # a Thursday: Friday is still to come
        ("XNYS", "2024-03-22", ["2024-03-15", "2024-03-22"]),
        ("XNYS", "2024-03-28", ["2024-03-15", "2024-03-22", "2024-03-28"]),  # Good Friday is no session
        ("CRYPTO", "2024-03-23", ["2024-03-17"]),
        ("CRYPTO", "2024-03-24", ["2024-03-17", "2024-03-24"]),  # a Sunday
    ],
)
def test_a_week_ends_with_its_last_scheduled_session(
    bench: Bench, calendar: str, last: str, week_ends: list[str]
) -> None:
    """The clock stands at the last ratio: what the week still has in store is known from the calendar."""
    days = [str(day) for day in bench.days(calendar, "2024-03-11", 20) if str(day) <= last]
    _ratios(bench, [(day, 1.0) for day in days], calendar)
    bench.build_only("intermediate.weekly_ratios", as_of=last)
    assert bench.rows("select week_end from intermediate.weekly_ratios order by all") == [(day,) for day in week_ends]


def test_a_leg_that_ends_in_the_middle_of_a_week_leaves_no_week(bench: Bench) -> None:
    bench.bars("RUT", "2024-03-11", [10.0] * 12)
    bench.bars("SPX", "2024-03-11", [5.0] * 7)
    bench.build("marts.relative_rotation", as_of="2024-12-31")
    assert bench.rows("select pair_id, week_end, known_at from marts.relative_rotation") == [
        ("RUT/SPX", "2024-03-15", "2024-03-15 20:00")
    ]


def test_two_coins_end_the_week_on_sunday_and_a_coin_against_an_index_on_friday(bench: Bench) -> None:
    bench.bars("BTC", "2024-03-04", [100.0] * 14)
    bench.bars("ETH", "2024-03-04", [10.0] * 14)
    bench.bars("SPX", "2024-03-04", [5.0] * 10)
    bench.build("marts.relative_rotation", as_of="2024-12-31")
    assert bench.rows("select pair_id, week_end, known_at from marts.relative_rotation order by all") == [
        ("BTC/SPX", "2024-03-08", "2024-03-09 00:00"),
        ("BTC/SPX", "2024-03-15", "2024-03-16 00:00"),
        ("ETH/BTC", "2024-03-10", "2024-03-11 00:00"),
        ("ETH/BTC", "2024-03-17", "2024-03-18 00:00"),
    ]


def test_a_row_is_known_with_the_last_close_in_it(bench: Bench) -> None:
    """The second week was corrected in June: whatever looks back at it was known then, and what does not, before."""
    _ratios(bench, [(week, float(n % 3)) for n, week in enumerate(WEEKS, 1)], on_2024_01_12="2024-06-03 12:00")
    known = [row[0] for row in _rotation(bench, "known_at")]
    assert known == ["2024-01-05 21:00", *["2024-06-03 12:00"] * 7, "2024-03-01 21:00"]


# --- intermediate.basket_levels -------------------------------------------------------------------------------------

COINS = tuple("ABCDEF")


def _coin(id_: str, role: str = "altcoin", kind: str = "coin") -> Instrument:
    return Instrument.model_validate({"id": id_, "name": id_, "asset_class": "crypto", "kind": kind, "role": role})


def _basket_universe() -> Universe:
    majors = [i for i in UNIVERSE.instruments if i.role != "altcoin"]
    return UNIVERSE.model_copy(
        update={
            "instruments": (*majors, *map(_coin, COINS), _coin("ALTS", "altcoin_basket", "basket")),
            "pairs_as_written": (Pair(id="ALTS/BTC", numerator="ALTS", denominator="BTC"),),
            "targets": UNIVERSE.targets.model_copy(update={"instruments": ("ALTS",)}),
        }
    )


@pytest.fixture
def basket(bench: Bench) -> Bench:
    """The bench with six altcoins and their basket in its universe."""
    bench.universe(_basket_universe())
    return bench


def _coins(bench: Bench, first: str, closes: Mapping[str, Numbers], captured_at: str = "2026-12-31 00:00") -> None:
    for id_, prices in closes.items():
        bench.bars(id_, first, prices, calendar="CRYPTO", captured_at=captured_at)


def _levels(bench: Bench, columns: str = "session_date, level", as_of: str = "2026-12-31") -> list[Row]:
    bench.build("intermediate.basket_levels", as_of=as_of)
    return bench.rows(f"select {columns} from intermediate.basket_levels order by session_date")


def test_a_basket_by_hand(basket: Bench) -> None:
    """Equal parts whatever a coin costs: + 10, + 20, + 30, - 10 and 0 % make + 10 %."""
    _coins(
        basket,
        "2024-01-31",
        {
            "A": [10.0, 11.0, 12.0],
            "B": [0.001, 0.0012, 0.0014],
            "C": [1000.0, 1300.0, 1600.0],
            "D": [10.0, 9.0, 8.0],
            "E": [10.0, 10.0, 10.0],
        },
    )
    assert _levels(
        basket, "instrument_id, session_date, bar_number, bought_on, members, level, closes_at, known_at"
    ) == [
        ("ALTS", "2024-02-01", 1, "2024-02-01", 5, 110.0, "2024-02-02 00:00", "2024-02-02 00:00"),
        # + 20, + 40, + 60, - 20, 0 %
        ("ALTS", "2024-02-02", 2, "2024-02-01", 5, 120.0, "2024-02-03 00:00", "2024-02-03 00:00"),
    ]


def test_a_month_begins_with_equal_parts_again(basket: Bench) -> None:
    """A doubles in January, so that a fifth of 120 is bought of it; held on, A's rise by half would weigh more."""
    december, january = [10.0], [10.0] * 30
    _coins(basket, "2023-12-31", {id_: [*december, *january, 10.0, 10.0] for id_ in "BCDE"})
    _coins(basket, "2023-12-31", {"A": [*december, *january, 20.0, 30.0]})
    assert _levels(basket)[-2:] == [
        ("2024-01-31", 120.0),
        ("2024-02-01", 132.0),  # 120 * (1.5 + 4) / 5; not 140
    ]


def test_a_coin_that_dies_counts_with_its_last_price_until_the_month_is_over(basket: Bench) -> None:
    _coins(basket, "2024-01-31", {id_: [10.0] * 31 for id_ in "ABCDE"})
    _coins(basket, "2024-01-31", {"F": [10.0, 7.0, 4.0]})
    levels = _levels(basket, "session_date, members, level")
    assert levels[:3] == [("2024-02-01", 6, 95.0), ("2024-02-02", 6, 90.0), ("2024-02-03", 6, 90.0)]
    assert levels[-2:] == [("2024-02-29", 6, 90.0), ("2024-03-01", 5, 90.0)]


@pytest.mark.parametrize(("is_dead", "last_day"), [(False, "2024-02-05"), (True, "2024-02-29")])
def test_frozen_prices_are_a_level_for_three_days_and_those_of_the_dead_for_the_month(
    is_dead: bool, last_day: str, basket: Bench
) -> None:
    """Two of six coins end on the third: a third of the basket has no known value, unless the coins are known dead."""
    _coins(basket, "2024-01-31", {id_: [10.0] * 30 for id_ in "ABCD"})
    _coins(basket, "2024-01-31", {id_: [10.0, 9.0, 8.0, 7.0] for id_ in "EF"})
    if is_dead:
        universe = _basket_universe()
        death = {"valid_to": date(2024, 2, 3), "valid_to_reason": "ends in this test"}
        instruments = tuple(i.model_copy(update=death) if i.id in "EF" else i for i in universe.instruments)
        basket.universe(universe.model_copy(update={"instruments": instruments}))
    assert _levels(basket)[-1] == (last_day, 90.0)


def test_a_coin_without_a_bar_of_the_month_keeps_the_price_that_it_was_bought_at(basket: Bench) -> None:
    _coins(basket, "2024-01-31", {id_: [10.0, 20.0] for id_ in "ABCD"})
    _coins(basket, "2024-01-31", {"E": [10.0]})
    assert _levels(basket) == [("2024-02-01", 180.0)]


def test_a_gap_in_one_coin_is_filled_with_its_last_price(basket: Bench) -> None:
    _coins(basket, "2024-01-31", {id_: [10.0] * 4 for id_ in "ABCD"})
    _coins(basket, "2024-01-31", {"E": [10.0, 15.0, None, 20.0]})
    assert _levels(basket) == [("2024-02-01", 110.0), ("2024-02-02", 110.0), ("2024-02-03", 120.0)]


@pytest.mark.parametrize(
    ("days_before", "members"),
    [(1, 6), (3, 6), (4, 5)],
)
def test_a_member_traded_in_the_three_days_before(basket: Bench, days_before: int, members: int) -> None:
    _coins(basket, "2024-01-20", {id_: [10.0] * 13 for id_ in "ABCDE"})
    # Doubles on its last day in January, comes back in February and doubles again: from the last price of January.
    gone: Numbers = [None] * (days_before - 1)
    _coins(basket, "2024-01-20", {"F": [*[5.0] * (12 - days_before), 10.0, *gone, 20.0]})
    assert _levels(basket, "session_date, members, level") == [
        ("2024-02-01", members, 116.666666667 if members == 6 else 100.0)
    ]


def test_a_coin_that_is_listed_in_a_month_joins_with_the_next(basket: Bench) -> None:
    _coins(basket, "2024-01-31", {id_: [10.0] * 31 for id_ in "ABCDE"})
    _coins(basket, "2024-02-01", {"F": [*[10.0] * 29, 70.0]})
    levels = _levels(basket, "session_date, members, level")
    assert levels[-2:] == [("2024-02-29", 5, 100.0), ("2024-03-01", 6, 200.0)]


def test_fewer_than_five_coins_are_no_basket(basket: Bench) -> None:
    _coins(basket, "2024-01-31", {id_: [10.0, 11.0] for id_ in "ABCD"})
    basket.bars("BTC", "2024-01-31", [10.0, 11.0])
    basket.bars("ETH", "2024-01-31", [10.0, 11.0])  # neither is an altcoin
    basket.build("core.pairs", as_of="2026-12-31")
    assert basket.rows("select * from intermediate.basket_levels") == []
    assert basket.rows("select * from core.instruments where instrument_id = 'ALTS'") == []
    assert basket.rows("select * from core.pairs") == []


def test_a_month_of_fewer_than_five_coins_is_left_out(basket: Bench) -> None:
    """E and F end on 2 February, so March has four; in April there is a sixth again, and the level goes on from 90."""
    _coins(basket, "2024-01-31", {id_: [10.0] * 61 + [11.0] for id_ in "ABCD"})
    _coins(basket, "2024-01-31", {"E": [10.0, 10.0, 5.0], "F": [10.0, 10.0, 9.0]})
    _coins(basket, "2024-03-20", {"E": [7.0] * 12 + [7.7]})
    levels = _levels(basket, "session_date, members, level")
    # (4 + 0.5 + 0.9) / 6, and a tenth more in April
    assert levels[-2:] == [("2024-02-04", 6, 90.0), ("2024-04-01", 5, 99.0)]


def test_a_bar_that_was_filled_in_later_made_no_member(basket: Bench) -> None:
    """F's last days of January arrived in March: on 1 February it was not known that it still traded."""
    _coins(basket, "2024-01-20", {id_: [10.0] * 13 for id_ in "ABCDE"})
    gap: Numbers = [None] * 4
    _coins(basket, "2024-01-20", {"F": [*[10.0] * 8, *gap, 20.0]}, captured_at="2024-02-05 00:00")
    _coins(basket, "2024-01-28", {"F": [10.0] * 4}, captured_at="2024-03-05 00:00")
    assert _levels(basket, "members, level") == [(5, 100.0)]


def test_a_level_is_known_when_the_last_price_in_it_was(basket: Bench) -> None:
    """E's close of 31 January was 10, not 20: known on 3 March, so all levels from February on are known then."""
    _coins(basket, "2024-01-30", {id_: [10.0] * 34 for id_ in "ABCD"})
    _coins(basket, "2024-01-30", {"E": [20.0, 20.0, *[10.0] * 32]}, captured_at="2024-03-04 06:00")
    basket.bars("E", "2024-01-31", [10.0], calendar="CRYPTO", captured_at="2024-03-04 12:00", version=2)
    levels = _levels(basket, "session_date, level, known_at")
    assert levels[0] == ("2024-02-01", 100.0, "2024-03-04 12:00")
    assert levels[-1] == ("2024-03-03", 100.0, "2024-03-04 12:00")
    # As known before, E had lost half.
    levels = _levels(basket, "session_date, level, known_at", as_of="2024-03-03")
    assert levels[0] == ("2024-02-01", 90.0, "2024-02-02 00:00")


def test_what_comes_later_changes_no_level(basket: Bench) -> None:
    prices = {id_: [10.0 + (3 * n + 7 * k) % 5 for n in range(70)] for k, id_ in enumerate(COINS)}
    _coins(basket, "2024-01-20", prices)
    then = _levels(basket, "*", as_of="2024-02-20")
    assert len(then) == 20
    assert _levels(basket, "*")[: len(then)] == then


def test_what_a_source_delivers_under_the_name_of_a_basket_is_none(basket: Bench) -> None:
    _coins(basket, "2024-01-31", {"ALTS": [1.0, 2.0, 3.0]})
    basket.build("core.instruments", "intermediate.prices", as_of="2026-12-31")
    assert basket.rows("select * from intermediate.prices") == []
    assert basket.rows("select * from core.instruments") == []


def test_the_basket_is_an_instrument_a_leg_and_a_target(basket: Bench) -> None:
    _coins(basket, "2024-01-31", {id_: [10.0, 20.0, 25.0] for id_ in "ABCDE"})
    basket.bars("BTC", "2024-01-31", [100.0, 100.0, 125.0])
    basket.build("marts.relative_strength", "intermediate.target_prices", as_of="2024-02-02")
    assert basket.rows(
        "select asset_class, kind, role, calendar, price_basis, has_total_return, is_required, history_start, "
        "last_session from core.instruments where instrument_id = 'ALTS'"
    ) == [
        ("crypto", "basket", "altcoin_basket", "CRYPTO", "price", True, False, "2024-02-01", "2024-02-02"),
    ]
    assert basket.rows(
        "select pair_id, session_date, numerator, ratio, price_basis, known_at from marts.relative_strength "
        "order by session_date"
    ) == [
        ("ALTS/BTC", "2024-02-01", 200.0, 2.0, "total_return", "2024-02-02 00:00"),
        ("ALTS/BTC", "2024-02-02", 250.0, 2.0, "total_return", "2024-02-03 00:00"),
    ]
    assert basket.rows("select * from intermediate.target_prices order by session_number") == [
        ("ALTS", 1, "2024-02-01", 200.0, False, "2024-02-02 00:00", "2024-02-02 00:00"),
        ("ALTS", 2, "2024-02-02", 250.0, False, "2024-02-03 00:00", "2024-02-03 00:00"),
    ]


def test_a_breakout_is_answered_by_the_basket(basket: Bench) -> None:
    basket.given(
        "intermediate.triggers",
        "signal_id varchar, event_id varchar, trigger varchar, trigger_at timestamptz",
        [("RUT:all_time_high:decided", "RUT:all_time_high:2024-02-01", "decided", "2024-02-01 21:00:00+00")],
    )
    _coins(basket, "2024-01-31", {id_: [10.0, 20.0, 20.0, 20.0, 30.0] for id_ in "ABCDE"})
    basket.build("intermediate.forward_windows", as_of="2024-02-05")
    basket.given("intermediate.pattern_events", "trigger_at timestamptz", [("2024-02-01 21:00",)])
    for model in ("intermediate.response_entries", "intermediate.window_extremes", "marts.rotation_responses"):
        basket.build_only(model, as_of="2024-02-05")
    assert basket.rows(
        "select target_id, entry_date, exit_date, forward_return from marts.rotation_responses where horizon_days = 3"
    ) == [("ALTS", "2024-02-01", "2024-02-04", 0.5)]


def test_only_altcoins_are_in_the_basket_of_the_universe(bench: Bench) -> None:
    """No major, no stablecoin, no wrapped coin has the role."""
    altcoins = {i.id for i in load_universe().instruments if i.role == "altcoin"}
    assert not altcoins & {"BTC", "ETH", "USDT", "USDC", "DAI", "WBTC", "STETH", "WETH", "WSTETH"}
    basket = [i for i in load_universe().instruments if i.kind == "basket"]
    assert [(i.id, i.asset_class, i.role, i.is_required) for i in basket] == [
        ("ALTS", "crypto", "altcoin_basket", False)
    ]


# --- two kinds of join ----------------------------------------------------------------------------------------------


def test_a_weekend_is_neither_lost_nor_made_a_session(bench: Bench) -> None:
    """Five sessions over a weekend and Presidents' Day make four intervals, which hold all that the coin did."""
    bench.bars("SPX", "2024-02-14", [10.0] * 5)
    bench.bars("BTC", "2024-02-14", [100.0, 110.0, 120.0, 60.0, 30.0, 90.0, 180.0, 150.0])
    bench.build("marts.relative_strength", as_of="2024-12-31", relative_return=1)
    rows = bench.rows("select session_date, return_63 from marts.relative_strength order by session_date")
    assert rows == [
        ("2024-02-14", None),
        ("2024-02-15", 0.1),
        ("2024-02-16", 0.090909091),
        ("2024-02-20", 0.5),  # Friday 120 to Tuesday 180, with all that happened in between
        ("2024-02-21", -0.166666667),
    ]


def _correlations(bench: Bench, joined: str) -> tuple[float, float]:
    """Correlation of the log returns of BTC with those of SPX of the same session, and of the session before."""
    same, before = bench.connection.execute(
        f"""
        with joined as ({joined}),
        returns as (
            select
                session_date,
                ln(coin / lag(coin) over (order by session_date)) as coin,
                ln(index / lag(index) over (order by session_date)) as index,
            from joined
        ),
        lagged as (select *, lag(index) over (order by session_date) as index_before from returns)
        select corr(coin, index), corr(coin, index_before) from lagged
        """
    ).fetchall()[0]
    return same, before


def test_what_moves_together_is_seen_together(bench: Bench, calendar_sessions: pd.DataFrame) -> None:
    """On the synthetic market, whose BTC follows the equity market of the same day.

    What was known at New York's close is the coin's bar of the day before: for a signal that is right, as a measure it
    destroys the co-movement and invents a lead of one session.
    """
    exchange = calendar_sessions.loc[calendar_sessions["calendar"] == "XNYS", "session_date"]
    source = DemoSource(load_universe(), pd.DatetimeIndex(exchange))
    for id_, asset_class, table in (("SPX", "equity", "equity_bars"), ("BTC", "crypto", "crypto_bars")):
        only = FetchRequest(asset_class, only=frozenset({id_}))  # type: ignore[arg-type]
        [delivery] = source.fetch(only)
        frame = delivery.tables[table]
        bench.bars(id_, str(frame["session_date"].iloc[0].date()), frame["close"].tolist())
    bench.build("marts.relative_strength", as_of="2025-12-31")

    same, before = _correlations(
        bench,
        "select session_date, numerator as coin, denominator as index from marts.relative_strength "
        "where pair_id = 'BTC/SPX'",
    )
    assert same > 0.2
    assert abs(before) < 0.05

    same, before = _correlations(
        bench,
        "select indices.session_date, coins.close as coin, indices.close as index "
        "from (select * from core.bars where instrument_id = 'SPX') as indices "
        "asof join (select * from core.bars where instrument_id = 'BTC') as coins "
        "on coins.known_at <= indices.known_at",
    )
    assert abs(same) < 0.05
    assert before > 0.2
