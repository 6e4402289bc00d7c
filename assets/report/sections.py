"""What stands on the page: its stages, sections and tables, in the order in which they are read.

Here: which questions are asked for what, and the cells of tables as text. Not here: the questions (queries.py), the
charts (market_charts.py, evidence_charts.py), the file (page.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from assets.report import evidence_charts, market_charts, queries
from assets.report.chart import KINDS, Chart, at_least, percent, words
from assets.report.queries import Row
from assets.sources.base import is_synthetic

SMALL_CAPS = "RUT"
RATIO = "RUT/SPX"
TARGETS = ("BTC", "ETH", "ALTS")
EVENTS = ((SMALL_CAPS, "all_time_high"), (RATIO, "year_high"))
EQUITY_PAIRS = ("RUT/SPX", "QQQ/SPY", "XLY/XLP", "HYG/IEF", "EEM/SPY", "GLD/SPY", "RSP/SPY")
CRYPTO_PAIRS = ("BTC/SPX", "BTC/GLD", "ETH/BTC", "ALTS/BTC", "SOL/BTC", "XRP/BTC", "LINK/BTC")
TAIL_WEEKS = 6
PULLBACKS_OF = ("RUT", "BTC")
CASCADE_YEARS = 5
LAST_EVENTS = 12
LISTED = 60
DETAIL = 220

# A space at which no line ends.
NARROW = "\u00a0"

STAGES = {
    "funding": "Is money cheap and easy to borrow?",
    "equities": "Do large companies' shares rise?",
    "small_caps": "Do small companies' shares rise faster?",
    "crypto_majors": "Do Bitcoin and Ether rise?",
    "altcoins": "Do the other coins beat Bitcoin?",
}
MEASURES = {
    "rises": "more than 91 days ago",
    "below_mean": "below its mean of a year",
    "near_policy_rate": "near the policy rate",
    "below_zero": "below zero: looser than usual",
    "price_above_mean": "price above its long mean",
    "mean_above_mean": "short mean above its long mean",
    "ratio_above_mean": "above its mean",
    "ratio_rises": "higher than a quarter ago",
    "half_above_mean": "half of its members above their long mean",
    "half_beat_bitcoin": "half of them beat Bitcoin over 90 days",
}


@dataclass(frozen=True)
class Table:
    """A table on the page: a title for each column, cells as text, and a sentence for where there are no rows.

    `marked` is the column whose words also set its colour, `wide` the columns that need a line of their own on a phone.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str
    note: str = ""
    marked: str = ""
    wide: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    id: str
    title: str
    lead: str
    figures: Sequence[Chart] = ()
    tables: Sequence[tuple[str, Table]] = ()
    folded: Sequence[tuple[str, Table]] = ()


