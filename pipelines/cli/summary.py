"""What a person reads after a run, and when they ask for the status. All of it comes from the published file."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from assets.sources.base import is_synthetic
from assets.warehouse.home import Home
from pipelines.cli.console import Console

SYNTHETIC = "SYNTHETIC DATA: no market made these numbers. Do not trade or publish on them."
VERDICTS = ("supported", "contradicted", "insufficient_evidence", "not_testable")
# As the ledger's table shows them, which has to fit a narrow terminal.
SHORT_VERDICTS = {
    "supported": "supported",
    "contradicted": "contradicted",
    "insufficient_evidence": "insufficient",
    "not_testable": "not testable",
}
# How many failed or stale symbols are named one by one.
NAMED = 10


# Whose breakouts are shown first: what the question is about, small caps and the coins said to follow them.
WATCHED = ["RUT", "IWM", "SPX", "NDX", "RUT/SPX", "BTC", "ETH", "ETH/BTC"]
LATEST = "Latest breakouts; above: over the level; base: sessions since the level"

_FRESHNESS = """
select
    asset_class,
    count(*) as symbols,
    count(*) filter (status = 'fresh') as fresh,
    count(*) filter (status = 'stale') as stale,
    count(*) filter (status = 'ended') as ended,
    max(last_session) as last_session,
    max(expected_session) as expected_session,
from meta.freshness
group by asset_class
order by asset_class
"""

# The last score that is known may be older than the session: what it is made of may be stale.
_STAGES = """
select
    stage,
    any_value(stage_name) as stage_name,
    max_by(is_on, session_date) as is_on,
    max_by(state_since, session_date) as since,
    max_by(score, session_date) as score,
    max(session_date) filter (score is not null) as scored_on,
    max(session_date) as session_date,
from marts.cascade
group by stage
order by stage
"""

_BREAKOUTS = """
select
    event_id,
    subject_id,
    kind,
    session_date,
    margin,
    base_sessions,
    is_left_censored,
    decided_at,
    status as state,
    coalesce(
        (
            select max(states.session_date)
            from marts.breakout_states as states
            where states.event_id = breakouts.event_id and states.state = breakouts.status
        ),
        session_date
    ) as state_since,
from marts.breakouts as breakouts
"""

# What was said of crypto when small caps broke out last, if they ever did.
_FORECASTS = """
with latest as (
    select event_id
    from marts.forecasts
    where trigger = 'decided' and split_part(signal_id, ':', 1) in ('RUT', 'IWM', 'RUT/SPX')
    order by trigger_at desc, event_id desc
    limit 1
)
select
    event_id,
    trigger_at,
    frozen_at,
    is_backtest,
    code_version,
    target_id,
    horizon_days,
    n_events,
    n_episodes,
    median,
    low,
    high,
    evidence,
    realised,
    percentile,
    inside,
