"""Breadth, liquidity, altseason and the cascade: hand-made rows and hand-worked answers.

Windows are as short as a test needs them. Instants are UTC; New York closes at 21:00 in winter and 20:00 in summer.
"""

from __future__ import annotations

import pytest
from bench import UNIVERSE, Bench, Row

from assets.config.universe import Ingredient, Instrument, Series, Stage, Universe

SHORT_WINDOWS = {"short_mean": 2, "long_mean": 3, "breadth_year": 2, "breadth_least_members": 1}
COINS = ("SOL", "ADA", "XRP", "ETC")


def _series(id_: str, frequency: str, release: str, stale_after_days: int, is_restated: bool = False) -> Series:
    return Series.model_validate(
        {
            "id": id_,
            "name": id_,
            "unit": "some unit",
            "frequency": frequency,
            "release": release,
            "stale_after_days": stale_after_days,
            "is_restated": is_restated,
        }
    )


def _coin(id_: str) -> Instrument:
    return Instrument(id=id_, name=id_, asset_class="crypto", kind="coin", role="altcoin")


def _stage(name: str, *ingredients: str) -> Stage:
    parts = (text.rsplit(":", 1) for text in ingredients)
    return Stage(
        name=name,
        ingredients=tuple(
            Ingredient.model_validate({"subject": subject, "measure": measure}) for subject, measure in parts
        ),
    )


SIGNALS: Universe = UNIVERSE.model_copy(
    update={
        "instruments": (*UNIVERSE.instruments, _coin("ADA"), _coin("XRP")),
        "series": (
            _series("WALCL", "weekly", "next thursday 16:30", 10),
            _series("WTREGEN", "weekly", "next thursday 16:30", 10),
            _series("RRPONTSYD", "daily", "same day 13:15", 5),
            _series("SOFR", "daily", "next business day 09:00", 5),
            _series("DFF", "daily", "next business day 09:00", 5),
            _series("NFCI", "weekly", "next wednesday 08:30", 14, is_restated=True),
        ),
        "stages": (
            _stage("funding", "net_liquidity:rises", "SOFR:near_policy_rate", "NFCI:below_zero"),
            _stage("equities", "SPX:price_above_mean", "SPX:mean_above_mean"),
            _stage("small_caps", "RUT/SPX:ratio_above_mean", "RUT/SPX:ratio_rises", "small:half_above_mean"),
            _stage("crypto_majors", "BTC:price_above_mean"),
            _stage("altcoins", "altcoins:half_beat_bitcoin"),
        ),
    }
)


@pytest.fixture
def signals(bench: Bench) -> Bench:
    """The bench with a universe that has all stages."""
    bench.universe(SIGNALS)
    return bench


# --- marts.breadth --------------------------------------------------------------------------------------------------


def _shares(bench: Bench, **closes: list[float | None]) -> None:
    for id_, values in closes.items():
        bench.bars(id_, "2024-03-04", values, calendar="XNYS")
        bench.member("small", id_, "2024-03-04")


def test_breadth_by_hand(bench: Bench) -> None:
    """Means of two and three sessions, a year of two."""
    _shares(bench, AAA=[10, 11, 12, 13], BBB=[10, 9, 8, 9], CCC=[10, 10, 10, 10])
    bench.build("marts.breadth", as_of="2024-03-07", **SHORT_WINDOWS)
    assert bench.rows(
        "select session_date, members, share_above_sma50, share_above_sma200, new_highs_252, new_lows_252, is_proxy, "
        "known_at from marts.breadth order by session_date"
    ) == [
        ("2024-03-04", 3, None, None, None, None, True, "2024-03-04 21:00"),
        ("2024-03-05", 3, 0.333333333, None, None, None, True, "2024-03-05 21:00"),
        # AAA above all before, BBB below all before; CCC stands at its mean, which is not above it.
        ("2024-03-06", 3, 0.333333333, 0.333333333, 1, 1, True, "2024-03-06 21:00"),
        # BBB: 9 > (8 + 9) / 2 and 9 > (9 + 8 + 9) / 3, and it is at its high of two sessions, not above it.
        ("2024-03-07", 3, 0.666666667, 0.666666667, 1, 0, True, "2024-03-07 21:00"),
    ]


@pytest.mark.parametrize(("least", "share"), [(2, 0.5), (3, None)])
def test_a_share_needs_enough_members_with_enough_sessions(bench: Bench, least: int, share: float | None) -> None:
    """CCC has a bar but not two sessions: it is a member and is not counted."""
    _shares(bench, AAA=[10, 11], BBB=[10, 9], CCC=[None, 10])
    bench.build("marts.breadth", as_of="2024-03-05", **SHORT_WINDOWS | {"breadth_least_members": least})
    assert bench.rows("select members, share_above_sma50 from marts.breadth where session_date = '2024-03-05'") == [
        (3, share)
    ]


