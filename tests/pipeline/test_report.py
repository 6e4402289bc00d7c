"""The report: what it says, that its numbers are those of the tables, that it loads nothing, and how browsers show it.

Here: a published file that is written by hand, so that every number on the page is known. Slow tests look at the whole
synthetic market, one of them in a real headless browser.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import duckdb
import pandas as pd
import pytest
from browser import MARKS, started

from assets.config.parameters import load_parameters
from assets.config.universe import Ingredient, load_universe
from assets.contracts.stored import PUBLISHED_SCHEMAS
from assets.report import chart, market_charts, queries, sections, vega
from assets.report.definitions import Definitions
from assets.report.page import ReportFile, write_report

DICTIONARY = Path(__file__).parents[2] / "docs" / "data-dictionary.md"

SECTIONS = [
    *("now", "history", "claims", "breakouts", "rotation-graph", "responses"),
    *("lead-lag", "money", "pullbacks", "quality", "glossary"),
]
AS_OF = date(2024, 6, 28)
PREVIEWED = {
    "marts.cascade",
    "marts.cascade_order",
    "marts.claims",
    "marts.breakouts",
    "core.bars",
    "marts.relative_strength",
    "marts.breakout_states",
    "marts.relative_rotation",
    "marts.rotation_responses",
    "marts.rotation_summary",
    "marts.lead_lag",
    "marts.lead_lag_best",
    "marts.liquidity",
    "marts.altseason",
    "marts.pullbacks",
    "meta.freshness",
}


@dataclass
class PublishedFile:
    """A published file that a test writes row by row."""

    path: Path

    def add(self, table: str, *rows: dict[str, Any]) -> None:
        """Add rows; columns that a row does not name are null."""
        self.add_all({table: list(rows)})

    def add_all(self, tables: dict[str, list[dict[str, Any]]]) -> None:
        """Add rows of several tables in one connection, which is much faster."""
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set timezone = 'UTC'")
            for table, rows in tables.items():
                connection.register("added", pd.DataFrame(rows))
                connection.execute(f"insert into {table} by name from added")
                connection.unregister("added")

    def report(self) -> ReportFile:
        """The report on it."""
        return write_report(self.path, self.path.with_name("report.html"))

    def page(self) -> str:
        """The text of the report."""
        return self.report().path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file with every table and no row."""
    path = tmp_path_factory.mktemp("empty") / "cascade.duckdb"
    with duckdb.connect(str(path)) as connection:
        for schema in PUBLISHED_SCHEMAS:
            connection.execute(f"create schema {schema}")
        # Other tests check that the dictionary has the columns of the models.
        for table, rows in re.findall(r"^## (\w+\.\w+)\n(.+?)(?=^## |\Z)", DICTIONARY.read_text(), flags=re.M | re.S):
            columns = [row.split(" | ")[:2] for row in re.findall(r"^\| (?!column)(.+) \|$", rows, flags=re.M)]
            connection.execute(f"create table {table} ({', '.join(f'{name} {type_}' for name, type_ in columns)})")
    return path


@pytest.fixture
def published(empty_file: Path, tmp_path: Path) -> PublishedFile:
    """A file for one test, with a run and the parameters in it and nothing else."""
    published = PublishedFile(tmp_path / "cascade.duckdb")
    shutil.copy(empty_file, published.path)
    published.add_all({"meta.runs": [_run("files")], "meta.parameters": _parameters()})
    return published