from marts.forecasts as forecasts
semi join latest on latest.event_id = forecasts.event_id
where trigger = 'decided' and target_id in ('BTC', 'ETH', 'ALTS') and horizon_days in (30, 60, 90)
order by list_position(['BTC', 'ETH', 'ALTS'], target_id), horizon_days
"""


def show_run(
    console: Console,
    reader: duckdb.DuckDBPyConnection,
    run_id: str,
    home: Home,
    as_of: date | None,
    source: str,
    *,
    has_all: bool,
) -> bool:
    """The end of a run: what came in, what was checked, what it says. Returns whether symbols failed or are stale.

    Without `has_all` the report and the mirror may be an older run's, or not there, and are not shown.
    """
    day, new, restated, seconds = _one(
        reader,
        "select as_of, rows_new, rows_restated, epoch(finished_at - started_at) from meta.runs where run_id = ?",
        run_id,
    )
    _banner(console, source)
    path = home.published(as_of)
    console.line(f"Published as of {day} in {seconds:.1f} s: {path}", style="bold")
    if as_of is None and has_all:
        console.line(f"Report: {home.report(None)}")
    _ingested(console, reader)
    if as_of is None:
        console.line(f"Stored: {new:,} new rows, {restated:,} restated rows. The same input again adds none.")
    else:
        console.line("A look at the past: nothing that is stored was changed.")
    checks, failed = _one(
        reader,
        "select count(*), count(*) filter (where not passed) from meta.checks where run_id = ?",
        run_id,
    )
    console.line(f"Checks: {checks - failed} of {checks} passed.")
    for table, name, detail in reader.execute(
        "select table_name, check_name, coalesce(detail, '') from meta.checks where run_id = ? and not passed "
        "and check_name not in ('everything_is_fresh', 'every_symbol_delivered') order by all",
        [run_id],
    ).fetchall():
        console.line(f"  {table} {name}: {detail}")
    has_troubles = _troubles(console, reader)
    _breakouts(console, _latest_breakouts(reader), LATEST)
    _rotation(console, reader)
    console.line("Ask it anything:")
    console.line(
        f"  .venv/bin/cascade query --source {source} \"from marts.breakouts where status = 'holding' limit 5\""
    )
    console.line(f"  duckdb -readonly {path}")
    if as_of is None and has_all:
        console.line(f"Parquet files for other readers: {home.parquet}")
    return has_troubles


def status(reader: duckdb.DuckDBPyConnection, path: Path) -> dict[str, Any]:
    """What a user asks first, as one object: freshness, failures, stages, breakouts, and what was said of the last."""
    source, as_of, finished_at, code_version, run_id = _published(reader)
    return {
        "path": str(path),
        "source": source,
        "is_synthetic": is_synthetic(source),
        "as_of": as_of,
        "published_at": finished_at,
        "code_version": code_version,
        "freshness": _objects(reader, _FRESHNESS),
        "failed": _objects(reader, "select id, failure from meta.deliveries where failure is not null order by id"),
        "stale": _objects(
            reader,
            "select id, last_session, expected_session from meta.freshness where status = 'stale' "
            "order by last_session, id",
        ),
        "failed_checks": _objects(
            reader,
            "select table_name, check_name, severity, rows_failed, detail from meta.checks "
            "where run_id = ? and not passed order by severity, table_name, check_name",
            run_id,
        ),
        "stages": _objects(reader, _STAGES),
        "open_breakouts": _objects(
            reader,
            f"{_BREAKOUTS} where outcome_20_at is null order by list_contains(?, subject_id) desc, session_date desc, "
            "subject_id, kind",
            WATCHED,
        ),
        "latest_breakouts": _latest_breakouts(reader),
        "forecasts": _objects(reader, _FORECASTS),
    }


def show_status(console: Console, reader: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The same for a person, on a terminal of eighty columns."""
    now = status(reader, path)
    _banner(console, now["source"])
    console.line(now["path"], style="bold")
    console.line(
        f"As of {now['as_of']}, published {now['published_at']:%Y-%m-%d %H:%M} UTC by Cascade {now['code_version']}.",
        wraps=True,
    )
    _ingested(console, reader)
    _troubles(console, reader)
    # Those on freshness and delivery name the symbols that were just named.
    for check in now["failed_checks"]:
        if not check["check_name"].endswith(("_is_fresh", "every_symbol_delivered")):
            console.line(f"{check['table_name']} {check['check_name']}: {check['detail']}", wraps=True)
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
            for stage in now["stages"]
        ],
        title="The chain, safest first; on from a score of 0.60, off from 0.40 down",
    )
    still_open = now["open_breakouts"]
    if still_open:
        more = f"; {len(still_open) - NAMED} more: cascade status --json" if len(still_open) > NAMED else ""
        _breakouts(console, still_open[:NAMED], f"Open breakouts: twenty sessions are not over yet{more}")
    else:
        console.line("No breakout is open: of each, twenty sessions are over.")
    _breakouts(console, now["latest_breakouts"], LATEST)
    if said := now["forecasts"]:
        first = said[0]
        late = "too late to act on" if first["is_backtest"] else "in time"
        console.table(
            ["days", "target", "cases", "median", "range", "evidence", "came"],
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
                for row in said
            ],
            title=f"Said of {first['event_id']}; frozen {first['frozen_at']:%Y-%m-%d}, {late}; "
            "range: four in five; came: what followed",
        )


