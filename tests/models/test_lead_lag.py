"""Lead-lag: the array functions against plain loops, the alignment and the tables with hand-made rows.

The loops slice, roll and count as the definitions say; nothing in them is fast or clever.
"""

from __future__ import annotations

import numpy as np
import pytest
from bench import UNIVERSE, Bench
from plain_lead_lag import null_of, pairs_at, score

from assets.config.universe import LaggedSeries, Universe
from assets.statistics.lead_lag import Floats, LagScan, autocorrelation, best_lag, blocks, displacements, scan


def noise(size: int, seed: int, gaps: int = 0) -> Floats:
    """Normal numbers with some unknown among them."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(size)
    values[rng.choice(size, gaps, replace=False)] = np.nan
    return values


def scanned(x: Floats, y: Floats, reach: int = 8) -> LagScan:
    return scan(x, y, reach, 5, least_pairs=30, least_shifts=19)


@pytest.mark.parametrize("gaps", [0, 20])
def test_every_lag_is_what_plain_loops_say(gaps: int) -> None:
    x, y = noise(151, 1, gaps), 5 + 1000 * noise(151, 2, gaps)
    y[3:] += 300 * np.nan_to_num(x[:-3])
    found = scanned(x, y)
    null = null_of(x, y, 8 + 5)
    assert found.null == pytest.approx(null, rel=1e-11)
    product = np.prod([np.corrcoef(*pairs_at(each, each, 1))[0, 1] for each in (x, y)])
    assert autocorrelation(x) * autocorrelation(y) == pytest.approx(product, rel=1e-11)
    for place, lag in enumerate(range(-8, 9)):
        early, late = pairs_at(x, y, lag)
        assert (found.lags[place], found.n[place]) == (lag, len(early))
        assert found.correlation[place] == pytest.approx(np.corrcoef(early, late)[0, 1], rel=1e-11)
        assert found.n_eff[place] == pytest.approx(len(early) * (1 - product) / (1 + product), rel=1e-11)
        as_far = sum(other >= score(early, late, x, y) for other in null)
        assert found.p_value[place] == pytest.approx((1 + as_far) / (1 + len(null)))
    assert found.p_value[8 + 3] == found.p_value.min() == 1 / (1 + len(null))


def test_the_best_lag_is_the_highest_score_against_the_maximum_of_as_many() -> None:
    x, y = noise(200, 3), noise(200, 4)
    y[4:] += 0.15 * x[:-4]
    found = best_lag(scanned(x, y), 1, 6)
    assert found
    scores = [score(*pairs_at(x, y, lag), x, y) for lag in range(1, 7)]
    assert found.lag == 1 + int(np.argmax(scores)) == 4
    null = null_of(x, y, 8 + 5)
    # 2 (1 - Phi(z)) by the area under the bell curve instead of the error function.
    z = max(scores) / np.sqrt(np.mean(np.square(null)))
    grid = np.linspace(-z, z, 200_001)
    inside = np.trapezoid(np.exp(-(grid**2) / 2), grid) / np.sqrt(2 * np.pi)
    assert found.p_value == pytest.approx(1 - inside**6, rel=1e-6)
    runs = [max(null[start : start + 6]) for start in range(len(null) - 5)]
    assert found.share_by_chance == pytest.approx(np.mean([run >= max(scores) for run in runs]))


def test_above_zero_the_signal_leads() -> None:
    x = noise(300, 5)
    y = np.concatenate([noise(7, 6), x[:-7]])
    led, followed = (best_lag(scanned(one, other, reach=10), 1, 10) for one, other in ((x, y), (y, x)))
    assert led and led.lag == 7
    assert led.correlation == pytest.approx(1)
    assert led.p_value is not None and led.p_value < 1e-9
    assert followed and followed.p_value is not None and followed.p_value > 0.01
    behind = best_lag(scanned(y, x, reach=10), -10, -1)
    assert behind and behind.lag == -7
    assert behind.correlation == pytest.approx(1)


def test_the_null_has_neither_the_effect_nor_what_is_at_lag_zero() -> None:
    """The two move together on the same day and at the last lag; no displacement that counts comes near either."""
    x = noise(400, 7)
    y = 2 * x + np.roll(x, 8)
    found = scanned(x, y)
    assert found.score[[8, 16]].min() > 2 * found.null.max()
    assert len(found.null) == 400 - 2 * (8 + 5) + 1


def test_one_wild_pair_proves_nothing() -> None:
    x, y = noise(300, 8), noise(300, 9)
    x[100], y[105] = 80.0, 80.0
    found = scanned(x, y)
    assert found.correlation[8 + 5] > 0.9
    assert found.p_value[8 + 5] > 0.1


@pytest.mark.parametrize("still", [np.zeros(120), np.full(120, 0.1), np.full(120, np.nan)])
def test_what_stands_still_or_is_unknown_has_no_correlation(still: Floats) -> None:
    for pair in ((still, noise(120, 1)), (noise(120, 1), still)):
        found = scanned(*pair)
        assert np.isnan(found.correlation).all()
        assert np.isnan(found.n_eff).all()
        assert np.isnan(found.p_value).all()
        assert best_lag(found, 1, 8) is None


def test_too_short_for_a_p_and_too_short_for_anything() -> None:
    x, y = noise(44, 1), noise(44, 2)
    # 44 - 2 * 13 + 1 displacements are 19, the fewest that can say something.
    assert len(scanned(x, y).null) == 19
    assert not np.isnan(scanned(x, y).p_value[8])
    one_less = scanned(x[1:], y[1:])
    assert np.isnan(one_less.p_value).all()
    assert not np.isnan(one_less.correlation).any()
    found = best_lag(one_less, 1, 8)
    assert found and (found.p_value, found.share_by_chance) == (None, None)
    # 36 sessions: 30 pairs to lag 6, fewer beyond.
    assert np.flatnonzero(~np.isnan(scanned(x[8:], y[8:]).correlation)).tolist() == list(range(2, 15))
    assert np.isnan(scanned(x[:5], y[:5]).correlation).all()
    assert np.isnan(displacements(x[:1], y[:1], 1).correlation).all()


def test_neighbours_that_always_turn_leave_the_number_of_independent_pairs_unknown() -> None:
    turning = np.tile([1.0, -1.0], 40)
    assert autocorrelation(turning) == pytest.approx(-1)
    assert np.isnan(autocorrelation(turning[:3]))  # two pairs always lie on a line
    # Where one turns and the other never does the product is -1, which Bartlett's formula divides by nothing.
    rising, falling = np.array([13.8, 11.4, -0.1, -9.0]), np.array([-2.3, 5.7, -0.2, 3.0])
    for length in (3, 4):
        assert np.isnan(scanned(rising[:length], falling[:length]).n_eff).all()
    growing = np.cumprod(np.full(80, 1.001))
    found = scanned(turning, growing)
    assert not np.isnan(found.correlation).all()
    assert (np.isnan(found.n_eff) | (found.n_eff > 0)).all()


def test_blocks_begin_with_the_first_and_are_unknown_as_a_whole() -> None:
    known = np.arange(11.0)
    assert blocks(known, 5).tolist() == [10, 35]
    known[6] = np.nan
    assert np.nan_to_num(blocks(known, 5), nan=-1).tolist() == [10, -1]
    assert blocks(known, 1).tolist()[:2] == [0, 1]
    assert blocks(known, 21).tolist() == []


# --- the tables -----------------------------------------------------------------------------------------------------

WATCHED = UNIVERSE.model_copy(
    update={
        "lead_lag": LaggedSeries(signals=("IWM", "RUT/SPX", "net_liquidity", "SOFR"), targets=("BTC", "ALTSEASON")),
    }
)
ROWS = "session_date date, known_at timestamptz"


def test_changes_are_from_session_to_session_on_one_clock_and_in_deviations(bench: Bench) -> None:
    """2024-01-12 is a Friday, 2024-01-15 a holiday; the scale is that of the two changes before."""
    bench.universe(WATCHED)
    days = [f"2024-01-{day:02}" for day in (9, 10, 11, 12, 16, 17, 18, 19)]

    def given(name: str, columns: str, rows: dict[str, float | None], *id_: str) -> None:
        bench.given(
            name,
            f"{columns}, {ROWS}",
            [(*id_, value, day, f"{day} 21:00:00+00") for day, value in rows.items()],
        )

    # A coin trades on the weekend and the holiday too; each of its days is known at the day's end.
    coin = {f"2024-01-{day:02}": price for day, price in enumerate([1, 4, 4, 8, 7, 6, 5, 32, 64, 32, 32], start=9)}
    bench.given(
        "intermediate.prices",
        f"instrument_id varchar, return_price double, {ROWS}",
        [
            *[("BTC", float(price), day, f"2024-01-{int(day[-2:]) + 1:02} 00:00:00+00") for day, price in coin.items()],
            # Reconstructed, and long enough for a scale.
            *[
                ("BTC", float(price), f"2014-09-{price}", f"2014-09-{price + 1} 00:00:00+00")
                for price in (10, 11, 12, 15, 16)
            ],
            *[("IWM", 1.0, day, f"{day} 21:00:00+00") for day in days],
            ("SPY", 1.0, days[0], f"{days[0]} 21:00:00+00"),
        ],
    )
    given("marts.relative_strength", "pair_id varchar, ratio double", dict.fromkeys(days, 1.0), "RUT/SPX")
    given("marts.altseason", "index_pct double", dict(zip(days, [0, 10, 30, None, 50, 60, 80, 90], strict=True)))
    given("marts.liquidity", "net_liquidity_musd double", dict(zip(days, [5, 6, 8, 8, 8, 8, 8, 9], strict=True)))
    bench.given(
        "intermediate.macro_at_close",
        "series_id varchar, session_date date, value double, is_stale boolean, is_hindsight boolean, "
        "closes_at timestamptz",
        [
            ("SOFR", day, float(number), number == 6, False, f"{day} 21:00:00+00")
            for number, day in enumerate([*days, "2024-01-22", "2024-01-23"])
        ],
    )
    bench.given(
        "core.instruments",
        "instrument_id varchar, reconstructed_before date",
        [("BTC", "2014-09-17"), ("IWM", None), ("SPY", None)],
    )
    bench.build("core.sessions", as_of="2026-12-31")
    for model in ("intermediate.lagged_levels", "intermediate.lagged_changes"):
        bench.build_only(model, as_of="2026-12-31", lag_scale=2)
    rows = bench.rows(
        "select series_id, session_date, change, scaled_change, known_at from intermediate.lagged_changes "
        "where series_id not in ('IWM', 'RUT/SPX', 'SOFR') order by series_id, session_number"
    )
    two, root = np.log(2), 2**0.5
    assert rows == [
        # 30 to unknown to 50 is no change; 10 and 20 have the deviation sqrt(50), 20 and 10 as well.
        ("ALTSEASON", "2024-01-17", 10.0, round(10 / 50**0.5, 9), "2024-01-17 21:00"),
        ("ALTSEASON", "2024-01-18", 20.0, round(20 / 50**0.5, 9), "2024-01-18 21:00"),
        ("ALTSEASON", "2024-01-19", 10.0, round(10 / 50**0.5, 9), "2024-01-19 21:00"),
        # Doublings: two, none, one; from Friday's 8 to Tuesday's 32 is one interval, with two; then 1, -1 and 0.
        ("BTC", "2024-01-12", round(two, 9), round(1 / root, 9), "2024-01-13 00:00"),
        ("BTC", "2024-01-16", round(2 * two, 9), round(2 * root, 9), "2024-01-17 00:00"),
        ("BTC", "2024-01-17", round(two, 9), round(root, 9), "2024-01-18 00:00"),
        ("BTC", "2024-01-18", round(-two, 9), round(-root, 9), "2024-01-19 00:00"),
        ("BTC", "2024-01-19", 0.0, 0.0, "2024-01-20 00:00"),
        # 1 and 2; 2 and 0; three times nothing has no scale.
        ("net_liquidity", "2024-01-12", 0.0, 0.0, "2024-01-12 21:00"),
        ("net_liquidity", "2024-01-16", 0.0, 0.0, "2024-01-16 21:00"),
        ("net_liquidity", "2024-01-17", 0.0, None, "2024-01-17 21:00"),
        ("net_liquidity", "2024-01-18", 0.0, None, "2024-01-18 21:00"),
        ("net_liquidity", "2024-01-19", 1.0, None, "2024-01-19 21:00"),
    ]
    # A stale value is unknown: neither 01-18 nor the day after it has a change.
    assert bench.rows(
        "select session_date from intermediate.lagged_changes where series_id = 'SOFR' order by session_number"
    ) == [(day,) for day in ("2024-01-12", "2024-01-16", "2024-01-17", "2024-01-22", "2024-01-23")]


def test_the_tables_pair_by_session_and_correct_for_all_that_was_looked_at(bench: Bench) -> None:
    bench.universe(WATCHED)
    size = 130
    made = {id_: noise(size, number) for number, id_ in enumerate(("IWM", "BTC", "ALTSEASON", "SOFR"))}
    made["BTC"][3:] += 0.9 * made["IWM"][:-3]
    # BTC begins ten sessions later and lacks one; SOFR is over before ALTSEASON begins.
    known = {"IWM": range(size), "BTC": range(10, size), "ALTSEASON": range(90, size), "SOFR": range(80)}
    bench.given(
        "intermediate.lagged_changes",
        "series_id varchar, session_number bigint, scaled_change double",
        [
            (id_, 1000 + place, float(values[place]))
            for id_, values in made.items()
            for place in known[id_]
            if (id_, place) != ("BTC", 50)
        ],
    )
    small = {"lag_reach": 10, "lag_guard": 4, "lead_reach": 6, "lag_week": 2, "lag_month": 5}
    for name in ("intermediate.lead_lag_nulls", "marts.lead_lag", "marts.lead_lag_best"):
        bench.build_only(name, as_of="2024-12-31", **small)
    y = made["BTC"][10:].copy()
    y[40] = np.nan
    for aggregation in (1, 2):
        reach, guard = 10 // aggregation, 4 // aggregation + 1
        expected = scan(
            blocks(made["IWM"][10:], aggregation), blocks(y, aggregation), reach, guard, least_pairs=30, least_shifts=19
        )
        rows = bench.rows(
            "select lag, n, correlation, p_value from marts.lead_lag where signal_id = 'IWM' and target_id = 'BTC' "
            f"and aggregation = {aggregation} order by lag"
        )
        assert [row[:2] for row in rows] == list(zip(expected.lags.tolist(), expected.n.tolist(), strict=True))
        for column, values in ((2, expected.correlation), (3, expected.p_value)):
            assert [row[column] for row in rows] == pytest.approx([round(float(value), 9) for value in values])
    # 24 blocks of five, one of them unknown, are too few for a correlation; so is every lag but 0 of the others.
    assert bench.rows("select distinct correlation from marts.lead_lag where aggregation = 5") == [(None,)]
    assert bench.rows("select count(*) from marts.lead_lag where signal_id = 'SOFR' and target_id = 'ALTSEASON'") == [
        (0,)
    ]

    best_of = bench.rows(
        "select signal_id, target_id, aggregation, best_lag, p_value, q_value from marts.lead_lag_best "
        "order by p_value nulls last, signal_id, target_id, aggregation"
    )
    assert [row[:4] for row in best_of[:2]] == [("IWM", "BTC", 1, 3), ("IWM", "BTC", 2, 2)]
    assert {row[:2] for row in best_of} >= {("BTC", "IWM"), ("BTC", "SOFR"), ("SOFR", "BTC")}
    p = [float(row[4]) for row in best_of if row[4] is not None]
    assert 5 < len(p) < len(best_of)
    harmonic = sum(1 / place for place in range(1, len(p) + 1))
    raised = [min(1.0, each * len(p) * harmonic / place) for place, each in enumerate(p, start=1)]
    assert [row[5] for row in best_of if row[5] is not None] == pytest.approx(
        [min(raised[place:]) for place in range(len(p))], abs=1e-7
    )
    assert float(best_of[0][5] or 1) < 0.01


def test_what_is_shorter_than_a_block_has_no_row(bench: Bench) -> None:
    bench.given(
        "intermediate.lagged_changes",
        "series_id varchar, session_number bigint, scaled_change double",
        [(id_, session, float(session)) for id_ in ("IWM", "BTC") for session in range(1, 7)],
    )
    bench.universe(WATCHED)
    bench.build_only(
        "intermediate.lead_lag_nulls", as_of="2024-12-31", lag_reach=10, lag_guard=4, lag_week=5, lag_month=21
    )
    assert bench.rows("select distinct aggregation from intermediate.lead_lag_nulls order by all") == [(1,), (5,)]


def test_nothing_to_compare_gives_empty_tables(bench: Bench) -> None:
    bench.given(
        "intermediate.lagged_changes",
        "series_id varchar, session_number bigint, scaled_change double",
        [("IWM", 1, None)],
    )
    for name in ("intermediate.lead_lag_nulls", "marts.lead_lag", "marts.lead_lag_best"):
        bench.build_only(name, as_of="2024-12-31")
        assert bench.rows(f"select count(*) from {name}") == [(0,)]


def test_what_cannot_be_compared_is_rejected() -> None:
    entries = UNIVERSE.model_dump(by_alias=True) | {"lead_lag": {"signals": ["IWM"], "targets": ["UNKNOWN"]}}
    with pytest.raises(ValueError, match="lead_lag: unknown name UNKNOWN"):
        Universe.model_validate(entries)