def test_a_group_of_one(bench: Bench) -> None:
    _shares(bench, AAA=[10, 11, 12])
    bench.build("marts.breadth", as_of="2024-03-06", **SHORT_WINDOWS)
    assert bench.rows("select members, share_above_sma200, new_highs_252 from marts.breadth order by session_date") == [
        (1, None, None),
        (1, None, None),
        (1, 1.0, 1),
    ]


def test_a_member_counts_while_it_is_one_and_brings_its_history(bench: Bench) -> None:
    for id_, span in {"AAA": ("2024-03-04", "2024-03-05"), "BBB": ("2024-03-06", None)}.items():
        bench.bars(id_, "2024-03-04", [10, 11, 12, 13], calendar="XNYS")
        bench.member("small", id_, *span)
    bench.build("marts.breadth", as_of="2024-03-07", **SHORT_WINDOWS)
    assert bench.rows("select session_date, members, share_above_sma200 from marts.breadth order by session_date") == [
        ("2024-03-04", 1, None),
        ("2024-03-05", 1, None),
        ("2024-03-06", 1, 1.0),  # its three sessions are older than its membership
        ("2024-03-07", 1, 1.0),
    ]


def test_a_member_without_a_bar_is_left_out_and_its_sessions_are_its_own(bench: Bench) -> None:
    _shares(bench, AAA=[10, None, 11, 12], BBB=[10, 10, 10, 9])
    bench.build("marts.breadth", as_of="2024-03-07", **SHORT_WINDOWS)
    assert bench.rows("select members, share_above_sma50, share_above_sma200 from marts.breadth order by all") == [
        (1, 0.0, None),
        (2, 0.5, 0.0),
        (2, 0.5, 0.5),
        (2, None, None),
    ]


def test_altcoins_are_a_group_on_every_day(bench: Bench) -> None:
    bench.bars("SOL", "2024-03-08", [10, 11, 12])
    bench.build("marts.breadth", as_of="2024-03-10", **SHORT_WINDOWS)
    assert bench.rows("select group_id, session_date, share_above_sma50 from marts.breadth order by session_date") == [
        ("altcoins", "2024-03-08", None),
        ("altcoins", "2024-03-09", 1.0),
        ("altcoins", "2024-03-10", 1.0),
    ]


# --- intermediate.macro_at_close and marts.liquidity ----------------------------------------------------------------


def test_liquidity_is_what_was_known_at_the_close(signals: Bench) -> None:
    """Wednesday's balance sheet is released on Thursday, half an hour after the close; reverse repos before it."""
    signals.observations("WALCL", {"2024-03-06": 7000.0, "2024-03-13": 7100.0})
    signals.observations("WTREGEN", {"2024-03-06": 700.0, "2024-03-13": 600.0})
    signals.observations("RRPONTSYD", {"2024-03-07": 1.0, "2024-03-14": 2.0, "2024-03-15": 3.0})
    signals.build("marts.liquidity", as_of="2024-03-15")
    assert signals.rows(
        "select session_date, balance_sheet_musd, treasury_account_musd, reverse_repo_musd, net_liquidity_musd, "
        "known_at from marts.liquidity where session_date >= '2024-03-13' order by session_date"
    ) == [
        ("2024-03-13", 7000.0, 700.0, 1000.0, 5300.0, "2024-03-13 20:00"),
        ("2024-03-14", 7000.0, 700.0, 2000.0, 4300.0, "2024-03-14 20:00"),
        ("2024-03-15", 7100.0, 600.0, 3000.0, 3500.0, "2024-03-15 20:00"),
    ]
    assert signals.rows("select min(session_date) from marts.liquidity") == [("2024-03-08",)]


def test_a_balance_sheet_that_stopped_is_unknown_in_the_end(signals: Bench) -> None:
    """A newer one is due ten days after the last, with three days of grace."""
    signals.observations("WALCL", {"2024-03-06": 7000.0})
    signals.observations("WTREGEN", {"2024-03-06": 700.0, "2024-03-13": 600.0, "2024-03-20": 600.0})
    signals.observations("RRPONTSYD", {"2024-03-07": 1.0})
    signals.build("marts.liquidity", as_of="2024-03-22")
    assert signals.rows(
        "select session_date, balance_sheet_musd, net_liquidity_musd from marts.liquidity "
        "where session_date between '2024-03-18' and '2024-03-20' order by session_date"
    ) == [("2024-03-18", 7000.0, 5400.0), ("2024-03-19", 7000.0, 5400.0), ("2024-03-20", None, None)]


