"""The ledger of claims: the rule that makes verdicts of numbers, and the numbers, by hand-made rows.

The claims are the project's own. What the article says is of January 2026, so that bars are of that time; the other
tables that a model reads are given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from bench import UNIVERSE, Bench, Row

from assets.config.claims import CLAIMS_FILE, ClaimsError, load_claims
from assets.config.universe import Breadth
from assets.contracts.queries import SQL_FOLDER

AFTER = "2026-03-31"
VERDICTS = ("supported", "contradicted", "insufficient_evidence", "not_testable")

FACT = "claim_id integer, part varchar, moment varchar, measured varchar, expected varchar, n bigint, agrees boolean"
CASE = "claim_id integer, part varchar, moment varchar, observed_on date, is_usual boolean, holds boolean"
GIVEN = {
    "intermediate.claim_index_facts": FACT,
    "intermediate.claim_money_facts": FACT,
    "intermediate.claim_crypto_facts": FACT,
    "intermediate.claim_counts": "claim_id integer, part varchar, moment varchar, n bigint, agreeing bigint, "
    "chance double, is_measured boolean, kind varchar, p_value double",
    "intermediate.claim_contrasts": "claim_id integer, part varchar, moment varchar, subject_id varchar, "
    "wording varchar, direction integer, n bigint, mean_in double, mean_out double, contrast double, p_value double",
    "intermediate.claim_orders": "from_stage integer, moment varchar, n bigint, share double, chance double, "
    "p_value double",
    "intermediate.claim_answers": "claim_id integer, part varchar, moment varchar, measured varchar, expected varchar, "
    "n bigint, p_value double, p_limit double, agrees boolean",
    "intermediate.claim_altseasons": CASE,
    "intermediate.claim_sector_months": CASE,
    "intermediate.claim_altcoin_quarters": CASE,
    "intermediate.claim_highs": CASE,
    "intermediate.claim_ranks": CASE,
    "intermediate.claim_specifications": "claim_id integer, specifications bigint, specification_share double",
}


def _given(bench: Bench, tables: Sequence[str], rows: dict[str, list[Row]]) -> None:
    """The tables, with the rows of those that have any."""
    for name in tables:
        bench.connection.execute(f"create or replace table {name} ({GIVEN[name]})")
        if name in rows:
            bench.given(name, GIVEN[name], rows[name])


# --- the files ------------------------------------------------------------------------------------------------------


def test_there_are_24_claims_and_no_verdict_is_written_down() -> None:
    """Verdicts are words of the one rule; the models that score claims and the file of claims have none of them."""
    assert [claim.id for claim in load_claims().claims] == list(range(1, 25))
    written = re.compile("|".join(VERDICTS))
    assert not written.search(CLAIMS_FILE.read_text(encoding="utf-8"))
    for path in sorted((SQL_FOLDER / "intermediate").glob("claim_*.sql")):
        assert not written.search(path.read_text(encoding="utf-8")), path
    for name in ("claim_parts", "claims"):
        code = re.sub("--.*", "", (SQL_FOLDER / "marts" / f"{name}.sql").read_text(encoding="utf-8"))
        # Nowhere a claim's number beside a verdict.
        assert not [line for line in code.splitlines() if written.search(line) and re.search(r"claim_id|part\b", line)]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{id: 1, claim: a, test: b, sql_ref: c}", "at least one part"),
        ("{id: 1, claim: a, test: b, sql_ref: c, parts: {x: guess}}", "claims.0.parts.x"),
        ("{id: 1, claim: a, test: b, sql_ref: c, parts: {x: fact}, verdict: supported}", "claims.0.verdict"),
        (", ".join(["{id: 7, claim: a, test: b, sql_ref: c, parts: {x: fact}}"] * 2), "claim 7 is there twice"),
        ("[", "cannot be read"),
    ],
)
def test_a_claims_file_that_does_not_fit_is_refused(written: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(f"article: {{name: x, scored_on: 2026-01-13}}\nclaims: [{written}]\n")
    with pytest.raises(ClaimsError, match=message):
        load_claims(path)


# --- from numbers to verdicts ---------------------------------------------------------------------------------------


def test_the_rule_that_makes_verdicts(bench: Bench) -> None:
    fact: Row = (1, "first_close", "article", "it was", "to be", None, True)
    counts: list[Row] = [
        # Tendencies: eight cases and p up to 0.05, both to the last.
        (16, "absorbed", "clock", 8, 7, 0.5, False, "tendency", 0.05),
        (16, "absorbed", "article", 7, 7, 0.5, False, "tendency", 0.001),
        (17, "stayed", "clock", 8, 7, 0.5, True, "tendency", 0.0501),
        (23, "above_large_caps", "clock", 30, 3, 0.5, False, "tendency", 0.01),
        (23, "below_bitcoin", "clock", 30, 30, 1.0, False, "tendency", None),
        # As many as chance gives agree with nothing.
        (18, "trend", "clock", 20, 10, 0.5, False, "tendency", 0.001),
        # Always: one counterexample may be an accident, two are not; none is not enough where there are few cases.
        (6, "altseasons", "clock", 9, 8, 0.3, True, "universal", 0.001),
        (19, "liquidity", "clock", 3, 1, 0.6, True, "universal", 0.5),
        (19, "risk_appetite", "clock", 7, 7, 0.6, True, "universal", 0.03),
        (19, "risk_appetite", "article", 8, 8, 0.6, True, "universal", 0.03),
        (18, "exceptions", "clock", 9, 5, 0.5, False, "tendency", 1.0),
    ]
    _given(
        bench,
        list(GIVEN),
        {
            "intermediate.claim_index_facts": [
                fact,
                (2, "year_to_date", "article", "+6.1 %", "about +15 %", None, False),
                (3, "volume", "article", None, "much", None, None),
            ],
            "intermediate.claim_money_facts": [(9, "net_liquidity", "article", "up and down", "up", None, None)],
            "intermediate.claim_counts": counts,
            "intermediate.claim_contrasts": [
                (7, "leadership", "clock", "A/B", "it rained", 1, 8, -0.01, 0.02, -0.03, 0.01),
                (8, "leadership", "clock", "A/B", "it rained", -1, 8, -0.01, 0.02, -0.03, 0.01),
            ],
            "intermediate.claim_orders": [(4, "clock", 9, 0.5, 0.25, 0.04)],
            "intermediate.claim_answers": [
                (13, "ether", "clock", "a", "b", 8, 0.1, 0.1, True),  # a q may be larger
                (13, "altcoins", "clock", "a", "b", 8, 0.1, 0.1, None),
            ],
        },
    )
    bench.build("intermediate.claim_moments", as_of=AFTER)
    bench.build_only("marts.claim_parts", as_of=AFTER)
    rows = bench.rows("select claim_id, part, moment, verdict, reason from marts.claim_parts where reason != 'no data'")
    found = {row[:3]: row[3:] for row in rows if not str(row[4]).startswith("no data of")}
    expected: dict[Row, Row] = {
        (1, "first_close", "article"): ("supported", "it was so"),
        (1, "first_close", "clock"): ("supported", "it was so"),  # what was so stays so
        (2, "year_to_date", "clock"): ("contradicted", "it was not so"),
        (9, "net_liquidity", "clock"): ("insufficient_evidence", "the measures disagree"),
        (7, "leadership", "clock"): ("contradicted", "against what the claim says"),
        (8, "leadership", "clock"): ("supported", "more than chance gives"),
        (10, "altcoins_after_majors", "clock"): ("supported", "more than chance gives"),
        (15, "altcoins_last", "clock"): ("supported", "more than chance gives"),
        (13, "ether", "clock"): ("supported", "more than chance gives"),
        (13, "altcoins", "clock"): ("insufficient_evidence", "the measures disagree"),
        (16, "absorbed", "clock"): ("supported", "more than chance gives"),
        (16, "absorbed", "article"): ("insufficient_evidence", "7 of the 8 cases that are needed"),
        (17, "stayed", "clock"): ("insufficient_evidence", "not to be told from chance"),
        (23, "above_large_caps", "clock"): ("contradicted", "against what the claim says"),
        (23, "below_bitcoin", "clock"): ("insufficient_evidence", "no p-value"),
        (18, "trend", "clock"): ("contradicted", "against what the claim says"),
        (18, "exceptions", "clock"): ("insufficient_evidence", "not to be told from chance"),
        (6, "altseasons", "clock"): ("insufficient_evidence", "one counterexample"),
        (19, "liquidity", "clock"): ("contradicted", "2 counterexamples"),
        (19, "risk_appetite", "clock"): ("insufficient_evidence", "7 of the 8 cases that are needed"),
        (19, "risk_appetite", "article"): ("supported", "no counterexample"),
        (24, "sturdiness", "clock"): ("not_testable", found[(24, "sturdiness", "clock")][1]),
    }
    assert {key: found.get(key) for key in expected} == expected
    # Without a measurement there is no verdict, whatever was expected.
    assert bench.rows("select distinct verdict, reason from marts.claim_parts where claim_id in (3, 4)") == [
        ("insufficient_evidence", "no data of the article's day")
    ]
    assert bench.rows("select measured, expected from marts.claim_parts where claim_id = 8 and moment = 'clock'") == [
        ("A/B -1.0 % when it rained, else +2.0 %", "less when it rained")
    ]


def test_a_claim_is_as_good_as_its_parts(bench: Bench) -> None:
    columns = (
        "claim_id integer, part varchar, moment varchar, position integer, measured varchar, expected varchar, "
        "n bigint, p_value double, verdict varchar, reason varchar"
    )
    good, bad, open_, closed = VERDICTS
    rows: list[Row] = [
        (9, "net_liquidity", "clock", 1, "up", "up", 9, 0.01, good, "r1"),
        (9, "balance_sheet", "clock", 2, "up", "up", 8, 0.02, open_, "r2"),
        (9, "treasury_account", "clock", 3, "up", "down", 20, 0.03, bad, "r3"),
        (14, "drawdown", "clock", 1, "deep", "deep", None, None, good, "r1"),
        (14, "order_book_depth", "clock", 2, None, None, None, None, closed, "r2"),
        (14, "drawdown", "article", 1, "deep", "deep", None, None, open_, "r1"),
        (14, "order_book_depth", "article", 2, None, None, None, None, closed, "r2"),
        (18, "trend", "clock", 1, "a", "b", 9, 0.01, good, "r1"),
        (18, "exceptions", "clock", 2, "c", "d", 9, 0.01, open_, "r2"),
        # Half of it was not measured then, so that the other half is no verdict on the claim.
        (18, "trend", "article", 1, "a", "b", 9, 0.01, bad, "r1"),
        (18, "exceptions", "article", 2, None, None, None, None, open_, "no data"),
        (24, "sturdiness", "clock", 1, None, None, None, None, closed, "r1"),
    ]
    bench.given("marts.claim_parts", columns, rows)
    _given(bench, ["intermediate.claim_specifications"], {"intermediate.claim_specifications": [(18, 40, 0.75)]})
    bench.build_only("marts.claims", as_of=AFTER)
    assert bench.rows(
        "select claim_id, verdict, verdict_then, n, p_value, specification_share, measured, expected, reason "
        "from marts.claims order by claim_id"
    ) == [
        (9, bad, None, 8, 0.03, None, "net liquidity: up | balance sheet: up | treasury account: up",
         "net liquidity: up | balance sheet: up | treasury account: down",
         "net liquidity: r1 | balance sheet: r2 | treasury account: r3"),
        (14, good, open_, None, None, None, "drawdown: deep", "drawdown: deep", "drawdown: r1 | order book depth: r2"),
        (18, open_, None, 9, 0.01, 0.75, "trend: a | exceptions: c", "trend: b | exceptions: d",
         "trend: r1 | exceptions: r2"),
        (24, closed, None, None, None, None, None, None, "r1"),
    ]  # fmt: skip


@pytest.mark.slow
def test_without_data_every_claim_is_there_and_none_is_decided(bench: Bench) -> None:
    bench.bars("RUT", "2025-12-01", [2000.0, 2100.0])
    bench.build("marts.claims", as_of="2025-12-31")
    assert bench.rows("select count(*), count(measured), count(verdict_then) from marts.claims") == [(24, 0, 0)]
    assert bench.rows(
        "select verdict, list(claim_id order by claim_id)::varchar from marts.claims where reason not like 'no data%' "
        "and reason not like '%: no data%' group by verdict"
    ) == [("not_testable", "[21, 24]")]
    assert bench.rows("select distinct verdict from marts.claims where claim_id not in (21, 24)") == [
        ("insufficient_evidence",)
    ]


# --- the numbers ----------------------------------------------------------------------------------------------------


def test_counts_and_their_exact_p(bench: Bench) -> None:
    def cases(claim_id: int, part: str, agreeing: int, n: int, is_usual: bool = False) -> list[Row]:
        return [(claim_id, part, "clock", f"2020-01-{day:02}", is_usual, day <= agreeing) for day in range(1, n + 1)]

    _given(
        bench,
        [name for name, columns in GIVEN.items() if columns == CASE],
        {
            "intermediate.claim_ranks": [*cases(12, "beta_of_bitcoin", 6, 8), *cases(23, "below_bitcoin", 2, 2)],
            "intermediate.claim_sector_months": [*cases(17, "stayed", 0, 3), *cases(17, "stayed", 8, 10, True)],
            "intermediate.claim_altseasons": [*cases(6, "altseasons", 1, 1), *cases(6, "altseasons", 5, 5, True)],
        },
    )
    bench.given(
        "marts.pullbacks",
        "instrument_id varchar, peak_date date, absorbed_at timestamptz, deep_at timestamptz",
        [
            ("RUT", "2026-01-02", "2026-01-10 21:00:00+00", None),  # known at the article's close
            ("RUT", "2026-01-05", "2026-02-10 21:00:00+00", None),
            ("RUT", "2026-01-06", None, "2026-02-10 21:00:00+00"),
            ("RUT", "2026-01-07", None, None),  # still open
            ("SPX", "2026-01-02", "2026-01-10 21:00:00+00", None),
        ],
    )
    bench.build("intermediate.claim_moments", as_of=AFTER)
    bench.build_only("intermediate.claim_counts", as_of=AFTER)
    assert bench.rows("select * from intermediate.claim_counts") == [
        # Usual is always, so that one case of one has no p.
        (6, "altseasons", "clock", 1, 1, 1.0, True, "universal", None),
        # 2 * (28 + 8 + 1) / 256
        (12, "beta_of_bitcoin", "clock", 8, 6, 0.5, False, "tendency", 0.2890625),
        (16, "absorbed", "article", 1, 1, 0.5, False, "tendency", 1.0),
        (16, "absorbed", "clock", 3, 2, 0.5, False, "tendency", 1.0),
        # 0.2 ** 3: none of three is less probable than any other number
        (17, "stayed", "clock", 3, 0, 0.8, True, "tendency", 0.008),
        (23, "below_bitcoin", "clock", 2, 2, 0.166666667, False, "tendency", 0.027777778),
    ]


def test_a_contrast_and_all_its_shifts(bench: Bench) -> None:
    """Four quarters: liquidity up, up, down, down, and the ratio 3, 1, -1, 0.

    As it happened 2 against -1/2; shifted by one quarter 0 against 3/2, by two -1/2 against 2, by three 3/2 against 0.
    Of the four differences, 5/2, -3/2, -5/2 and 3/2, two are as large.
    """
    quarters = ("2025-01-01", "2025-04-01", "2025-07-01", "2025-10-01")
    known = ("2025-04-01", "2025-07-01", "2025-10-01", "2026-01-01")
    changes = {"net_liquidity": (5.0, 7.0, -1.0, 0.0), "RUT/SPX": (3.0, 1.0, -1.0, 0.0)}
    rows: list[Row] = [
        (subject, "quarter", first, change, f"{at} 00:00:00+00")
        for subject, values in changes.items()
        for first, at, change in zip(quarters, known, values, strict=True)
    ]
    late: Row = ("RUT/SPX", "quarter", "2026-01-01", 9.0, "2026-04-01 00:00:00+00")
    other: Row = ("RUT/SPX", "month", "2025-12-01", 9.0, "2026-01-01 00:00:00+00")
    bench.given(
        "intermediate.period_changes",
        "subject_id varchar, period varchar, period_start date, change double, known_at timestamptz",
        [*rows, late, other, ("net_liquidity", "quarter", "2026-01-01", 9.0, "2026-04-01 00:00:00+00")],
    )
    bench.build("intermediate.claim_moments", as_of="2026-02-28")
    bench.build_only("intermediate.claim_contrasts", as_of="2026-02-28")
    measured = bench.rows(
        "select claim_id, moment, n, ln(1 + mean_in), ln(1 + mean_out), contrast, p_value, direction "
        "from intermediate.claim_contrasts"
    )
    assert measured == [(7, moment, 2, 2.0, -0.5, 2.5, 0.5, 1) for moment in ("article", "clock")]
    # At the end of the third: 2 against -1; shifted by one quarter 0 against 3, by two 1 against 1.
    bench.build("intermediate.claim_moments", as_of="2025-11-30")
    bench.build_only("intermediate.claim_contrasts", as_of="2025-11-30")
    assert bench.rows("select moment, n, contrast, p_value from intermediate.claim_contrasts") == [
        ("clock", 1, 3.0, 0.666666667)
    ]


def test_changes_of_whole_periods(bench: Bench) -> None:
    """A level that ends more than five days before the end of the quarter is not used as its end."""
    bench.given(
        "intermediate.price_paths",
        "subject_id varchar, session_date date, price double, known_at timestamptz",
        [
            ("SPX", "2025-03-31", 100.0, "2025-03-31 20:00:00+00"),
            ("SPX", "2025-05-15", 900.0, "2025-05-15 20:00:00+00"),
            ("SPX", "2025-06-30", 110.0, "2025-07-08 12:00:00+00"),  # corrected
            ("SPX", "2025-09-24", 500.0, "2025-09-24 20:00:00+00"),  # the last of its quarter
            ("SPX", "2025-12-31", 121.0, "2025-12-31 21:00:00+00"),
            ("AAPL", "2025-03-31", 1.0, "2025-03-31 20:00:00+00"),  # a share of a group
            ("AAPL", "2025-06-30", 2.0, "2025-06-30 20:00:00+00"),
        ],
    )
    bench.given("core.instruments", "instrument_id varchar, role varchar", [("AAPL", "other"), ("SPX", "large_cap")])
    bench.given(
        "marts.liquidity",
        "session_date date, net_liquidity_musd double, known_at timestamptz",
        [
            ("2025-03-31", 5.0, "2025-03-31 20:00:00+00"),
            ("2025-06-30", None, "2025-06-30 20:00:00+00"),
            ("2025-06-27", 4.0, "2025-06-27 20:00:00+00"),
        ],
    )
    columns = "subject_id, period_start, exp(change), known_at"
    bench.build_only("intermediate.period_changes", as_of="2026-01-01")
    assert bench.rows(f"select {columns} from intermediate.period_changes where period = 'quarter'") == [
        ("SPX", "2025-04-01", 1.1, "2025-07-08 12:00"),
        ("net_liquidity", "2025-04-01", 0.367879441, "2025-07-01 00:00"),
    ]
    # A quarter that is not over has not changed.
    bench.build_only("intermediate.period_changes", as_of="2025-06-29")
    assert bench.rows("select * from intermediate.period_changes where period = 'quarter'") == []


def _index_facts(bench: Bench, first: str, last_close: float, volume: float, share: float) -> list[Row]:
    """An index at 2000, at 2600 on 9 January, above it on the 12th and at `last_close` on the 13th of 2026."""
    universe = UNIVERSE.model_copy(
        update={"breadth": (Breadth(roles=("small_cap",), groups=("nowhere", "small", "other")),)}
    )
    bench.universe(universe)
    quiet = bench.days("XNYS", first, 3000).index(date(2026, 1, 9))
    volumes = [*[10.0] * (quiet + 1), volume, volume]
    bench.bars("RUT", first, [*[2000.0] * quiet, 2600.0, 2601.0, last_close])
    bench.bars("IWM", first, [*[200.0] * quiet, 260.0, 260.1, last_close / 10], volumes=volumes)
    bench.given(
        "marts.breadth",
        "group_id varchar, session_date date, members bigint, share_above_sma200 double, is_proxy boolean",
        [
            ("small", "2026-01-08", 20, 0.5, True),
            ("small", "2026-01-09", 20, 0.6, True),
            ("small", "2026-01-12", 20, share, True),
            ("small", "2026-01-13", 20, 0.1, True),
            ("other", "2026-01-12", 20, 0.1, True),
        ],
    )
    bench.given("core.groups", "group_id varchar", [("small",), ("other",)])
    bench.given(
        "marts.breakouts",
        "subject_id varchar, kind varchar, session_date date, is_left_censored boolean",
        [
            ("RUT", "all_time_high", "2017-02-01", False),
            ("RUT", "all_time_high", "2021-02-01", False),
            ("RUT", "all_time_high", "2012-02-01", True),
            ("RUT", "year_high", "2013-02-01", False),
            ("IWM", "all_time_high", "2014-02-03", False),
            ("RUT", "all_time_high", "2026-02-02", False),  # after the article
        ],
    )
    bench.build("core.bars", "intermediate.claim_moments", as_of=AFTER)
    bench.build_only("intermediate.claim_index_facts", as_of=AFTER)
    return bench.rows("select part, measured, agrees from intermediate.claim_index_facts order by claim_id")


def test_facts_of_the_index_at_their_edges(bench: Bench) -> None:
    """At 2600 it is not above it; 13.1 % is about 15 %; 15 of 10 are half as much again; three in five are broad."""
    assert _index_facts(bench, "2016-01-04", 2262.0, 15.0, 0.6) == [
        ("first_close", "first close above 2600 on 2026-01-12", True),
        ("year_to_date", "+13.1 %", True),
        ("volume", "1.50 times the usual on 2026-01-12", True),
        ("breadth", "60 % above their 200-session mean, usual 55 % (of the present members)", True),
        ("breakouts", "2017-02, 2021-02", True),
    ]


def test_facts_of_the_index_beyond_their_edges(bench: Bench) -> None:
    """The history begins in 2025: earlier breakouts are unknown."""
    assert _index_facts(bench, "2025-10-13", 2258.0, 14.9, 0.55) == [
        ("first_close", "first close above 2600 on 2026-01-12", True),
        ("year_to_date", "+12.9 %", False),
        ("volume", "1.49 times the usual on 2026-01-12", False),
        ("breadth", "55 % above their 200-session mean, usual 55 % (of the present members)", False),
    ]
    # A level that was left behind years ago was not broken for the first time.
    bench.build_only("intermediate.claim_index_facts", as_of=AFTER, article_level=1999)
    assert bench.rows("select measured, agrees from intermediate.claim_index_facts where claim_id = 1") == [
        ("first close above 1999 on 2025-10-13", False)
    ]
    # And before the article nothing was so.
    bench.build("intermediate.claim_moments", as_of="2026-01-12")
    bench.build_only("intermediate.claim_index_facts", as_of="2026-01-12")
    assert bench.rows("select * from intermediate.claim_index_facts") == []


def test_liquidity_by_four_and_by_thirteen_weeks(bench: Bench) -> None:
    """28 days before the article's day is 2025-12-16, 91 days before it is 2025-10-14."""
    bench.given(
        "marts.liquidity",
        "session_date date, net_liquidity_musd double, balance_sheet_musd double, treasury_account_musd double",
        [
            ("2025-10-14", 6000.0, 5000.0, 900.0),
            ("2025-10-15", 0.0, 0.0, 0.0),
            ("2025-12-15", 4000.0, 5500.0, 800.0),  # the last before the day
            ("2025-12-17", 0.0, 0.0, 0.0),
            ("2026-01-13", 5000.0, 6000.0, 900.0),
            ("2026-01-14", 9000.0, 1.0, 9999.0),
        ],
    )
    bench.given(
        "intermediate.macro_at_close",
        "series_id varchar, session_date date, value double, is_stale boolean",
        [
            *[("SOFR", day, 4.5, False) for day in ("2025-12-01", "2025-12-16")],
            *[("DFF", day, 4.25, False) for day in ("2025-12-01", "2025-12-16", "2026-01-13")],
            ("SOFR", "2026-01-13", 4.25, True),  # unknown
            ("BAMLH0A0HYM2", "2025-11-18", 9.0, False),  # 56 days before
            ("BAMLH0A0HYM2", "2025-11-19", 3.0, False),
            ("BAMLH0A0HYM2", "2025-12-16", 3.2, False),
            ("BAMLH0A0HYM2", "2025-12-17", 3.1, False),
            ("BAMLH0A0HYM2", "2025-12-31", 9.0, False),  # a day's spike
            ("BAMLH0A0HYM2", "2026-01-13", 3.0, False),
        ],
    )
    bench.build("intermediate.claim_moments", as_of=AFTER)
    bench.build_only("intermediate.claim_money_facts", as_of=AFTER)
    assert bench.rows("select part, measured, agrees from intermediate.claim_money_facts order by claim_id, part") == [
        ("balance_sheet", "+0.5 bn in 28 days, +1.0 bn in 91", True),
        ("net_liquidity", "+1.0 bn in 28 days, -1.0 bn in 91", None),
        ("treasury_account", "+0.1 bn in 28 days, +0.0 bn in 91", False),
        ("credit_spread", "+3.10 points after +3.10", False),
        ("funding_rate", None, None),
    ]