@pytest.fixture(scope="module")
def market_file(empty_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real market, with something to draw on every chart."""
    published = PublishedFile(tmp_path_factory.mktemp("market") / "cascade.duckdb")
    shutil.copy(empty_file, published.path)
    published.add_all({"meta.runs": [_run("files")], "meta.parameters": _parameters()})
    fill(published)
    return published.path


@pytest.fixture(scope="module")
def report(market_file: Path) -> ReportFile:
    return PublishedFile(market_file).report()


@pytest.fixture(scope="module")
def page(report: ReportFile) -> str:
    return report.path.read_text(encoding="utf-8")


def _run(source: str) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "source": source,
        "started_at": "2024-06-29 00:00:00+00",
        "finished_at": "2024-06-29 00:01:00+00",
        "as_of": AS_OF,
        "status": "published",
        "code_version": "1.2.3",
    }


def _parameters() -> list[dict[str, Any]]:
    return [{"name": name, **parameter.model_dump()} for name, parameter in load_parameters().items()]


def _days(count: int, step: int = 1) -> list[date]:
    return [AS_OF - timedelta(days=step * back) for back in reversed(range(count))]


def fill(published: PublishedFile) -> None:
    """Rows for every chart and table of the page."""
    tables: dict[str, list[dict[str, Any]]] = {}

    def add(table: str, *rows: dict[str, Any]) -> None:
        tables.setdefault(table, []).extend(rows)

    closes = [(day, 1000.0 + 3 * n) for n, day in enumerate(_days(900))]
    add(
        "core.instruments",
        {"instrument_id": "RUT", "name": "Russell 2000", "asset_class": "equity", "last_session": AS_OF},
        {"instrument_id": "BTC", "name": "Bitcoin", "reconstructed_before": "2022-06-01", "last_session": AS_OF},
    )
    for id_ in ("RUT", "BTC"):
        add(
            "core.bars",
            *(
                {
                    "instrument_id": id_,
                    "session_date": day,
                    "signal_price": price,
                    "return_price": price,
                    "is_final": True,
                }
                for day, price in closes
            ),
        )
    add(
        "marts.relative_strength",
        *(
            {"pair_id": "RUT/SPX", "session_date": day, "ratio": price / 4000, "numerator": 1.0}
            for day, price in closes
        ),
    )
    for stage, (name, score, is_on) in enumerate(
        [
            ("funding", 0.75, True),
            ("equities", 1.0, True),
            ("small_caps", 0.0, False),
            ("crypto_majors", None, True),
            ("altcoins", None, None),
        ],
        start=1,
    ):
        add(
            "marts.cascade",
            *(
                {
                    "session_date": day,
                    "stage": stage,
                    "stage_name": name,
                    "score": 0.5 if day < AS_OF and score is None and is_on else score,
                    "is_on": is_on if n > 3 else (None if is_on is None else not is_on),
                    "state_since": None if is_on is None else _days(9)[4 if n > 3 else 0],
                }
                for n, day in enumerate(_days(9))
            ),
        )
    add(
        "marts.cascade_ingredients",
        {"session_date": AS_OF, "stage": 1, "stage_name": "funding", "ingredient": "SOFR:near_policy_rate", "value": 1},
        {"session_date": AS_OF, "stage": 5, "stage_name": "altcoins", "ingredient": "ALTS/BTC:ratio_above_mean"},
    )
    add("core.series", {"series_id": "SOFR", "name": "Secured overnight financing rate"})
    add(
        "marts.cascade_order",
        {
            "from_stage": 1,
            "from_stage_name": "funding",
            "to_stage": 2,
            "to_stage_name": "equities",
            "turn_ons": 12,
            "share_in_order": 0.25,
            "share_by_chance": 0.37,
            "as_of": AS_OF,
        },
    )
    add(
        "marts.claims",
        {
            "claim_id": 1,
            "claim": "Small caps <lead>.",
            "measured": "first: 3.1 % of 7 | second: 12 of 13",
            "expected": "first: more | second: all",
            "n": 7,
            "p_value": 0.0421,
            "specification_share": 0.58,
            "verdict": "insufficient_evidence",
            "reason": "7 of the 8 cases that are needed",
            "scored_on": "2024-01-12",
            "as_of": AS_OF,
        },
        {"claim_id": 2, "claim": "They fell.", "verdict": "contradicted", "scored_on": "2024-01-12", "as_of": AS_OF},
    )
    for subject, close in (("RUT", 3400.0), ("RUT/SPX", 0.85)):
        event = f"{subject}:all_time_high:2024-03-01"
        add(
            "marts.breakouts",
            {
                "event_id": event,
                "subject_id": subject,
                "kind": "all_time_high",
                "session_date": "2024-03-01",
                "level": close * 0.98,
                "level_date": "2022-02-03",
                "close": close,
                "margin": 0.0234,
                "is_left_censored": False,
                "relative_volume": 1.37,
                "breadth_sma200": 0.61,
                "status": "confirmed",
                "closes_below_20": 4,
            },
        )
        add(
            "marts.breakout_states",
            {"event_id": event, "state": "confirmed", "session_date": "2024-03-06", "sessions_after": 3},
        )
    add(
        "marts.relative_rotation",
        *(
            {
                "pair_id": pair,
                "week_end": day,
                "rs_ratio": 100 + 0.3 * n,
                "rs_momentum": 99.5 + 0.2 * n,
                "quadrant": "leading",
            }
            for pair in ("RUT/SPX", "ETH/BTC")
            for n, day in enumerate(_days(6, 7))
        ),
    )
    for subject, kind in (("RUT", "all_time_high"), ("RUT/SPX", "year_high")):
        for day, scale in (("2021-05-03", 9.0), ("2022-07-01", 1.0), ("2024-03-01", -1.0)):
            add(
                "marts.rotation_responses",
                *(
                    {
                        "event_id": f"{subject}:{kind}:{day}",
                        "trigger": "decided",
                        "target_id": "BTC",
                        "horizon_days": days,
                        "entry_date": day,
                        "forward_return": scale * days / 1000,
                        "is_complete": True,
                    }
                    for days in (30, 60, 90)
                ),
            )
    add(
        "marts.rotation_summary",
        *(
            {
                "signal_id": signal,
                "target_id": "BTC",
                "horizon_days": days,
                "n_events": 9,
                "n_episodes": 9,
                "mean_return": 0.2,
                "baseline_mean": 0.08,
                "excess_mean": excess,
                "q_value": 0.03,
                "evidence": evidence,
                "as_of": AS_OF,
            }
            for signal, excess, evidence in (
                ("RUT:all_time_high:decided", 0.413, "supports"),
                ("small_caps:turn_on:decided", -0.0012, "insufficient"),
            )
            for days in (30, 60, 90)
        ),
    )
    add(
        "marts.lead_lag",
        *(
            {
                "signal_id": "IWM",
                "target_id": "BTC",
                "aggregation": 1,
                "lag": lag,
                "correlation": 0.3 if lag == 0 else 0.01,
                "n": 900,
                "n_eff": 900.0,
                "p_value": 0.5,
                "as_of": AS_OF,
            }
            for lag in range(-20, 21)
        ),
    )
    add(
        "marts.lead_lag_best",
        {
            "signal_id": "IWM",
            "target_id": "BTC",
            "aggregation": 1,
            "best_lag": 17,
            "correlation": 0.052,
            "n": 883,
            "p_value": 0.221,
            "q_value": 0.87,
            "as_of": AS_OF,
        },
    )
    add(
        "marts.liquidity",
        *(
            {
                "session_date": day,
                "balance_sheet_musd": 7_000_000.0 + n,
                "treasury_account_musd": 700_000.0,
                "reverse_repo_musd": 500_000.0,
                "net_liquidity_musd": 5_800_000.0 + n,
                "change_91d_musd": 91_000.0,
                "regime": "easing",
            }
            for n, day in enumerate(_days(60))
        ),
    )
    add(
        "marts.altseason",
        *(
            {"session_date": day, "index_pct": 60.0 if n < 25 else None, "known": 12, "members": 14}
            for n, day in enumerate(_days(30))
        ),
    )
    add(
        "marts.pullbacks",
        *(
            {
                "instrument_id": id_,
                "peak_date": "2023-07-03",
                "depth_so_far": -0.083,
                "trough_date": "2023-08-01",
                "sessions_to_recover": 41,
                "status": "absorbed",
            }
            for id_ in ("RUT", "BTC")
        ),
    )
    add(
        "meta.checks",
        {"run_id": "r1", "check_name": "one_is_fine", "table_name": "core.bars", "passed": True, "severity": "ERROR"},
        {
            "run_id": "r1",
            "check_name": "this_one_failed",
            "table_name": "core.bars",
            "passed": False,
            "severity": "WARN",
            "rows_checked": 1234,
            "rows_failed": 5,
            "detail": "five rows",
        },
    )
    add(
        "meta.freshness",
        {"id": "RUT", "asset_class": "equity", "last_session": AS_OF, "status": "fresh", "age_sessions": 0},
        {"id": "M2SL", "asset_class": "macro", "last_session": "2024-01-01", "status": "stale", "age_sessions": 3},
    )
    add("meta.deliveries", {"asset_class": "equity", "id": "RUT", "rows_delivered": 4321, "rows_quarantined": 2})
    add(
        "meta.quarantine",
        {"table_name": "raw.equity_bars", "id": "VIX", "session_date": "2024-05-27", "reason": "no session"},
    )
    add(
        "meta.gaps",
        {"instrument_id": "RUT", "session_date": "2024-04-01", "missing_in_a_row": 1},
    )
    published.add_all(tables)


def text_of(page: str) -> str:
    """The text of the page, without the drawings."""
    bare = re.sub(r"<(svg|style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare)).replace("\u00a0", " ")


def figures(page: str) -> list[str]:
    return re.findall(r"<figure\b.*?</figure>", page, flags=re.DOTALL)


def loaded(page: str) -> Sequence[str]:
    """Every address that a browser would fetch for the page."""
    found = re.findall(
        r"""(?:\b(?:src|href|xlink:href|data|action|poster|srcset)\s*=\s*["']?|url\(|@import\s*|fetch\(|import\()"""
        r"""\s*["']?([^\s"')>]+)""",
        page,
    )
    return [address for address in found if not address.startswith(("#", "data:,"))]


# --- what it says -----------------------------------------------------------------------------------------------------


def test_every_section_is_there_in_its_order(page: str) -> None:
    assert re.findall(r'<section id="([^"]+)">', page) == SECTIONS


def test_every_chart_is_drawn_and_says_its_day_source_and_n(page: str) -> None:
    drawn = figures(page)
    nothing = [re.findall(r'id="([^"]+)"', figure)[0] for figure in drawn if "<svg" not in figure]
    # The hand-made market has responses of Bitcoin only.
    assert nothing == [
        *(f"fan-{event}-{coin}" for event in ("rut-all_time_high", "rut-spx-year_high") for coin in ("eth", "alts")),
        "rotation-eth",
        "rotation-alts",
    ]
    for figure in drawn:
        facts = text_of(figure)
        assert re.search(r"As of 20\d\d-\d\d-\d\d · source: \w+\.\w+.* · n = \S", facts), facts
    assert text_of(page).count("Synthetic data.") == 0
    assert "SYNTHETIC" not in page


def test_every_drawn_chart_says_how_to_read_it_and_what_it_cannot_say(page: str) -> None:
    for figure in figures(page):
        if "<svg" in figure:
            assert re.search(r"<p>[^<]{40,}<em>[^<]{20,}</em></p>", figure), text_of(figure)


def test_the_first_thing_is_where_the_cascade_is(page: str) -> None:
    text = text_of(page)
    assert "On: funding, equities and crypto majors. Off: small caps. Not known yet: altcoins." in text
    assert "No score on the last day, so the state before is shown: crypto majors." in text
    assert "funding Is money cheap and easy to borrow? on since 2024-06-24 score 0.75 of 1" in text
    assert (
        "small caps Do small companies' shares rise faster? off since 2024-06-24 score 0.00 of 1".replace("'", "&#39;")
        in text
    )
    assert "score not known; last 0.50 on 2024-06-27" in text
    assert "yes Secured overnight financing rate: at most 0.1 percentage points above the policy rate" in text
    assert "not known ALTS/BTC: above its mean of 200 sessions" in text


def test_numbers_are_those_of_the_tables(page: str) -> None:
    text = text_of(page)
    claims = text[text.index("The claims and their verdicts") :]
    assert "insufficient evidence 1. Small caps &lt;lead&gt;. first: 3.1 % of 7 second: 12 of 13" in claims
    assert "first: more second: all 7 0.042 58 % 7 of the 8 cases that are needed" in claims
    assert "confirmed RUT all-time high 2024-03-01 +2.3 % 1.37 × 61 % 4 confirmed 2024-03-06" in text
    assert "1 of 2 checks passed. 1 of 2 instruments and series are not fresh. Rejected rows: 1." in text
    assert "WARN core.bars this one failed 5 1,234 five rows" in text
    assert "equity 1 4,321 2 0" in text
    assert "stale M2SL macro 2024-01-01" in text
    assert "IWM BTC 17 +0.052 883 0.221 0.87" in text
    assert "1 of 41 lags are outside the band, and about 2 would be by chance alone." in text
    # What a pointer finds on the drawings.
    assert "2024-06-28: 5.800 trillion USD" in page
    tip = (
        "BTC, 30 days after RUT all-time high:\n+41.3 % against the baseline\nmean +20.0 %, baseline +8.0 %\n9 episodes"
    )
    assert tip in page.replace("&#xA;", "\n")
    assert ">+41▲</text>" in page
    assert ">0</text>" in page


def test_reconstructed_prices_and_unknown_days_are_left_out(page: str) -> None:
    fan = next(figure for figure in figures(page) if 'id="fan-rut-all_time_high-btc"' in figure)
    assert "n = 2 events; band: 729 days" in text_of(fan)
    assert "2 cases cannot tell a rule from luck. Costs are not included." in text_of(fan)
    altseason = next(figure for figure in figures(page) if 'id="altseason"' in figure)
    assert "As of 2024-06-23 · source: marts.altseason · n = 12 of 14 coins" in text_of(altseason)


# --- numbers of definitions -------------------------------------------------------------------------------------------


def test_numbers_of_definitions_come_from_the_published_file(published: PublishedFile) -> None:
    fill(published)
    measures = [{"stage": 1, "ingredient": f"X:{measure}", "session_date": AS_OF} for measure in sections.MEASURES]
    published.add("marts.cascade_ingredients", *measures)
    with duckdb.connect(str(published.path)) as connection:
        connection.execute("update meta.parameters set value = 1000 + rowid")
        definitions = Definitions(queries.parameters(connection))
    sources = [path.read_text(encoding="utf-8") for path in Path(sections.__file__).parent.glob("*.*")]
    names = set(re.findall(r"""(?:\$|definitions\[["'])([a-z]\w+)""", "".join(sources))) - {"name", "schema"}
    assert names >= {"spread_mean", "failure_margin", "stage_on", "minimum_episodes", "altseason_days"}
    text = text_of(published.page())
    assert [
        name
        for name in sorted(names)
        if definitions.fill(f"${name}") not in text and str(definitions[name]) not in text
    ] == []


def test_numbers_of_definitions_have_their_units() -> None:
    rows: list[queries.Row] = [
        {"name": "margin", "value": 0.0025, "unit": "fraction"},
        {"name": "high", "value": 75.0, "unit": "percent"},
        {"name": "closes", "value": 1.0, "unit": "closes"},
        {"name": "premium", "value": 0.1, "unit": "percentage points"},
    ]
    definitions = Definitions(rows)
    text = definitions.fill("$closes at most $margin above, $high or $premium")
    assert text == "1 close at most 0.25 % above, 75 % or 0.1 percentage points"
    assert (definitions["high"], definitions["margin"]) == (75, 0.0025)


def test_a_file_without_a_parameter_is_rejected(published: PublishedFile, tmp_path: Path) -> None:
    with duckdb.connect(str(published.path)) as connection:
        connection.execute("delete from meta.parameters where name = 'failure_margin'")
    with pytest.raises(queries.NothingPublished, match=r"meta\.parameters has no failure_margin"):
        write_report(published.path, tmp_path / "report.html")


def test_every_stage_and_measure_of_the_universe_has_words() -> None:
    stages = load_universe().stages
    assert {stage.name for stage in stages} == sections.STAGES.keys()
    assert set(get_args(Ingredient.model_fields["measure"].annotation)) == sections.MEASURES.keys()


# --- where there is little --------------------------------------------------------------------------------------------


def test_an_empty_market_gives_sentences_and_no_chart(published: PublishedFile) -> None:
    page = published.page()
    assert re.findall(r'<section id="([^"]+)">', page) == SECTIONS
    assert "<svg" not in page
    text = text_of(page)
    assert "No stage of the cascade has a score yet" in text
    assert "There was no breakout of the Russell 2000" in text
    assert "There is no day with at least 10 coins, and 80 % of them, known." in text
    for figure in figures(page):
        assert 'class="nothing"' in figure
        assert "As of 2024-06-28 · source:" in text_of(figure)
    assert published.report().previews == {}


@pytest.mark.slow
def test_a_file_without_crypto_still_has_the_other_charts(market_file: Path, tmp_path: Path) -> None:
    published = PublishedFile(tmp_path / "cascade.duckdb")
    shutil.copy(market_file, published.path)
    with duckdb.connect(str(published.path)) as connection:
        for table in ("rotation_responses", "rotation_summary", "altseason", "lead_lag", "lead_lag_best"):
            connection.execute(f"delete from marts.{table}")
        connection.execute("delete from marts.relative_rotation where pair_id = 'ETH/BTC'")
        connection.execute("delete from marts.pullbacks where instrument_id = 'BTC'")
        connection.execute("delete from core.bars where instrument_id = 'BTC'")
    page = published.page()
    assert {re.findall(r'id="([^"]+)"', figure)[0] for figure in figures(page) if "<svg" in figure} == {
        "cascade-history",
        "cascade-order",
        "verdicts",
        "recent-rut",
        "history-rut",
        "recent-rut-spx",
        "history-rut-spx",
        "life-cycle",
        "rotation-graph-equity",
        "net-liquidity",
        "liquidity-change",
        "pullbacks-rut",
        "freshness",
    }


def test_a_file_without_a_published_run_is_rejected_and_the_old_report_is_kept(
    published: PublishedFile, tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    target.write_text("before")
    with duckdb.connect(str(published.path)) as connection:
        connection.execute("update meta.runs set status = 'running'")
    with pytest.raises(queries.NothingPublished, match="no published run"):
        write_report(published.path, target)
    assert target.read_text() == "before"


def test_a_report_that_cannot_be_put_in_place_leaves_nothing_behind(published: PublishedFile, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.mkdir()
    with pytest.raises(OSError, match=r"report\.html"):
        write_report(published.path, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cascade.duckdb", "report.html"]


# --- synthetic, offline, safe -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_synthetic_data_carry_a_banner_and_every_caption_says_so(market_file: Path, tmp_path: Path) -> None:
    published = PublishedFile(tmp_path / "cascade.duckdb")
    shutil.copy(market_file, published.path)
    with duckdb.connect(str(published.path)) as connection:
        connection.execute("update meta.runs set source = 'demo'")
    report = published.report()
    page = report.path.read_text(encoding="utf-8")
    text = text_of(page)
    assert text.strip().startswith("Cascade as of 2024-06-28 (synthetic data) SYNTHETIC DATA: no market made these")
    assert all("Synthetic data." in text_of(figure) for figure in figures(page))
    tables = len(re.findall("<table>", page))
    assert tables >= 6
    assert text.count("Synthetic data.") == len(figures(page)) + tables + 1
    assert all(picture.startswith("SYNTHETIC DATA. ") for picture in report.previews.values())


def test_the_page_loads_nothing(page: str) -> None:
    assert loaded(page) == []
    assert "http:" not in page
    assert "https:" not in page
    # The search does find what it looks for.
    for bad in (
        '<script src="//a.b/c.js">',
        "<img src=x.png>",
        "url('//a.b/c.woff')",
        '@import "c.css"',
        'fetch("/x")',
    ):
        assert loaded(page + bad), bad


def test_what_comes_from_data_cannot_become_markup(published: PublishedFile) -> None:
    bad = "<script>alert(1)</script>"
    published.add("marts.claims", {"claim_id": 1, "claim": bad, "measured": bad, "verdict": bad, "as_of": AS_OF})
    published.add(
        "meta.freshness",
        {"id": bad, "asset_class": bad, "last_session": AS_OF, "status": "stale", "age_sessions": 1},
    )
    page = published.page()
    assert bad not in page
    assert "&lt;script&gt;alert(1)" in page


def test_inner_references_of_drawings_are_unique(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_every_colour_is_defined_for_light_and_dark_and_can_be_read(page: str) -> None:
    assert set(vega.LIGHT) == set(vega.DARK)
    assert set(re.findall(r"var\(--([a-z_0-9]+)\)", page)) <= set(vega.LIGHT)
    for palette in (vega.LIGHT, vega.DARK):
        for text in ("ink", "soft", "blue", "orange"):
            for ground in ("paper", "card"):
                assert _contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
        for mark in ("blue", "orange", "purple", "green", "red", "brown", "pink", "quiet"):
            assert _contrast(palette[mark], palette["paper"]) >= 3, mark
        for cell in ("low_2", "low_1", "even", "high_1", "high_2"):
            assert _contrast(palette["ink"], palette[cell]) >= 4.5, cell
    with pytest.raises(KeyError, match="sepia"):
        vega.color("sepia")


def _contrast(one: str, other: str) -> float:
    """Of two colours, as the web's guidelines on accessible content measure it: 1 to 21."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_previews_are_pictures_that_need_no_page(report: ReportFile) -> None:
    pictures = report.previews
    assert set(pictures) == PREVIEWED
    for table, picture in pictures.items():
        found = re.fullmatch(
            r"(.+), as of 20\d\d-\d\d-\d\d; n = .+\n\n!\[\1\]\(data:image/svg\+xml;base64,([^)]+)\)", picture
        )
        assert found, table
        svg = base64.b64decode(found.group(2)).decode()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "var(" not in svg
        assert "aria-label=" not in svg
        assert len(picture) < 120_000
    assert report.size == report.path.stat().st_size


def test_a_probability_that_rounds_to_nothing_is_not_nothing() -> None:
    assert [chart.at_least(value, 3) for value in (1.0, 0.0421, 0.0005, 0.0004, 0.0)] == [
        "1.000",
        "0.042",
        "0.001",
        "<0.001",
        "<0.001",
    ]


def test_names_on_the_rotation_graph_do_not_lie_on_each_other() -> None:
    tails: list[queries.Row] = [
        {
            "pair_id": f"A{n}/B",
            "week_end": "2024-06-28",
            "rs_ratio": 100 + 0.01 * n,
            "rs_momentum": 100.0,
            "quadrant": "leading",
            "weeks_back": 1,
        }
        for n in range(6)
    ] + [
        {
            "pair_id": "FAR/B",
            "week_end": "2024-06-28",
            "rs_ratio": 103.0,
            "rs_momentum": 103.0,
            "quadrant": "leading",
            "weeks_back": 1,
        }
    ]
    graph = market_charts.rotation_graph(
        "g", "t", [tail["pair_id"] for tail in tails], tails, Definitions(_parameters())
    )
    assert graph.spec is not None
    named = [
        row["pair_id"]
        for layer in graph.spec["layer"]
        if layer["mark"].get("fontWeight") == "bold"
        for row in layer["data"]["values"]
    ]
    assert "FAR/B" in named
    assert 1 <= len([name for name in named if name.startswith("A")]) < 6


# --- the whole synthetic market, in a browser -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published file of the synthetic market."""
    home = tmp_path_factory.mktemp("demo")
    command = [str(Path(sys.executable).with_name("cascade")), "run", "--source", "demo", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return home / "cascade.duckdb"


@pytest.mark.slow
def test_the_band_of_the_fan_charts_is_the_baseline_of_the_rotation_table(demo_file: Path) -> None:
    with duckdb.connect(str(demo_file), read_only=True) as reader:
        for target in ("BTC", "ETH", "ALTS"):
            middle = {row["horizon_days"]: row["middle"] for row in queries.baseline_returns(reader, target)}
            table = dict(
                reader.execute(
                    "select horizon_days, any_value(baseline_median) from marts.rotation_summary where target_id = ? "
                    "group by horizon_days",
                    [target],
                ).fetchall()
            )
            assert middle == pytest.approx(table, abs=1e-4), target


def with_browser(test: Any) -> Any:
    """A test that needs a browser."""
    for mark in MARKS:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser."""
    driver = started(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@with_browser
def test_a_browser_opens_it_on_a_phone_and_on_a_desktop(demo_file: Path, browser: Any, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    report = write_report(demo_file, target)
    assert report.size < 3_000_000
    grounds = set()
    for width, height in ((390, 844), (1280, 900)):
        for scheme in ("light", "dark"):
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 400},
            )
            browser.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            )
            browser.get(target.as_uri())
            found = browser.execute_script(
                """
                const root = document.documentElement;
                const outside = [...document.querySelectorAll("body *")].filter((element) =>
                    !element.closest("svg") && element.getBoundingClientRect().right > root.clientWidth + 1);
                return {
                    wide: root.scrollWidth - root.clientWidth,
                    outside: outside.map((element) => element.outerHTML.slice(0, 80)),
                    loaded: performance.getEntriesByType("resource").map((entry) => entry.name),
                    ground: getComputedStyle(root).backgroundColor,
                    drawings: document.querySelectorAll("figure svg").length,
                    figures: document.querySelectorAll("figure").length,
                    smallest: Math.min(...[...document.querySelectorAll("figure svg text")]
                        .filter((text) => text.textContent)
                        .map((text) => text.getBoundingClientRect().height)),
                };
                """
            )
            assert found["wide"] <= 0
            assert found["outside"] == []
            assert found["loaded"] == []
            assert found["drawings"] == found["figures"]
            assert found["smallest"] >= 9, "letters of nine units or more can be read"
            grounds.add((scheme, found["ground"]))
    assert len(grounds) == 2

    # A pointer on a chart sees the value there.
    tip = browser.execute_script(
        """
        const drawing = document.querySelector("#net-liquidity .drawing");
        drawing.scrollIntoView();
        const box = drawing.getBoundingClientRect();
        drawing.dispatchEvent(new PointerEvent("pointermove", {
            clientX: box.left + box.width * 0.6, clientY: box.top + box.height * 0.4, bubbles: true }));
        const tip = document.getElementById("tip");
        return { hidden: tip.hidden, text: tip.textContent };
        """
    )
    assert not tip["hidden"]
    assert re.match(r"20\d\d-\d\d-\d\d: \d\.\d{3} trillion USD", tip["text"])
    assert browser.get_log("browser") == []