def stages(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """The five stages as the first thing that a reader sees."""
    ingredients = queries.cascade_ingredients(reader)
    return [
        {
            "name": words(row["stage_name"]),
            "question": STAGES.get(row["stage_name"], ""),
            "state": {True: "on", False: "off", None: "not known yet"}[row["is_on"]],
            "since": row["since"],
            "session_date": row["session_date"],
            "score": row["score"],
            "score_date": row["score_date"],
            "last_score": row["last_score"],
            "ingredients": [
                {
                    "text": f"{words(part['subject'])}: {MEASURES.get(part['measure'], words(part['measure']))}",
                    "answer": {1: "yes", 0: "no", None: "not known"}[part["value"]],
                }
                for part in ingredients
                if part["stage"] == row["stage"]
            ],
        }
        for row in queries.cascade_now(reader)
    ]


def summary(stages: Sequence[Row]) -> str:
    """Where the cascade is, in a sentence."""
    if not stages:
        return "No stage of the cascade could be scored yet: the file lacks what the stages are made of."
    parts = []
    for state in ("on", "off", "not known yet"):
        names = [stage["name"] for stage in stages if stage["state"] == state]
        if names:
            listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
            parts.append(f"{state.capitalize()}: {listed}.")
    unscored = [stage["name"] for stage in stages if stage["score"] is None and stage["state"] != "not known yet"]
    more = f" The latest score of {' and '.join(unscored)} is not known; the state before stays." if unscored else ""
    return " ".join(parts) + more


def sections(reader: duckdb.DuckDBPyConnection, run: Row) -> list[Section]:
    """Everything below the stages, in the order in which it is read."""
    return [
        Section(
            "history",
            "How it came to this",
            "Money is said to move from safety to risk in five steps. A stage is on when most of its signs say so.",
            [
                market_charts.cascade_history(queries.cascade_spans(reader, CASCADE_YEARS), CASCADE_YEARS),
                evidence_charts.cascade_order(queries.cascade_order(reader)),
            ],
        ),
        _claims(reader, run),
        _breakouts(reader),
        Section(
            "rotation-graph",
            "Relative rotation",
            "Which of two things does better, and whether that is growing or fading, week by week.",
            [
                market_charts.rotation_graph(
                    f"rotation-graph-{name}",
                    f"Relative rotation: {title}",
                    pairs,
                    queries.rotation_tails(reader, list(pairs), TAIL_WEEKS),
                )
                for name, title, pairs in (
                    ("equity", "equities and credit", EQUITY_PAIRS),
                    ("crypto", "coins", CRYPTO_PAIRS),
                )
            ],
        ),
        _responses(reader),
        _lead_lag(reader),
        _money(reader),
        Section(
            "pullbacks",
            "Pullbacks",
            "How far prices fell from their highs, and whether the falls were made good.",
            [
                market_charts.pullbacks(instrument, rows)
                for rows in [queries.pullbacks(reader, list(PULLBACKS_OF))]
                for instrument in PULLBACKS_OF
            ],
        ),
        _quality(reader, run),
    ]


def _claims(reader: duckdb.DuckDBPyConnection, run: Row) -> Section:
    rows = queries.claims(reader)
    lead = "No claim was scored."
    if rows:
        lead = (
            "'The Russell 2000 has broken out; an altcoin season follows in one to three months.' Each of its claims "
            "was written down with its test and held against the data. Facts of a day are as of "
            f"{rows[0]['scored_on']}, the close before the article."
        )
    if is_synthetic(run["source"]):
        lead += " The verdicts below are on the synthetic market and say nothing of the article."
    return Section(
        "claims",
        "What a widely read article says, claim by claim",
        lead,
        [evidence_charts.verdicts(rows)],
        [
            (
                "The ledger of claims",
                Table(
                    ("verdict", "claim", "measured", "expected", "n", "p", "specs.", "reason"),
                    [
                        (
                            words(row["verdict"]),
                            f"{row['claim_id']}. {row['claim']}",
                            _parts(row["measured"]),
                            _parts(row["expected"]),
                            _count(row["n"]),
                            _probability(row["p_value"], 3),
                            percent(row["specification_share"], sign=False)
                            if row["specification_share"] is not None
                            else "",
                            _parts(row["reason"]),
                        )
                        for row in rows
                    ],
                    "No claim was scored.",
                    "n: cases of the part with fewest; p: of the part with the largest, how often chance alone gives "
                    "as much; specs.: share of the other reasonable definitions that agree; source: marts.claims.",
                    "verdict",
                    ("claim", "measured", "expected", "reason"),
                ),
            )
        ],
    )


def _breakouts(reader: duckdb.DuckDBPyConnection) -> Section:
    subjects = (SMALL_CAPS, RATIO)
    prices = {subject: queries.prices(reader, subject) for subject in subjects}
    events = {subject: queries.breakouts(reader, subject) for subject in subjects}
    newest = sorted(
        (event for subject in subjects for event in events[subject]),
        key=lambda event: (event["session_date"], event["subject_id"]),
        reverse=True,
    )
    return Section(
        "breakouts",
        "Small caps: the Russell 2000 and its breakouts",
        "RUT is the Russell 2000, two thousand small companies; RUT/SPX is its price over that of the S&P 500. A "
        "breakout is a close above everything of at least a year before.",
        [
            chart
            for subject in subjects
            for chart in (
                market_charts.price_recent(subject, prices[subject], events[subject]),
                market_charts.price_history(subject, prices[subject], events[subject]),
            )
        ]
        + [market_charts.life_cycle(queries.breakout_states(reader, list(subjects), LAST_EVENTS))],
        [
            (
                "The last breakouts",
                Table(
                    (
                        "state",
                        "breakout",
                        "day",
                        "above level",
                        "volume",
                        "breadth",
                        "below in 20",
                        "worst in 63",
                        "life",
                    ),
                    [
                        (
                            event["status"],
                            f"{event['subject_id']} {KINDS[event['kind']]}"
                            + (" (left censored)" if event["is_left_censored"] else ""),
                            event["session_date"],
                            percent(event["margin"], 1),
                            "" if event["relative_volume"] is None else f"{event['relative_volume']:.2f} ×",
                            "" if event["breadth_sma200"] is None else percent(event["breadth_sma200"], sign=False),
                            _count(event["closes_below_20"]),
                            "" if event["max_drawdown_63"] is None else percent(event["max_drawdown_63"], 1),
                            _parts(event["life"], ", "),
                        )
                        for event in newest[:LAST_EVENTS]
                    ],
                    "There was no breakout of the Russell 2000, alone or against the S&P 500.",
                    "above level: of the close, over the level; volume: times the median of fifty sessions; breadth: "
                    "small caps above their 200-session mean; below in 20: closes under the level in the next 20 "
                    "sessions; worst in 63: deepest close in the next 63, from the breakout; empty: not known (yet). "
                    "Source: marts.breakouts, marts.breakout_states.",
                    "state",
                    ("life",),
                ),
            )
        ],
    )


def _responses(reader: duckdb.DuckDBPyConnection) -> Section:
    usual = {target: queries.usual_returns(reader, target) for target in TARGETS}
    return Section(
        "responses",
        "What coins did afterwards",
        "Bitcoin (BTC), Ether (ETH) and an equal-weight basket of altcoins (ALTS) after breakouts of small caps, "
        "against what they did from any day. Days on which Bitcoin's prices are only reconstructed are left out.",
        [
            *(
                evidence_charts.fan(
                    subject, kind, target, queries.responses(reader, subject, kind, target), usual[target]
                )
                for subject, kind in EVENTS
                for target in TARGETS
            ),
            *(evidence_charts.heat_map(target, queries.rotation_table(reader, target)) for target in TARGETS),
        ],
    )


def _lead_lag(reader: duckdb.DuckDBPyConnection) -> Section:
    target = TARGETS[0]
    rows = queries.lead_lag(reader, target)
    best = queries.best_leads(reader)
    signals = list(dict.fromkeys(row["signal_id"] for row in rows))
    return Section(
        "lead-lag",
        "Who moves first",
        "If small caps led Bitcoin, their moves would go with its moves some days later.",
        [
            evidence_charts.lead_lag(
                signal,
                target,
                [row for row in rows if row["signal_id"] == signal],
                next((row for row in best if (row["signal_id"], row["target_id"]) == (signal, target)), None),
            )
            for signal in signals or ("IWM",)
        ],
        folded=[
            (
                "The best lead of every pair",
                Table(
                    ("leads", "follows", "sessions", "correlation", "n", "p", "q"),
                    [
                        (
                            words(row["signal_id"]),
                            words(row["target_id"]),
                            _count(row["best_lag"]),
                            "" if row["correlation"] is None else f"{row['correlation']:+.3f}",
                            _count(row["n"]),
                            _probability(row["p_value"], 3),
                            _probability(row["q_value"], 2),
                        )
                        for row in best
                    ],
                    "There are too few common days to compare.",
                    "Daily moves; p: how often the best of as many lags of displaced series is as good; q: p after "
                    "paying for all pairs. Source: marts.lead_lag_best.",
                ),
            )
        ],
    )


def _money(reader: duckdb.DuckDBPyConnection) -> Section:
    rows = queries.liquidity(reader)
    return Section(
        "money",
        "Liquidity and altseason",
        "The two ends of the chain: how many dollars look for a home, and how many altcoins beat Bitcoin.",
        [
            market_charts.net_liquidity(rows),
            market_charts.liquidity_change(rows),
            market_charts.altseason(queries.altseason(reader)),
        ],
    )


def _quality(reader: duckdb.DuckDBPyConnection, run: Row) -> Section:
    checks = queries.checks(reader, run["run_id"])
    failed = [row for row in checks if not row["passed"]]
    fresh = queries.freshness(reader)
    late = [row for row in fresh if row["status"] != "fresh"]
    gaps = queries.gaps(reader)
    refused = queries.quarantine(reader)
    return Section(
        "quality",
        "Can the data be trusted?",
        f"{len(checks) - len(failed)} of {len(checks)} checks passed. {len(late)} of {len(fresh)} instruments and "
        f"series are not fresh. {sum(row['refused'] for row in refused):,} rows were refused, and "
        f"{sum(row['sessions'] for row in gaps):,} sessions are missing inside histories.",
        [market_charts.freshness(fresh)],
        [
            (
                "What was delivered",
                Table(
                    ("class", "symbols", "rows", "refused", "failed", "which"),
                    [
                        (
                            row["asset_class"],
                            _count(row["symbols"]),
                            _count(row["delivered"]),
                            _count(row["refused"]),
                            _count(row["failed"]),
                            row["failures"] or "",
                        )
                        for row in queries.deliveries(reader)
                    ],
                    "The last run was delivered nothing.",
                    "Source: meta.deliveries.",
                    wide=("which",),
                ),
            ),
            (
                "Checks that did not pass",
                Table(
                    ("severity", "table", "check", "failed", "of", "detail"),
                    [
                        (
                            row["severity"],
                            row["table_name"],
                            words(row["check_name"]),
                            _count(row["rows_failed"]),
                            _count(row["rows_checked"]),
                            _short(row["detail"] or ""),
                        )
                        for row in failed
                    ],
                    f"All {len(checks)} checks passed." if checks else "The run entered no checks.",
                    "Source: meta.checks.",
                    wide=("detail",),
                ),
            ),
        ],
        [
            (
                f"Not fresh: {len(late)}",
                Table(
                    ("status", "id", "class", "last value", "expected", "age"),
                    [
                        (
                            row["status"],
                            row["id"],
                            row["asset_class"],
                            row["last_session"] or "",
                            row["expected_session"] or "",
                            _count(row["age_sessions"]),
                        )
                        for row in late[:LISTED]
                    ],
                    "Everything is fresh.",
                    f"age: sessions (series: releases) that are missing; the {LISTED} oldest. Source: meta.freshness.",
                    "status",
                ),
            ),
            (
                f"Sessions that are missing: {sum(row['sessions'] for row in gaps):,}",
                Table(
                    ("id", "sessions", "longest", "first", "last"),
                    [
                        (
                            row["instrument_id"],
                            _count(row["sessions"]),
                            _count(row["longest"]),
                            row["first_day"],
                            row["last_day"],
                        )
                        for row in gaps[:LISTED]
                    ],
                    "No session is missing inside a history.",
                    "longest: missing sessions in a row. Source: meta.gaps.",
                ),
            ),
            (
                f"Rows that were refused: {sum(row['refused'] for row in refused):,}",
                Table(
                    ("id", "table", "rows", "first", "last", "reason"),
                    [
                        (
                            row["id"] or "",
                            row["table_name"],
                            _count(row["refused"]),
                            row["first_day"] or "",
                            row["last_day"] or "",
                            row["reason"],
                        )
                        for row in refused[:LISTED]
                    ],
                    "No row was refused.",
                    "Source: meta.quarantine.",
                    wide=("reason",),
                ),
            ),
        ],
    )


def _parts(text: str | None, mark: str = " | ") -> list[str]:
    """The parts of a cell, each on a line of its own."""
    return text.replace(" %", NARROW + "%").split(mark) if text else []


def _short(text: str) -> str:
    return text if len(text) <= DETAIL else text[: DETAIL - 2].rstrip() + " …"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _probability(value: float | None, digits: int) -> str:
    return "" if value is None else at_least(value, digits)