def claims(reader: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The ledger of claims, one object per claim; `is_synthetic` where no real market is behind the verdicts."""
    source, *_ = _published(reader)
    return [
        {**row, "source": source, "is_synthetic": is_synthetic(source)}
        for row in _objects(reader, "from marts.claims order by claim_id")
    ]


def show_claims(console: Console, reader: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The ledger of claims: verdict, claim, what was measured against what should have been."""
    source, as_of, *_ = _published(reader)
    rows = claims(reader)
    _banner(console, source)
    if is_synthetic(source):
        console.line("The verdicts are on the synthetic market and say nothing of the article.", style="yellow")
    console.line(f"As of {as_of}; facts of a day as of {rows[0]['scored_on']}, the close before the article: {path}")
    console.table(
        ["", "verdict", "claim", "measured", "n", "p"],
        [
            (
                row["claim_id"],
                SHORT_VERDICTS[row["verdict"]],
                row["claim"],
                _evidence(row),
                row["n"],
                None if row["p_value"] is None else f"{row['p_value']:.3f}",
            )
            for row in rows
        ],
        title="Claims; (said): what the claim says; n: cases of the part with fewest; p: of the part with the largest",
    )
    counts = Counter(row["verdict"] for row in rows)
    console.line("; ".join(f"{verdict.replace('_', ' ')} {counts[verdict]}" for verdict in VERDICTS))


def _evidence(row: dict[str, Any]) -> str:
    """What was measured and what was said, part under part; where nothing was measured, why."""
    if row["measured"] is None:
        return str(row["reason"])
    lines = str(row["measured"]).split(" | ")
    if row["expected"] is not None:
        # With several parts each says its name where it is measured; there is no need to say it twice.
        said = [part.rpartition(": ")[2] for part in str(row["expected"]).split(" | ")]
        lines = [f"{line} ({said_of})" for line, said_of in zip(lines, said, strict=True)]
    if row["verdict_then"] not in (None, row["verdict"]):
        lines.append(f"at the article's close: {SHORT_VERDICTS[row['verdict_then']]}")
    if row["specification_share"] is not None:
        lines.append(f"{100 * row['specification_share']:.0f} % of the specifications agree")
    return "\n".join(lines)


def _published(reader: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    """Source, day, end, code version and id of the run that published the file."""
    return _one(
        reader,
        "select source, as_of, finished_at, code_version, run_id from meta.runs "
        "where status like 'published%' order by started_at desc limit 1",
    )


def _banner(console: Console, source: str) -> None:
    if is_synthetic(source):
        console.line(SYNTHETIC, style="bold yellow")


def _ingested(console: Console, reader: duckdb.DuckDBPyConnection) -> None:
    console.table(
        ["class", "symbols", "failed", "refused", "first", "last", "stale"],
        reader.execute(
            """
            with spans as (
                select
                    instruments.asset_class,
                    min(instruments.history_start) as first_day,
                    max(instruments.last_session) as last_day,
                from core.instruments as instruments
                group by instruments.asset_class
                union all
                select 'macro', min(observation_date), max(observation_date) from core.macro
            ),
            stale as (
                select asset_class, count(*) as stale
                from meta.freshness
                where status = 'stale'
                group by asset_class
            )
            select
                deliveries.asset_class,
                count(*),
                count(deliveries.failure),
                sum(deliveries.rows_quarantined)::bigint,
                any_value(spans.first_day),
                any_value(spans.last_day),
                coalesce(any_value(stale.stale), 0),
            from meta.deliveries as deliveries
            left join spans on spans.asset_class = deliveries.asset_class
            left join stale on stale.asset_class = deliveries.asset_class
            group by deliveries.asset_class
            order by deliveries.asset_class
            """
        ).fetchall(),
        title="Ingested",
    )


def _troubles(console: Console, reader: duckdb.DuckDBPyConnection) -> bool:
    failures = reader.execute(
        "select id || ' (' || failure || ')' from meta.deliveries where failure is not null order by id"
    ).fetchall()
    stale = reader.execute(
        "select id || ' (' || last_session || ')' from meta.freshness where status = 'stale' order by last_session, id"
    ).fetchall()
    for title, named in (("Failed", failures), ("Stale, with the last day", stale)):
        if named:
            more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
            console.line(f"{title}: {', '.join(text for (text,) in named[:NAMED])}{more}", wraps=True)
    return bool(failures or stale)


def _latest_breakouts(reader: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    return _objects(
        reader,
        f"{_BREAKOUTS} where list_contains(?, subject_id) order by session_date desc, subject_id, kind limit 8",
        WATCHED,
    )


def _breakouts(console: Console, rows: list[dict[str, Any]], title: str) -> None:
    console.table(
        ["breakout", "of", "session", "above", "base", "state", "since"],
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


def _rotation(console: Console, reader: duckdb.DuckDBPyConnection) -> None:
    console.table(
        ["days", "target", "episodes", "mean", "median", "rose", "usual", "evidence"],
        reader.execute(
            """
            select
                horizon_days,
                target_id,
                n_episodes,
                printf('%+.1f %%', 100 * mean_return),
                printf('%+.1f %%', 100 * median_return),
                printf('%.0f %%', 100 * hit_rate),
                printf('%+.1f %%', 100 * baseline_mean),
                evidence,
            from marts.rotation_summary
            where signal_id = 'RUT:all_time_high:decided'
                and target_id in ('BTC', 'ETH', 'SPX')
                and horizon_days in (30, 60, 90)
            order by target_id, horizon_days
            """
        ).fetchall(),
        title="After an all-time high of the Russell 2000; usual: from any day; before costs",
    )


def _percent(fraction: float | None) -> str | None:
    return None if fraction is None else f"{100 * fraction:+.1f} %"


def _objects(reader: duckdb.DuckDBPyConnection, sql: str, *values: object) -> list[dict[str, Any]]:
    result = reader.execute(sql, list(values))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _one(reader: duckdb.DuckDBPyConnection, sql: str, *values: object) -> tuple[Any, ...]:
    row = reader.execute(sql, list(values)).fetchone()
    if row is None:
        raise LookupError("the published file knows nothing of this run")
    return row