def test_a_revision_counts_from_its_capture(signals: Bench) -> None:
    """If it revises the latest observation. A revision of an older one does not change the latest value."""
    signals.observations("SOFR", {"2024-03-04": 5.0, "2024-03-05": 5.1}, captured_at="2024-03-06 15:00")
    signals.observations("SOFR", {"2024-03-05": 5.2}, captured_at="2024-03-07 15:00", version=2)
    signals.observations("SOFR", {"2024-03-04": 9.0}, captured_at="2024-03-08 15:00", version=2)
    signals.build("intermediate.macro_at_close", as_of="2024-03-08")
    assert signals.rows("select session_date, observation_date, value from intermediate.macro_at_close order by 1") == [
        ("2024-03-05", "2024-03-04", 5.0),
        ("2024-03-06", "2024-03-05", 5.1),
        ("2024-03-07", "2024-03-05", 5.2),
        ("2024-03-08", "2024-03-05", 5.2),
    ]


def test_of_observations_that_come_together_the_newest_counts(signals: Bench) -> None:
    """The rates of Friday and the weekend are all released on Monday."""
    signals.observations("DFF", {"2024-03-01": 5.0, "2024-03-02": 5.1, "2024-03-03": 5.2})
    signals.build("intermediate.macro_at_close", as_of="2024-03-04")
    assert signals.rows("select observation_date, value from intermediate.macro_at_close") == [("2024-03-03", 5.2)]


def test_a_restated_series_is_hindsight_unless_captured(signals: Bench) -> None:
    signals.observations("NFCI", {"2024-03-01": -0.5})
    signals.observations("NFCI", {"2024-03-08": -0.4}, captured_at="2024-03-13 15:00")
    signals.build("intermediate.macro_at_close", as_of="2024-03-13")
    assert signals.rows(
        "select session_date, is_hindsight from intermediate.macro_at_close "
        "where session_date >= '2024-03-12' order by 1"
    ) == [("2024-03-12", True), ("2024-03-13", False)]


def _liquidity(bench: Bench, levels: dict[str, float | None], **parameters: float) -> None:
    """marts.liquidity from balance sheets alone, known at the closes of these days."""
    rows: list[Row] = [
        (series, day, level if series == "WALCL" else 0.0, level is None, f"{day} 21:00:00+00")
        for day, level in levels.items()
        for series in ("WALCL", "WTREGEN", "RRPONTSYD")
    ]
    bench.given(
        "intermediate.macro_at_close",
        "series_id varchar, session_date date, value double, is_stale boolean, closes_at timestamptz",
        rows,
    )
    bench.build_only("marts.liquidity", as_of="2024-12-31", **parameters)


def test_changes_are_against_the_last_session_so_many_days_before(bench: Bench) -> None:
    _liquidity(
        bench,
        {
            "2024-01-02": 100.0,
            "2024-01-05": 110.0,  # Friday
            "2024-01-08": 130.0,
            "2024-02-02": 100.0,  # 28 days after the Friday
            "2024-02-04": 101.0,  # 28 days after a day without session
            "2024-02-05": 130.0,  # 28 days after the Monday
            "2024-04-02": 150.0,  # 91 days after the first
        },
    )
    assert bench.rows(
        "select session_date, change_28d_musd, change_91d_musd, regime from marts.liquidity order by session_date"
    ) == [
        ("2024-01-02", None, None, None),
        ("2024-01-05", None, None, None),
        ("2024-01-08", None, None, None),
        ("2024-02-02", -10.0, None, None),
        ("2024-02-04", -9.0, None, None),
        ("2024-02-05", 0.0, None, None),
        ("2024-04-02", 20.0, 50.0, "easing"),
    ]


def test_liquidity_that_stands_still_is_not_easing(bench: Bench) -> None:
    _liquidity(bench, {"2024-01-02": 100.0, "2024-04-02": 100.0})
    assert bench.rows("select change_91d_musd, regime from marts.liquidity order by session_date") == [
        (None, None),
        (0.0, "tightening"),
    ]


def test_the_zscore_is_of_the_last_known_changes(bench: Bench) -> None:
    """Changes over one day of 1, 2, unknown, unknown, 3 and 3, three of them in a window."""
    levels = [100.0, 101.0, 103.0, None, 103.0, 106.0, 109.0]
    _liquidity(
        bench,
        {f"2024-01-0{day}": level for day, level in enumerate(levels, start=1)},
        liquidity_quarter_days=1,
        liquidity_zscore=3,
    )
    assert bench.rows("select change_91d_musd, zscore_3y from marts.liquidity order by session_date") == [
        (None, None),
        (1.0, None),
        (2.0, None),
        (None, None),
        (None, None),
        (3.0, 1.0),  # (3 - 2) / 1
        (3.0, 0.577350269),  # (3 - 8 / 3) / sqrt(1 / 3)
    ]


