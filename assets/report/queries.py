"""What the report reads from the published file: one function per question, rows as dictionaries.

Here: which query of sql/report is run with which values. The queries read tables that readers have as well, and keep as
many rows as a chart can show. They return numbers of these tables; only the spread of returns from every day, which the
fan charts compare events with, is computed. Not here: drawing and wording.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import duckdb

from assets.contracts.queries import query

# A day is text like 2026-08-21, an instant is text to the minute in UTC; numbers are as in the data dictionary.
Row = dict[str, Any]

# Series are daily for this long before their end, and weekly before that.
RECENT_YEARS = 2

# The rotation graph leaves out pairs without a value in this many weeks.
STALE_WEEKS = 5

# Share of the returns from every day that lies below the band of the fan charts, and above it.
BAND_TAIL = 0.1


class NothingPublished(LookupError):
    """The file holds no published run, or one of another version of Cascade."""


def run(reader: duckdb.DuckDBPyConnection) -> Row:
    """The run that published the file. Raises NothingPublished if the file holds none."""
    found = _rows(reader, "run")
    if not found:
        raise NothingPublished("the file holds no published run")
    return found[0]


def parameters(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """The numbers of the definitions that the tables were made with."""
    return _rows(reader, "parameters")


def cascade_now(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each stage on the last session: score, on or off and since when, and the last session with a known score."""
    return _rows(reader, "cascade_now")


def cascade_ingredients(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Why each stage is on or off on the last session."""
    return _rows(reader, "cascade_ingredients")


def cascade_order(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """How often each stage was followed by the next, and how often chance would do that."""
    return _rows(reader, "cascade_order")


def cascade_spans(reader: duckdb.DuckDBPyConnection, years: int) -> list[Row]:
    """The spans of the last years in which each stage was on, off or unknown."""
    return _rows(reader, "cascade_spans", years=years)


def claims(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Every claim with its verdict."""
    return _rows(reader, "claims")


def prices(reader: duckdb.DuckDBPyConnection, subject: str) -> list[Row]:
    """Prices of an instrument, or ratios of a pair: daily for RECENT_YEARS, weekly before."""
    return _rows(reader, "prices", subject=subject, daily_days=365 * RECENT_YEARS)


def breakouts(reader: duckdb.DuckDBPyConnection, subject: str) -> list[Row]:
    """Breakouts of an instrument or pair, newest first, with the days on which each state was decided."""
    return _rows(reader, "breakouts", subject=subject)


def breakout_states(reader: duckdb.DuckDBPyConnection, subjects: list[str], events: int) -> list[Row]:
    """The states of the newest breakouts.

    Args:
        reader: The published file.
        subjects: Instruments and pairs whose breakouts count.
        events: How many breakouts, over all subjects.

    Returns:
        One row per breakout and state, newest breakouts first.
    """
    return _rows(reader, "breakout_states", subjects=subjects, events=events)


def rotation_tails(reader: duckdb.DuckDBPyConnection, pairs: list[str], weeks: int) -> list[Row]:
    """The last weeks of pairs on the relative rotation graph.

    Args:
        reader: The published file.
        pairs: The pairs. One without a value in the last STALE_WEEKS weeks is left out.
        weeks: How many weeks of each pair.

    Returns:
        One row per pair and week, oldest weeks first.
    """
    return _rows(reader, "rotation_tails", pairs=pairs, weeks=weeks, stale_days=7 * STALE_WEEKS)


def responses(reader: duckdb.DuckDBPyConnection, subject: str, kind: str, target: str) -> list[Row]:
    """What a target did after each breakout, in complete windows that do not begin on reconstructed prices.

    Args:
        reader: The published file.
        subject: The instrument or pair that broke out.
        kind: all_time_high or year_high.
        target: What was bought.

    Returns:
        One row per breakout and horizon, oldest breakouts first; returns as fractions.
    """
    return _rows(reader, "responses", event_prefix=f"{subject}:{kind}:", target=target)


def baseline_returns(reader: duckdb.DuckDBPyConnection, target: str) -> list[Row]:
    """Returns of a target from every day, by horizon: the median, and the ends of the band without both BAND_TAILs."""
    return _rows(reader, "baseline_returns", target=target, tail=BAND_TAIL)


def rotation_table(reader: duckdb.DuckDBPyConnection, target: str) -> list[Row]:
    """The rotation table of a target: every signal at every horizon."""
    return _rows(reader, "rotation_table", target=target)


def lead_lag(reader: duckdb.DuckDBPyConnection, target: str) -> list[Row]:
    """Correlations of the daily moves of each signal and of a target, by lag; instruments come before series."""
    return _rows(reader, "lead_lag", target=target)


def best_leads(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """The lead with the highest score of each signal and target, in both directions, for daily moves."""
    return _rows(reader, "best_leads")


def liquidity(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Net liquidity and its changes: daily for RECENT_YEARS, weekly before."""
    return _rows(reader, "liquidity", daily_days=365 * RECENT_YEARS)


def altseason(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """The altseason index on the last day of each week and on the last known day; null while it is unknown."""
    return _rows(reader, "altseason")


def pullbacks(reader: duckdb.DuckDBPyConnection, instruments: list[str]) -> list[Row]:
    """Pullbacks of some instruments, newest first, with the last session of each instrument."""
    return _rows(reader, "pullbacks", instruments=instruments)


def checks(reader: duckdb.DuckDBPyConnection, run_id: str) -> list[Row]:
    """The checks of a run, failed ones first."""
    return _rows(reader, "checks", run_id=run_id)


def freshness(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """How fresh every instrument and series is, stale and oldest ones first."""
    return _rows(reader, "freshness")


def gaps(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Sessions that are missing inside a history, by instrument."""
    return _rows(reader, "gaps")


def quarantine(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """Rejected rows by table, instrument or series, and reason."""
    return _rows(reader, "quarantine")


def deliveries(reader: duckdb.DuckDBPyConnection) -> list[Row]:
    """What the source delivered, by asset class."""
    return _rows(reader, "deliveries")


def _rows(reader: duckdb.DuckDBPyConnection, name: str, **values: object) -> list[Row]:
    """The rows of a query of sql/report, run with the values that it names."""
    result = reader.execute(query(f"report/{name}"), values or None)
    columns = [column[0] for column in result.description or []]
    return [{column: _plain(value) for column, value in zip(columns, row, strict=True)} for row in result.fetchall()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    return value
