"""What `run`, `status` and `claims` print.

Here: reading the published file, and wording what it says. The SQL is in sql/report. Not here: how a table is drawn
(console), and arguments and exit codes (main, read).
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from assets.config.universe import SIGNAL_KINDS
from assets.contracts.queries import query
from assets.sources.base import is_synthetic
from assets.warehouse.home import Home
from pipelines.cli.console import Console
from pipelines.cli.options import command_line

SYNTHETIC = "SYNTHETIC DATA: no market made these numbers. Do not trade or publish on them."
VERDICTS = ("supported", "contradicted", "insufficient_evidence", "not_testable")
# Shorter words for the table of claims, which has to fit a narrow terminal.
SHORT_VERDICTS = {
    "supported": "supported",
    "contradicted": "contradicted",
    "insufficient_evidence": "insufficient",
    "not_testable": "not testable",
}
# How many symbols, reasons or breakouts are listed before "and ... more".
NAMED = 10

# The subjects whose breakouts are listed first: small caps, and the coins that are said to follow them.
WATCHED = ["RUT", "IWM", "SPX", "NDX", "RUT/SPX", "BTC", "ETH", "ETH/BTC"]
LATEST_BREAKOUTS = 8
LATEST = "Latest breakouts; margin = close above the old high, base = sessions since it"
# A p-value that rounds to zero is not zero.
SMALLEST_SHOWN_P = 0.001


@dataclass(frozen=True)
class PublishedRun:
    """The run that published a file, a row of meta.runs."""

    run_id: str
    source: str
    as_of: date
    rows_new: int
    rows_restated: int
    seconds: float
    finished_at: Any
    code_version: str


def show_run(
    console: Console,
    reader: duckdb.DuckDBPyConnection,
    run_id: str,
    home: Home,
    as_of: date | None,
    *,
    has_exports: bool,
) -> bool:
    """Print the end of a run: what was stored, what failed, what the data show, and commands that show more.

    Args:
        console: Where to print.
        reader: The published file.
        run_id: The run that has published it. Another one may have published since.
        home: The home of the file.
        as_of: The past day that the run was for; None for the newest state.
        has_exports: Whether the run wrote the report and the Parquet files; if not, those of an older run may be there.

    Returns:
        Whether symbols failed or are stale.
    """
    run = _published_run(reader, run_id)
    path = home.published(as_of)
    _banner(console, run.source)
    console.line(f"Published as of {run.as_of} in {run.seconds:.1f} s: {path}", style="bold")
    if as_of is None and has_exports:
        console.line(f"Report: {home.report(None)}")
    _show_ingested(console, reader)
    if as_of is None:
        console.line(
            f"Stored: {run.rows_new:,} new rows, {run.rows_restated:,} restated rows. "
            "Running again on the same input adds none."
        )
    else:
        console.line("Historical view; stored data unchanged.")
    _show_checks(console, reader, run.run_id)
    has_troubles = _show_troubles(console, reader)
    _show_breakouts(console, _breakouts(reader, "is_latest"), LATEST)
    _show_rotation(console, reader)
    _show_next_steps(console, home, run.source, as_of)
    if as_of is None and has_exports:
        console.line(f"Parquet files: {home.parquet}")
    return has_troubles


def status(reader: duckdb.DuckDBPyConnection, path: Path) -> dict[str, Any]:
    """The state of a published file as one object: freshness, failures, stages, breakouts and the latest forecasts."""
    run = _published_run(reader)
    return {
        "path": str(path),
        "source": run.source,
        "is_synthetic": is_synthetic(run.source),
        "as_of": run.as_of,
        "published_at": run.finished_at,
        "code_version": run.code_version,
        "freshness": _objects(reader, query("report/status_freshness")),
        "failed": _failed(reader),
        "stale": _stale(reader),
        "failed_checks": _failed_checks(reader, run.run_id),
        "stages": _objects(reader, query("report/status_stages")),
        "open_breakouts": _breakouts(reader, "is_open"),
        "latest_breakouts": _breakouts(reader, "is_latest"),
        "forecasts": _objects(reader, query("report/status_forecasts")),
    }


def show_status(console: Console, reader: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Print `status` for a person, on a terminal of eighty columns.

    Args:
        console: Where to print.
        reader: The published file.
        path: Its path, which is printed.
    """
    now = status(reader, path)
    parameters = _parameters(reader)
    _banner(console, now["source"])
    console.line(now["path"], style="bold")
    published_at = f"{now['published_at']:%Y-%m-%d %H:%M} UTC"
    console.line(f"As of {now['as_of']}, published {published_at} by Cascade {now['code_version']}.", wraps=True)
    _show_ingested(console, reader)
    _show_troubles(console, reader)
    for line in _check_lines(now["failed_checks"]):
        console.line(line, wraps=True)
    _show_stages(console, now["stages"], parameters)
    _show_open_breakouts(console, now["open_breakouts"], parameters)
    _show_breakouts(console, now["latest_breakouts"], LATEST)
    _show_forecasts(console, now["forecasts"], parameters)