# --- marts.altseason ------------------------------------------------------------------------------------------------

SEASON = {"altseason_days": 5, "altseason_least_known": 2, "altseason_coverage": 0.8}


def _season(bench: Bench, day: str, **parameters: float) -> Row:
    bench.build("marts.altseason", as_of=day, **SEASON | parameters)
    rows = bench.rows(
        "select index_pct, members, known, coverage, regime, is_proxy, known_at from marts.altseason "
        f"where session_date = '{day}'"
    )
    return rows[0] if rows else ()


def _coins(bench: Bench, first: str = "2024-03-01", **closes: list[float | None]) -> None:
    for id_, values in closes.items():
        bench.bars(id_, first, values, calendar="CRYPTO")


def test_altseason_by_hand(signals: Bench) -> None:
    """Five days: BTC doubles, SOL trebles, ADA doubles too, XRP was not there yet."""
    _coins(signals, BTC=[10, 0.1, 0.1, 0.1, 0.1, 20], SOL=[1, 1, 1, 1, 1, 3], ADA=[1, 1, 1, 1, 1, 2])
    _coins(signals, first="2024-03-02", XRP=[1, 1, 1, 1, 9])
    assert _season(signals, "2024-03-06") == (50.0, 2, 2, 1.0, "neutral", True, "2024-03-07 00:00")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("winners", "regime"), [(4, "altseason"), (3, "altseason"), (2, "neutral"), (1, "bitcoin_season")]
)
def test_regimes_include_their_bounds(signals: Bench, winners: int, regime: str) -> None:
    living = tuple(i.model_copy(update={"valid_to": None}) for i in SIGNALS.instruments)
    signals.universe(SIGNALS.model_copy(update={"instruments": living}))
    _coins(signals, BTC=[10, 10, 10, 10, 10, 10])
    for number, coin in enumerate(COINS):
        last = 2.0 if number < winners else 1.0
        signals.bars(coin, "2024-03-01", [1, 1, 1, 1, 1, last], calendar="CRYPTO")
    assert _season(signals, "2024-03-06")[4] == regime


def test_a_coin_that_died_since_has_lost(signals: Bench) -> None:
    """ETC trades last on 2024-02-15, higher than ever; on that very day it is still alive."""
    _coins(signals, first="2024-02-10", BTC=[10] * 12, SOL=[1] * 12, ETC=[1, 2, 3, 4, 5, 6])
    assert _season(signals, "2024-02-15")[:3] == (50.0, 2, 2)
    assert _season(signals, "2024-02-16")[:3] == (0.0, 2, 2)
    assert _season(signals, "2024-02-20")[:3] == (0.0, 2, 2)  # it was a member until five days before
    assert _season(signals, "2024-02-21")[1:3] == (1, 1)


def test_a_lost_bar_is_stood_in_for_by_one_of_the_three_days_before(signals: Bench) -> None:
    _coins(signals, BTC=[10.0] * 9, SOL=[1.0] * 9, ADA=[1, 1, 1, 1, 2])
    assert _season(signals, "2024-03-08")[:4] == (50.0, 2, 2, 1.0)
    assert _season(signals, "2024-03-09", altseason_coverage=0.5, altseason_least_known=1)[:4] == (0.0, 2, 1, 0.5)


def test_coins_that_end_unexplained_make_it_unknown_not_a_bitcoin_season(signals: Bench) -> None:
    _coins(signals, BTC=[10.0] * 10, SOL=[1.0] * 10, ADA=[1.0] * 10, XRP=[1.0, 1.0, 1.0])
    assert _season(signals, "2024-03-10") == (None, 3, 2, 0.666666667, None, True, "2024-03-11 00:00")
    assert _season(signals, "2024-03-10", altseason_coverage=0.6)[0] == 0.0
    assert _season(signals, "2024-03-10", altseason_coverage=0.6, altseason_least_known=3)[0] is None


def test_without_bitcoin_nothing_is_known(signals: Bench) -> None:
    _coins(signals, SOL=[1.0] * 6, ADA=[1.0] * 6)
    assert _season(signals, "2024-03-06")[:5] == (None, 2, 0, 0.0, None)


def test_a_return_takes_the_last_price_within_the_tolerance(signals: Bench) -> None:
    """SOL has no bar on the second and fourth day, so the day before stands in."""
    _coins(signals, BTC=[10, 20, 40, 80], SOL=[1, None, 3, None])
    signals.build("intermediate.altseason_returns", as_of="2024-03-04", altseason_days=2, altseason_tolerance_days=1)
    assert signals.rows("select * from intermediate.altseason_returns order by all") == [
        ("BTC", "2024-03-03", 4.0, "2024-03-04 00:00"),
        ("BTC", "2024-03-04", 4.0, "2024-03-05 00:00"),
        ("SOL", "2024-03-03", 3.0, "2024-03-04 00:00"),
        ("SOL", "2024-03-04", 3.0, "2024-03-05 00:00"),
    ]
    signals.build("intermediate.altseason_returns", as_of="2024-03-04", altseason_days=2, altseason_tolerance_days=0)
    assert signals.rows("select session_date from intermediate.altseason_returns where instrument_id = 'SOL'") == [
        ("2024-03-03",)
    ]