def test_an_altseason_follows_within_the_windows_that_begin_after_the_breakout(bench: Bench) -> None:
    """Breakouts on 1 and 2 June 2024 and 1 January 2026: the windows end from 30 August and 31 August 2024 on."""
    bench.given(
        "marts.breakouts",
        "subject_id varchar, kind varchar, session_date date, decided_at timestamptz, is_left_censored boolean",
        [
            ("RUT", "all_time_high", day, f"{day} 21:00:00+00", False)
            for day in ("2024-06-01", "2024-06-02", "2026-01-01")
        ],
    )
    bench.given(
        "marts.altseason",
        "session_date date, index_pct double, known_at timestamptz",
        [
            ("2024-08-29", 100.0, "2024-08-30 00:00:00+00"),  # 89 days after the first
            ("2024-08-30", 75.0, "2024-08-31 00:00:00+00"),
            ("2024-10-01", 10.0, "2024-10-02 00:00:00+00"),
            ("2024-11-29", 74.9, "2024-11-30 00:00:00+00"),  # 180 days after the second
            ("2024-11-30", 100.0, "2024-12-01 00:00:00+00"),
            ("2026-02-01", 100.0, "2026-02-02 00:00:00+00"),
        ],
    )
    query = "select moment, observed_on, holds from intermediate.claim_altseasons where not is_usual"
    bench.build("intermediate.claim_moments", as_of=AFTER)
    bench.build_only("intermediate.claim_altseasons", as_of=AFTER)
    assert bench.rows(query) == [
        (moment, day, holds)
        for moment in ("article", "clock")
        for day, holds in (("2024-06-01", True), ("2024-06-02", False))
    ]
    # That there was none is known when the last window is over, that there was one at once.
    bench.build("intermediate.claim_moments", as_of="2024-11-28")
    bench.build_only("intermediate.claim_altseasons", as_of="2024-11-28")
    assert bench.rows(query) == [("clock", "2024-06-01", True)]