def claims(reader: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The claims with their verdicts, one object per claim."""
    source = _published_run(reader).source
    facts = {"source": source, "is_synthetic": is_synthetic(source)}
    return [{**row, **facts} for row in _objects(reader, "from marts.claims order by claim_id")]


def show_claims(console: Console, reader: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Print each claim with its verdict, what was measured, and what the claim expects.

    Args:
        console: Where to print.
        reader: The published file.
        path: Its path, which is printed.
    """
    run = _published_run(reader)
    rows = claims(reader)
    _banner(console, run.source)
    if is_synthetic(run.source):
        console.line("The verdicts are about the synthetic market and say nothing about the article.", style="yellow")
    scored_on = rows[0]["scored_on"]
    console.line(f"As of {run.as_of}; facts of a single day as of {scored_on}, the close before the article: {path}")
    console.table(
        ["", "verdict", "claim", "measured (claimed)", "n", "p"],
        [
            (
                row["claim_id"],
                SHORT_VERDICTS[row["verdict"]],
                row["claim"],
                _evidence(row),
                row["n"],
                _p_value(row["p_value"]),
            )
            for row in rows
        ],
        title="Claims; n = smallest sample, p = largest p-value among the claim's parts",
    )
    counts = Counter(row["verdict"] for row in rows)
    console.line("; ".join(f"{verdict.replace('_', ' ')} {counts[verdict]}" for verdict in VERDICTS))


def _evidence(row: dict[str, Any]) -> str:
    """What was measured and, in brackets, what the claim expects, one part a line; if nothing was measured, why."""
    if row["measured"] is None:
        return str(row["reason"]).replace(" | ", "\n")
    lines = str(row["measured"]).split(" | ")
    if row["expected"] is not None:
        # Both name the part before a colon; naming it once is enough.
        expected = [part.rpartition(": ")[2] for part in str(row["expected"]).split(" | ")]
        lines = [f"{line} ({claimed})" for line, claimed in zip(lines, expected, strict=True)]
    if row["verdict_then"] not in (None, row["verdict"]):
        lines.append(f"at the article's close: {SHORT_VERDICTS[row['verdict_then']]}")
    if row["specification_share"] is not None:
        lines.append(f"robustness: {100 * row['specification_share']:.0f} % of specifications agree")
    return "\n".join(lines)


def _p_value(value: float | None) -> str | None:
    if value is None:
        return None
    return f"<{SMALLEST_SHOWN_P}" if value < SMALLEST_SHOWN_P else f"{value:.3f}"


# --- what the published file says ---------------------------------------------------------------------------------


def _published_run(reader: duckdb.DuckDBPyConnection, run_id: str | None = None) -> PublishedRun:
    """The newest run that published, or the one with that id. Raises LookupError if there is no such run."""
    row = reader.execute(query("report/run_published"), {"run_id": run_id}).fetchone()
    if row is None:
        raise LookupError("meta.runs has no run that published it")
    return PublishedRun(*row)


def _parameters(reader: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """The numbers of the definitions, with which the file was built."""
    return dict(reader.execute("select name, value from meta.parameters").fetchall())


def _failed(reader: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    return _objects(reader, "select id, failure from meta.deliveries where failure is not null order by id")


def _stale(reader: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    return _objects(
        reader,
        "select id, last_session, expected_session from meta.freshness where status = 'stale' "
        "order by last_session, id",
    )


def _failed_checks(reader: duckdb.DuckDBPyConnection, run_id: str) -> list[dict[str, Any]]:
    return _objects(
        reader,
        "select table_name, check_name, severity, rows_failed, detail from meta.checks "
        "where run_id = $run_id and not passed order by severity, table_name, check_name",
        run_id=run_id,
    )


def _breakouts(reader: duckdb.DuckDBPyConnection, which: str) -> list[dict[str, Any]]:
    """The breakouts for which a column of the query is true, is_open or is_latest."""
    rows = _objects(reader, query("report/status_breakouts"), watched=WATCHED, number=LATEST_BREAKOUTS)
    return [row for row in rows if row[which]]


def _objects(reader: duckdb.DuckDBPyConnection, sql: str, **values: object) -> list[dict[str, Any]]:
    result = reader.execute(sql, values)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


# --- how it is printed --------------------------------------------------------------------------------------------


def _banner(console: Console, source: str) -> None:
    if is_synthetic(source):
        console.line(SYNTHETIC, style="bold yellow")


def _show_ingested(console: Console, reader: duckdb.DuckDBPyConnection) -> None:
    console.table(
        ["class", "symbols", "failed", "rejected", "first", "last", "stale"],
        reader.execute(query("report/status_ingested")).fetchall(),
        title="Ingested",
    )


def _show_checks(console: Console, reader: duckdb.DuckDBPyConnection, run_id: str) -> None:
    ((checks,),) = reader.execute("select count(*) from meta.checks where run_id = ?", [run_id]).fetchall()
    failed = _failed_checks(reader, run_id)
    console.line(f"Checks: {checks - len(failed)} of {checks} passed.")
    for line in _check_lines(failed):
        console.line(f"  {line}")


def symbol_checks() -> set[str]:
    """The checks that name failed or stale symbols, which are listed anyway."""
    # Imported only if a check failed: it takes longer than printing the status.
    from assets.ingest.delivery_checks import EVERY_SYMBOL_DELIVERED
    from assets.models.checks import FRESHNESS_CHECKS
    from assets.steps import EVERYTHING_IS_FRESH

    return {EVERY_SYMBOL_DELIVERED.name, EVERYTHING_IS_FRESH.name, *FRESHNESS_CHECKS.values()}


def _check_lines(failed: list[dict[str, Any]]) -> list[str]:
    listed_anyway = symbol_checks() if failed else set()
    return [
        f"{check['table_name']} {check['check_name']}: {check['detail'] or 'failed'}"
        for check in failed
        if check["check_name"] not in listed_anyway
    ]


def _show_troubles(console: Console, reader: duckdb.DuckDBPyConnection) -> bool:
    """List the failed and stale symbols, those with the same reason in one line. Returns whether there are any."""
    failed = [(row["failure"], row["id"]) for row in _failed(reader)]
    stale = [(f"last session {row['last_session']}", row["id"]) for row in _stale(reader)]
    for title, found in (("Failed", failed), ("Stale", stale)):
        by_reason: dict[str, list[str]] = {}
        for reason, id_ in found:
            by_reason.setdefault(reason, []).append(id_)
        for reason, ids in list(by_reason.items())[:NAMED]:
            number = f"{len(ids)} symbols, " if len(ids) > 1 else ""
            console.line(f"{title}: {number}{_listed(ids)} ({reason})", wraps=True)
        if others := [id_ for ids in list(by_reason.values())[NAMED:] for id_ in ids]:
            console.line(f"{title}: {_listed(others)} (other reasons)", wraps=True)
    return bool(failed or stale)


def _listed(ids: Iterable[str]) -> str:
    """The first names of many, and how many more there are."""
    names = list(ids)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _show_stages(console: Console, stages: list[dict[str, Any]], parameters: dict[str, float]) -> None:
    console.table(
        ["", "stage", "state", "since", "score", "scored on"],
        [
            (
                stage["stage"],
                stage["stage_name"],
                {True: "on", False: "off", None: None}[stage["is_on"]],
                stage["since"],
                None if stage["score"] is None else f"{stage['score']:.2f}",
                stage["scored_on"],
            )
            for stage in stages
        ],
        title=f"Stages, safest first; on at a score of {parameters['stage_on']:.2f} or more, "
        f"off at {parameters['stage_off']:.2f} or less",
    )


def _show_open_breakouts(console: Console, rows: list[dict[str, Any]], parameters: dict[str, float]) -> None:
    sessions = f"{parameters['life_cycle']:.0f} sessions"
    if not rows:
        console.line(f"No open breakouts: {sessions} have passed since each.")
        return
    more = f"; {len(rows) - NAMED} more with --json" if len(rows) > NAMED else ""
    _show_breakouts(console, rows[:NAMED], f"Open breakouts: fewer than {sessions} old{more}")


def _show_breakouts(console: Console, rows: list[dict[str, Any]], title: str) -> None:
    console.table(
        ["breakout", "symbol", "session", "margin", "base", "state", "since"],
        [
            (
                row["kind"],
                row["subject_id"],
                row["session_date"],
                _percent(row["margin"]),
                row["base_sessions"],
                row["state"],
                row["state_since"],
            )
            for row in rows
        ],
        title=title,
    )


def _show_rotation(console: Console, reader: duckdb.DuckDBPyConnection) -> None:
    console.table(
        ["days", "target", "episodes", "mean", "median", "hit rate", "baseline", "evidence"],
        [
            (
                row["horizon_days"],
                row["target_id"],
                row["n_episodes"],
                _percent(row["mean_return"]),
                _percent(row["median_return"]),
                None if row["hit_rate"] is None else f"{100 * row['hit_rate']:.0f} %",
                _percent(row["baseline_mean"]),
                row["evidence"],
            )
            for row in _objects(reader, query("report/run_rotation"))
        ],
        title="Returns after an all-time high of the Russell 2000, before costs; baseline = mean from any day",
    )


def _show_forecasts(console: Console, rows: list[dict[str, Any]], parameters: dict[str, float]) -> None:
    if not rows:
        return
    subject, kind, day = rows[0]["event_id"].split(":")
    event = f"{subject} {SIGNAL_KINDS[kind]} {day}"
    backtest = "backtest, " if rows[0]["is_backtest"] else ""
    share = 100 * (1 - 2 * parameters["forecast_tail"])
    console.table(
        ["days", "target", "cases", "median", "range", "evidence", "realised"],
        [
            (
                row["horizon_days"],
                row["target_id"],
                row["n_events"],
                _percent(row["median"]),
                None if row["low"] is None else f"{100 * row['low']:+.1f} to {_percent(row['high'])}",
                row["evidence"],
                _percent(row["realised"]),
            )
            for row in rows
        ],
        title=f"Forecast for {event} ({backtest}frozen {rows[0]['frozen_at']:%Y-%m-%d}); range = {share:.0f} %.",
    )


def _show_next_steps(console: Console, home: Home, source: str, as_of: date | None) -> None:
    """Commands that show more, each of which works as it stands."""
    breakouts = "query \"from marts.breakouts where status = 'holding' limit 5\""
    console.line("Explore the results:")
    for command in ("status", "claims", breakouts):
        console.line(f"  {command_line(command, home, source, as_of)}")
    console.line(f"  duckdb -readonly {shlex.quote(str(home.published(as_of)))}")


def _percent(fraction: float | None) -> str | None:
    return None if fraction is None else f"{100 * fraction:+.1f} %"