# --- intermediate.ingredient_values ---------------------------------------------------------------------------------


def _answers(bench: Bench, **parameters: float) -> list[Row]:
    """The ingredients' values, built from the tables that the test gave; all others are empty."""
    empty = {
        "marts.liquidity": "session_date date, change_91d_musd double, known_at timestamptz",
        "intermediate.macro_at_close": "series_id varchar, session_date date, value double, is_stale boolean, "
        "is_hindsight boolean, closes_at timestamptz",
        "intermediate.prices": "instrument_id varchar, session_date date, signal_price double, known_at timestamptz",
        "marts.relative_strength": "pair_id varchar, session_date date, mansfield_rs double, return_63 double, "
        "known_at timestamptz",
        "marts.breadth": "group_id varchar, session_date date, share_above_sma200 double, known_at timestamptz",
        "marts.altseason": "session_date date, index_pct double, known_at timestamptz",
    }
    for name, columns in empty.items():
        bench.connection.execute(f"create table if not exists {name} ({columns})")
    for model in ("macro_ingredients", "price_ingredients", "market_ingredients", "ingredient_values"):
        bench.build_only(f"intermediate.{model}", as_of="2024-12-31", **parameters)
    return bench.rows(
        "select subject_id, measure, session_date, measured, threshold, is_met from intermediate.ingredient_values "
        "order by subject_id, measure, session_date"
    )


AT = "2024-03-05 21:00:00+00"


def test_liquidity_rises_or_not(signals: Bench) -> None:
    signals.given(
        "marts.liquidity",
        "session_date date, change_91d_musd double, known_at timestamptz",
        [("2024-03-04", 5.0, AT), ("2024-03-05", 0.0, AT), ("2024-03-06", None, AT)],
    )
    assert _answers(signals) == [
        ("net_liquidity", "rises", "2024-03-04", 5.0, 0.0, True),
        ("net_liquidity", "rises", "2024-03-05", 0.0, 0.0, False),
        ("net_liquidity", "rises", "2024-03-06", None, None, None),
    ]


def test_a_rate_is_near_the_policy_rate_up_to_the_margin(signals: Bench) -> None:
    """4.43 is a tenth above 4.33, although their binary digits differ from that; a stale rate is unknown."""
    rows: list[Row] = [
        ("DFF", "2024-03-04", 4.33, False, False, AT),
        ("SOFR", "2024-03-04", 4.43, False, False, AT),
        ("DFF", "2024-03-05", 4.33, False, False, AT),
        ("SOFR", "2024-03-05", 4.44, False, False, AT),
        ("DFF", "2024-03-06", 4.33, True, False, AT),
        ("SOFR", "2024-03-06", 4.33, False, False, AT),
        ("NFCI", "2024-03-05", -0.5, False, True, AT),
        ("NFCI", "2024-03-06", -0.5, False, False, AT),
    ]
    signals.given(
        "intermediate.macro_at_close",
        "series_id varchar, session_date date, value double, is_stale boolean, is_hindsight boolean, "
        "closes_at timestamptz",
        rows,
    )
    assert _answers(signals) == [
        ("NFCI", "below_zero", "2024-03-05", None, None, None),
        ("NFCI", "below_zero", "2024-03-06", -0.5, 0.0, True),
        ("SOFR", "near_policy_rate", "2024-03-04", 0.1, 0.1, True),
        ("SOFR", "near_policy_rate", "2024-03-05", 0.11, 0.1, False),
        ("SOFR", "near_policy_rate", "2024-03-06", None, None, None),
    ]


def test_a_spread_below_its_mean_of_known_values(signals: Bench) -> None:
    stages = (_stage("funding", "SOFR:below_mean"),)
    signals.universe(SIGNALS.model_copy(update={"stages": stages}))
    values = {"2024-03-04": 3.0, "2024-03-05": 1.0, "2024-03-06": None, "2024-03-07": 1.0, "2024-03-08": 2.0}
    rows: list[Row] = [("SOFR", day, value, False, False, AT) for day, value in values.items()]
    signals.given(
        "intermediate.macro_at_close",
        "series_id varchar, session_date date, value double, is_stale boolean, is_hindsight boolean, "
        "closes_at timestamptz",
        rows,
    )
    assert [row[2:] for row in _answers(signals, spread_mean=2)] == [
        ("2024-03-04", None, None, None),
        ("2024-03-05", 1.0, 2.0, True),
        ("2024-03-06", None, None, None),
        ("2024-03-07", 1.0, 1.0, False),  # the mean of 1 and 1: at it is not below it
        ("2024-03-08", 2.0, 1.5, False),
    ]