def test_orders_of_stages_against_their_shifts(bench: Bench) -> None:
    """Eight sessions, of which the first three are in order; turn-ons at the first and the third; months of two."""
    days = [f"2024-01-{day:02}" for day in range(1, 9)]
    bench.given(
        "intermediate.stage_orders",
        "from_stage integer, to_stage integer, session_date date, is_in_order boolean, decided_at timestamptz",
        [
            *[(1, 2, day, number in (0, 1, 2), f"{day} 21:00:00+00") for number, day in enumerate(days)],
            (1, 2, "2025-12-01", True, "2025-12-01 21:00:00+00"),  # of the last year
            (1, 3, "2024-01-01", False, "2024-01-01 21:00:00+00"),  # not the next stage
        ],
    )
    bench.given(
        "marts.cascade",
        "stage integer, session_date date, is_on boolean, is_turn_on boolean",
        [(1, day, True, number in (0, 2)) for number, day in enumerate(days)] + [(1, "2025-12-01", True, True)],
    )
    bench.build("intermediate.claim_moments", as_of=AFTER)
    bench.build_only("intermediate.claim_orders", as_of=AFTER, claim_shift_sessions=2)
    # Both turn-ons are in order; shifted by 2, 4 and 6 sessions one, none and one. Usual are three in eight.
    assert bench.rows("select moment, n, share, chance, p_value from intermediate.claim_orders") == [
        (moment, 2, 1.0, 0.375, 0.25) for moment in ("article", "clock")
    ]
