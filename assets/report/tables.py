"""The tables of the page: rows of the published file in, cells as text out.

Here: columns, cells and notes of each table. Not here: which table stands where (sections.py), how it looks
(page.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assets.config.universe import SIGNAL_KINDS
from assets.report.chart import at_least, percent, words
from assets.report.definitions import Definitions
from assets.report.queries import Row

# Longer lists are cut after this many rows, longer details after this many letters.
LISTED = 60
DETAIL = 220

# A space at which no line ends.
NARROW = "\u00a0"


@dataclass(frozen=True)
class Table:
    """A table on the page: a title per column, cells as text, and a sentence that replaces a table without rows.

    A cell is a text or a list of lines. `marked` is the column whose text also sets its colour. The columns in `wide`
    get a line of their own on a phone.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str
    note: str = ""
    marked: str = ""
    wide: Sequence[str] = ()


def claims(rows: Sequence[Row]) -> Table:
    """Every claim with its verdict and what it rests on."""
    return Table(
        "The claims and their verdicts",
        ("verdict", "claim", "measured", "expected", "n", "p", "robustness", "reason"),
        [
            (
                words(row["verdict"]),
                f"{row['claim_id']}. {row['claim']}",
                _lines(row["measured"]),
                _lines(row["expected"]),
                _count(row["n"]),
                _probability(row["p_value"], 3),
                _share(row["specification_share"]),
                _lines(row["reason"]),
            )
            for row in rows
        ],
        "No claim was tested.",
        "n = smallest sample, p = largest p-value among the claim's parts. robustness = share of the other reasonable "
        "definitions that agree with the claim. Source: marts.claims.",
        "verdict",
        ("claim", "measured", "expected", "reason"),
    )


def breakouts(events: Sequence[Row], definitions: Definitions) -> Table:
    """Breakouts with what was known at their close and what followed."""
    return Table(
        "The last breakouts",
        (
            "state",
            "breakout",
            "day",
            "above level",
            "volume",
            "breadth",
            "closes below",
            "deepest fall",
            "history",
        ),
        [
            (
                event["status"],
                f"{event['subject_id']} {SIGNAL_KINDS[event['kind']]}"
                + (" (left censored)" if event["is_left_censored"] else ""),
                event["session_date"],
                percent(event["margin"], 1),
                "" if event["relative_volume"] is None else f"{event['relative_volume']:.2f} ×",
                _share(event["breadth_sma200"]),
                _count(event["closes_below_20"]),
                "" if event["max_drawdown_63"] is None else percent(event["max_drawdown_63"], 1),
                _lines(event["history"], ", "),
            )
            for event in events
        ],
        "There was no breakout of the Russell 2000, alone or against the S&P 500.",
        definitions.fill(
            "above level = distance of the close from the level. volume = multiple of the median volume of the "
            "$relative_volume_sessions before. breadth = share of small caps above their mean of $long_mean. closes "
            "below = closes under the level in the next $life_cycle. deepest fall = from the highest close so far, "
            "within $outcome_window. Empty: not known, or not known yet. Source: marts.breakouts, "
            "marts.breakout_states."
        ),
        "state",
        ("history",),
    )


def best_leads(rows: Sequence[Row]) -> Table:
    """The best lead of each signal and target."""
    return Table(
        "The best lead of every pair",
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
            for row in rows
        ],
        "There are too few common days to compare.",
        "Daily moves. p = how often the best of as many lags is as good if the series are shifted against each other. "
        "q = p corrected for all rows of the table. Source: marts.lead_lag_best.",
    )


def deliveries(rows: Sequence[Row]) -> Table:
    """What the source delivered, by asset class."""
    return Table(
        "Deliveries",
        ("class", "symbols", "rows", "rejected", "failed", "failures"),
        [
            (
                row["asset_class"],
                _count(row["symbols"]),
                _count(row["delivered"]),
                _count(row["rejected"]),
                _count(row["failed"]),
                row["failures"] or "",
            )
            for row in rows
        ],
        "The last run received no data.",
        "Source: meta.deliveries.",
        wide=("failures",),
    )


def failed_checks(checks: Sequence[Row]) -> Table:
    """The checks of a run that failed."""
    return Table(
        "Failed checks",
        ("severity", "table", "check", "rows failed", "rows checked", "detail"),
        [
            (
                row["severity"],
                row["table_name"],
                words(row["check_name"]),
                _count(row["rows_failed"]),
                _count(row["rows_checked"]),
                _short(row["detail"] or ""),
            )
            for row in checks
            if not row["passed"]
        ],
        f"All {len(checks)} checks passed." if checks else "The run recorded no checks.",
        "Source: meta.checks.",
        wide=("detail",),
    )


def stale(rows: Sequence[Row]) -> Table:
    """Instruments and series that are not fresh."""
    return Table(
        f"Not fresh: {len(rows)}",
        ("status", "symbol", "class", "last value", "expected", "age"),
        [
            (
                row["status"],
                row["id"],
                row["asset_class"],
                row["last_session"] or "",
                row["expected_session"] or "",
                _count(row["age_sessions"]),
            )
            for row in rows[:LISTED]
        ],
        "Everything is fresh.",
        f"age = missing sessions, or releases of a series. At most {LISTED} are listed. Source: meta.freshness.",
        "status",
    )


def gaps(rows: Sequence[Row]) -> Table:
    """Instruments with missing sessions."""
    return Table(
        f"Missing sessions: {sum(row['sessions'] for row in rows):,}",
        ("symbol", "sessions", "longest", "first", "last"),
        [
            (
                row["instrument_id"],
                _count(row["sessions"]),
                _count(row["longest"]),
                row["first_day"],
                row["last_day"],
            )
            for row in rows[:LISTED]
        ],
        "No session is missing inside a history.",
        f"longest = missing sessions in a row. At most {LISTED} instruments are listed. Source: meta.gaps.",
    )


def rejected_rows(rows: Sequence[Row]) -> Table:
    """Rejected rows by table, instrument or series, and reason."""
    return Table(
        f"Rejected rows: {sum(row['rejected'] for row in rows):,}",
        ("symbol", "table", "rows", "first", "last", "reason"),
        [
            (
                row["id"] or "",
                row["table_name"],
                _count(row["rejected"]),
                row["first_day"] or "",
                row["last_day"] or "",
                row["reason"],
            )
            for row in rows[:LISTED]
        ],
        "No row was rejected.",
        f"At most {LISTED} groups are listed. Source: meta.quarantine.",
        wide=("reason",),
    )


def _lines(text: str | None, mark: str = " | ") -> list[str]:
    """The parts of a cell, each on a line of its own."""
    return text.replace(" %", NARROW + "%").split(mark) if text else []


def _short(text: str) -> str:
    return text if len(text) <= DETAIL else text[: DETAIL - 2].rstrip() + " …"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return "" if value is None else percent(value, sign=False)


def _probability(value: float | None, digits: int) -> str:
    return "" if value is None else at_least(value, digits)