def test_prices_and_means_against_the_long_mean(signals: Bench) -> None:
    rows: list[Row] = [
        ("SPX", f"2024-03-0{day}", price, AT) for day, price in {4: 10.0, 5: 10.0, 6: 13.0, 7: 8.0}.items()
    ]
    signals.given(
        "intermediate.prices",
        "instrument_id varchar, session_date date, signal_price double, known_at timestamptz",
        rows,
    )
    unknown = (None, None, None)
    assert [row[1:] for row in _answers(signals, short_mean=2, long_mean=3)] == [
        ("mean_above_mean", "2024-03-04", *unknown),
        ("mean_above_mean", "2024-03-05", *unknown),
        ("mean_above_mean", "2024-03-06", 11.5, 11.0, True),
        ("mean_above_mean", "2024-03-07", 10.5, 10.333333333, True),
        ("price_above_mean", "2024-03-04", *unknown),
        ("price_above_mean", "2024-03-05", *unknown),
        ("price_above_mean", "2024-03-06", 13.0, 11.0, True),
        ("price_above_mean", "2024-03-07", 8.0, 10.333333333, False),
    ]


def test_half_is_enough_for_members_and_coins(signals: Bench) -> None:
    signals.given(
        "marts.breadth",
        "group_id varchar, session_date date, share_above_sma200 double, known_at timestamptz",
        [("small", "2024-03-04", 0.5, AT), ("small", "2024-03-05", 0.49, AT), ("other", "2024-03-05", 0.9, AT)],
    )
    signals.given(
        "marts.altseason",
        "session_date date, index_pct double, known_at timestamptz",
        [("2024-03-04", 50.0, AT), ("2024-03-05", 49.9, AT)],
    )
    assert [(row[0], row[5]) for row in _answers(signals)] == [
        ("altcoins", True),
        ("altcoins", False),
        ("small", True),
        ("small", False),
    ]


# --- marts.cascade_ingredients --------------------------------------------------------------------------------------


def _ingredients(bench: Bench, rows: list[Row], as_of: str) -> list[Row]:
    bench.given(
        "intermediate.ingredient_values",
        "subject_id varchar, measure varchar, session_date date, measured double, threshold double, is_met boolean, "
        "known_at timestamptz",
        rows,
    )
    bench.build("core.sessions", as_of=as_of)
    bench.build_only("marts.cascade_ingredients", as_of=as_of)
    return bench.rows(
        "select session_date, stage, stage_name, ingredient, value, signal_date, known_at "
        "from marts.cascade_ingredients order by session_date, stage"
    )


def _answer(subject_id: str, measure: str, day: str, is_met: bool | None, known_at: str) -> Row:
    return (subject_id, measure, day, None if is_met is None else 1.0, None, is_met, f"{known_at}:00+00")


def test_a_stage_sees_what_was_known_at_the_close(signals: Bench) -> None:
    """For equities the bar of the session itself; for coins that of the day before, the last finished one."""
    rows = [
        _answer("SPX", "price_above_mean", "2024-03-08", True, "2024-03-08 21:00"),
        _answer("BTC", "price_above_mean", "2024-03-07", True, "2024-03-08 00:00"),
        _answer("BTC", "price_above_mean", "2024-03-08", False, "2024-03-09 00:00"),
        _answer("BTC", "price_above_mean", "2024-03-10", True, "2024-03-11 00:00"),
    ]
    assert _ingredients(signals, rows, "2024-03-11") == [
        ("2024-03-08", 2, "equities", "SPX:price_above_mean", 1, "2024-03-08", "2024-03-08 21:00"),
        ("2024-03-08", 4, "crypto_majors", "BTC:price_above_mean", 1, "2024-03-07", "2024-03-08 21:00"),
        ("2024-03-11", 2, "equities", "SPX:price_above_mean", 1, "2024-03-08", "2024-03-11 20:00"),
        ("2024-03-11", 4, "crypto_majors", "BTC:price_above_mean", 1, "2024-03-10", "2024-03-11 20:00"),
    ]


def test_an_answer_grows_old_and_an_unknown_one_replaces_it(signals: Bench) -> None:
    rows = [
        _answer("SPX", "price_above_mean", "2024-03-07", None, "2024-03-07 21:00"),
        _answer("SPX", "price_above_mean", "2024-03-08", True, "2024-03-08 21:00"),
        _answer("BTC", "price_above_mean", "2024-03-08", True, "2024-03-09 00:00"),
        _answer("BTC", "price_above_mean", "2024-03-11", None, "2024-03-12 00:00"),
    ]
    found = _ingredients(signals, rows, "2024-03-14")
    assert [(row[0], row[4]) for row in found if row[1] == 2] == [
        ("2024-03-08", 1),  # an ingredient begins with its first answer
        ("2024-03-11", 1),
        ("2024-03-12", 1),
        ("2024-03-13", 1),  # five days
        ("2024-03-14", None),
    ]
    assert [(row[0], row[4]) for row in found if row[1] == 4] == [
        ("2024-03-11", 1),
        ("2024-03-12", None),
        ("2024-03-13", None),
        ("2024-03-14", None),
    ]


def test_a_late_correction_of_an_older_session_changes_nothing(signals: Bench) -> None:
    rows = [
        _answer("SPX", "price_above_mean", "2024-03-06", False, "2024-03-08 15:00"),
        _answer("SPX", "price_above_mean", "2024-03-07", True, "2024-03-07 21:00"),
    ]
    assert [(row[0], row[4]) for row in _ingredients(signals, rows, "2024-03-08")] == [
        ("2024-03-07", 1),
        ("2024-03-08", 1),
    ]


# --- marts.cascade --------------------------------------------------------------------------------------------------


def _states(bench: Bench, *values: tuple[int | None, ...]) -> list[Row]:
    """Score, state, the days of its start and whether the stage turned on or off, from its ingredients per session."""
    rows: list[Row] = [
        (f"2024-03-{day:02d}", 2, "equities", value, f"2024-03-{day:02d} 21:00:00+00")
        for day, of_day in enumerate(values, start=1)
        for value in of_day
    ]
    bench.given(
        "marts.cascade_ingredients",
        "session_date date, stage integer, stage_name varchar, value integer, known_at timestamptz",
        rows,
    )
    bench.build_only("marts.cascade", as_of="2024-12-31")
    return bench.rows(
        "select score, is_on, day(state_since), day(on_since), is_turn_on, is_turn_off "
        "from marts.cascade order by session_date"
    )


def test_a_stage_turns_on_high_and_off_low(bench: Bench) -> None:
    assert _states(bench, (0, 1), (0, 0), (0, 1), (1, 1), (1, 0), (0, 0), (1, 1)) == [
        (0.5, None, None, None, False, False),  # before the first crossing
        (0.0, False, 2, None, False, False),
        (0.5, False, 2, None, False, False),
        (1.0, True, 4, 4, True, False),
        (0.5, True, 4, 4, False, False),
        (0.0, False, 6, None, False, True),
        (1.0, True, 7, 7, True, False),
    ]


def test_the_bounds_themselves_turn_a_stage(bench: Bench) -> None:
    """Three of five are 0.6, two of five 0.4."""
    assert [row[:2] for row in _states(bench, (1, 1, 1, 0, 0), (1, 1, 0, 0, 0))] == [(0.6, True), (0.4, False)]


def test_a_missing_score_changes_nothing_and_unknown_ingredients_do_not_count(bench: Bench) -> None:
    assert _states(bench, (0, None), (1, None), (None, None), (None, 0), (None, None)) == [
        (0.0, False, 1, None, False, False),
        (1.0, True, 2, 2, True, False),
        (None, True, 2, 2, False, False),
        (0.0, False, 4, None, False, True),
        (None, False, 4, None, False, False),
    ]


def test_a_stage_that_was_on_from_the_start_did_not_turn_on(bench: Bench) -> None:
    assert _states(bench, (None, None), (1, 1), (0, 1)) == [
        (None, None, None, None, False, False),
        (1.0, True, 2, 2, False, False),
        (0.5, True, 2, 2, False, False),
    ]


# --- marts.cascade_lags and marts.cascade_order ---------------------------------------------------------------------

LAG_COLUMNS = (
    "from_stage, to_stage, turn_on_date, nearest_turn_on_date, lag_days, to_was_on, in_order, known_at "
    "from marts.cascade_lags order by from_stage, to_stage, turn_on_date"
)


def _lags(bench: Bench, as_of: str, **states: str) -> list[Row]:
    """Lags of two stages, whose states are given per session from 2024-03-04 on: + on, - off, ? unknown."""
    rows: list[Row] = []
    for stage, text in enumerate(states.values(), start=1):
        for day, (mark, before) in zip(
            bench.days("XNYS", "2024-03-04", len(text)), zip(text, "?" + text, strict=False), strict=True
        ):
            if day.isoformat() <= as_of:
                is_on = {"+": True, "-": False, "?": None}[mark]
                rows.append(
                    (day.isoformat(), stage, is_on, (before, mark) == ("-", "+"), f"{day.isoformat()} 21:00:00+00")
                )
    bench.given(
        "marts.cascade",
        "session_date date, stage integer, is_on boolean, is_turn_on boolean, known_at timestamptz",
        rows,
    )
    for model in ("intermediate.stage_turns", "intermediate.stage_orders", "marts.cascade_lags"):
        bench.build_only(model, as_of=as_of, lag_days=5)
    return bench.rows(f"select {LAG_COLUMNS}")


def test_a_lag_is_there_once_it_can_no_longer_change(signals: Bench) -> None:
    """Funding turns on on Tuesday the 5th, equities on Thursday the 7th: in order, and known that Thursday."""
    states = {"funding": "-+++++", "equities": "---+++"}
    assert _lags(signals, "2024-03-06", **states) == []
    assert _lags(signals, "2024-03-07", **states) == [
        (1, 2, "2024-03-05", "2024-03-07", 2, False, True, "2024-03-07 21:00"),
    ]
    # Looked back on from equities, funding could still turn on anew a day later, but not sooner than two days later.
    assert _lags(signals, "2024-03-08", **states) == [
        (1, 2, "2024-03-05", "2024-03-07", 2, False, True, "2024-03-07 21:00"),
        (2, 1, "2024-03-07", "2024-03-05", -2, True, True, "2024-03-09 00:00"),
    ]


def test_the_nearer_turn_on_counts_and_of_equally_near_ones_the_earlier(signals: Bench) -> None:
    # Equities turn on on the 5th and again on the 7th and 11th; funding on the 6th, one day from two of them.
    found = _lags(signals, "2024-03-29", funding="--+++++", equities="-+-+-+-")
    assert found[0] == (1, 2, "2024-03-06", "2024-03-05", -1, False, False, "2024-03-07 00:00")


def test_a_stage_that_was_on_already_is_not_in_order(signals: Bench) -> None:
    """Equities are on until the 6th, off for a day and on again, three days after funding."""
    found = _lags(signals, "2024-03-29", funding="-++++++", equities="++-+++")
    assert found[0] == (1, 2, "2024-03-05", "2024-03-07", 2, True, False, "2024-03-07 21:00")


def test_turning_on_together_is_no_order(signals: Bench) -> None:
    assert _lags(signals, "2024-03-29", funding="-+++", equities="-+++") == [
        (1, 2, "2024-03-05", "2024-03-05", 0, False, False, "2024-03-05 21:00"),
        (2, 1, "2024-03-05", "2024-03-05", 0, False, False, "2024-03-05 21:00"),
    ]


def test_none_within_the_time_is_known_when_the_time_is_over(signals: Bench) -> None:
    """Within five days: until the 10th equities could turn on, so the row is known when that day is over."""
    states = {"funding": "-+++++++", "equities": "--------"}
    assert _lags(signals, "2024-03-09", **states) == []
    assert _lags(signals, "2024-03-10", **states) == [
        (1, 2, "2024-03-05", None, None, False, False, "2024-03-11 00:00")
    ]


def test_where_the_other_stage_is_unknown_so_is_the_order(signals: Bench) -> None:
    found = _lags(signals, "2024-03-29", funding="-+++++", equities="??-+++")
    assert found[0] == (1, 2, "2024-03-05", "2024-03-07", 2, None, None, "2024-03-07 21:00")


def test_chance_is_what_every_session_would_give(signals: Bench) -> None:
    """Equities turn on once, at the sixth of ten sessions: in order from the sessions up to five days before it."""
    _lags(signals, "2024-03-29", funding="-+-++-----", equities="-----+++++")
    signals.build_only("marts.cascade_order", as_of="2024-03-29", lag_days=5)
    assert signals.rows(
        "select from_stage_name, to_stage_name, turn_ons, share_in_order, share_by_chance, sessions, median_lag_days, "
        "as_of from marts.cascade_order order by from_stage"
    ) == [
        # From the 5th it is six days to the 11th, too far; from the 7th four.
        ("funding", "equities", 2, 0.5, 0.3, 10, 4.0, "2024-03-29"),
        # Looking back from the 11th, the turn-on of the 7th is near, but funding is off again; on the 8th it was not.
        ("equities", "funding", 1, 0.0, 0.1, 10, -4.0, "2024-03-29"),
    ]


def test_the_last_year_is_left_out_of_the_shares(signals: Bench) -> None:
    _lags(signals, "2024-03-15", funding="-+-----+--", equities="--+-----+-")
    signals.build_only("marts.cascade_order", as_of="2024-03-15", lag_days=5)
    assert signals.rows("select turn_ons, sessions from marts.cascade_order where from_stage = 1") == [(1, 5)]
