"""Alerts: the sensor that sends each new fact once, to a webhook and to the log. It is off until switched on.

Here: what an alert is, the record of what was sent, and the sending. An alert is a breakout, each state that it
reaches, a stage of the cascade that turns on or off, a check that begins to fail or fails for more rows than before,
and a run that did not publish. Failed runs are read from Dagster's history, everything else from the published file.
Not here: what a breakout or a stage is (sql/marts).

Every alert is sent at least once. Repeats are rare, and a repeat carries the same id, at the end of its text and in the
header Idempotency-Key. The file alerts.sqlite in the home records what was found and what was sent, and is synced to
disk before and after each message. Dagster's own cursor is not used, because it is written only after a tick. If the
process is killed or the power fails:

- before new alerts are recorded: nothing was sent, and the next tick finds them in the file again;
- after that, before sending: they wait in the record, and the next tick sends them, even if the file has changed;
- after the webhook took a message, before that is recorded: the message is sent again. The same happens if the answer
  of the webhook is lost. Repeats arise only here;
- after that: the alert is never sent again, even if a correction removes the fact and another one restores it.

If the webhook does not take a message, this and all later messages wait in order, and every tick tries again. A record
that is restored from a backup sends again what was sent since the backup. Without a record alerts start anew: what is
already in the file counts as old.
"""

import html
import http.client
import json
import os
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import duckdb

from assets.config.universe import SIGNAL_KINDS
from assets.contracts.errors import first_line
from assets.contracts.queries import query
from assets.sources.base import is_synthetic
from assets.warehouse.connection import open_published
from assets.warehouse.home import Home
from assets.warehouse.lock import locked
from pipelines.failures import why_failed
from pipelines.settings import DEFAULT_SOURCE, home_folder

# The environment variable with the address of the webhook. The address is a secret: with it anyone can write to the
# channel, so no log, message or record contains it.
WEBHOOK = "CASCADE_WEBHOOK"

# How often the sensor runs. Runs of the pipeline are hours apart, and a tick takes a tenth of a second.
INTERVAL_SECONDS = 60
# How long the webhook may take to answer, and how long a tick may send. Dagster stops a tick after a minute.
ANSWER_SECONDS = 10.0
TICK_SECONDS = 30.0
# Data that arrive late bring facts that were decided before the last tick. Older facts than this come from a new
# instrument or a changed definition, and are counted in one message instead of sent one by one.
LATE = timedelta(days=30)
# A run may be marked as failed long after it began, so each tick looks this far back.
OVERLAP = timedelta(days=1)
# The longest message, in characters: it should be readable on a phone, and details may list many symbols.
LONGEST = 400


class AlertError(Exception):
    """An alert could not be sent, or the file not be read. The message is one line, without the address."""


@dataclass(frozen=True)
class Alert:
    """A fact to send: its permanent id, the day on which it was decided, and its text."""

    id: str
    day: date
    text: str


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Sends each new breakout state, turn of a cascade stage, failed check and failed run once: to the log "
    f"and, if {WEBHOOK} is set, to that address as Slack-compatible JSON. See docs/operations.md.",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Send what is new in the published file of the source that the environment names."""
    source = os.environ.get("CASCADE_SOURCE") or DEFAULT_SOURCE
    home = Home(home_folder(source, os.environ.get("CASCADE_HOME", "")))
    return dg.SkipReason(send_alerts(home, context.instance, os.environ.get(WEBHOOK, "").strip(), context.log.info))


def send_alerts(home: Home, instance: dg.DagsterInstance, address: str, log: Callable[[str], None]) -> str:
    """Record the alerts that are new, and send those that wait.

    Args:
        home: The home whose published file is read.
        instance: Dagster's instance, whose history has the failed runs.
        address: The webhook; empty to write to the log only.
        log: Writes a line to the log of the sensor.

    Returns:
        What was done, in one line.

    Raises:
        AlertError: The webhook did not take every message, or the published file cannot be read.
        WarehouseError: Another process is sending.
    """
    if not home.published(None).exists():
        return f"{home.published(None)} does not exist yet"
    with locked(home.folder / "alerts.lock", 0, log), _record(home) as record:
        _record_new(home, instance, record)
        deadline = time.monotonic() + TICK_SECONDS
        waiting = record.execute("select id, text from messages where state = 'waiting' order by rowid").fetchall()
        for number, (id_, text) in enumerate(waiting):
            if time.monotonic() > deadline:
                return f"sent {_counted(number)}; {len(waiting) - number} wait for the next tick"
            if address and (reason := _post(address, id_, text)):
                raise AlertError(f"sent {_counted(number)}; {len(waiting) - number} wait, because the webhook {reason}")
            log(f"{text} [{id_}]")
            record.execute("update messages set state = 'sent', changed_at = ? where id = ?", [_now(), id_])
        return f"sent {_counted(len(waiting))}" if waiting else "nothing new"


def _counted(number: int) -> str:
    return f"{number} alert{'' if number == 1 else 's'}"


# --- the record ---------------------------------------------------------------------------------------------------


@contextmanager
def _record(home: Home) -> Iterator[sqlite3.Connection]:
    """The record of a home. Each statement, or transaction, is on the disk when it returns."""
    with closing(sqlite3.connect(home.folder / "alerts.sqlite", isolation_level=None)) as record:
        record.execute("pragma synchronous = full")
        # The state of a message is old (known when alerts were switched on, or too late to send), waiting or sent.
        # Rows are never removed.
        record.execute(
            "create table if not exists messages (id text primary key, text text not null, state text not null, "
            "changed_at text not null)"
        )
        # One row: since which day facts are sent, and the day and the time of the last tick.
        record.execute("create table if not exists look (since text, as_of text, looked_at text)")
        yield record


def _record_new(home: Home, instance: dg.DagsterInstance, record: sqlite3.Connection) -> None:
    """Record the alerts that are new, all or none. At the first tick everything in the file counts as old."""
    last = record.execute("select since, as_of, looked_at from look").fetchone()
    known = {id_ for (id_,) in record.execute("select id from messages").fetchall()}
    looked_at = datetime.fromisoformat(last[2]) if last else datetime.now(UTC)
    with _reader(home) as reader:
        run_id, source, as_of = _newest(reader)
        found = [alert for alert in _alerts_in_file(reader) if alert.id not in known]
        found += _failed_runs(reader, instance, looked_at - OVERLAP, known)
    if last:
        since = _day(last[0], as_of)
        earliest = max(since, _day(last[1], since) - LATE)
        waiting = sorted((alert for alert in found if alert.day >= earliest), key=lambda alert: (alert.day, alert.id))
        old = [alert for alert in found if alert.day < earliest]
        if old:
            text = (
                f"{len(old)} facts decided before {earliest} are new in the file (a new instrument, a changed "
                "definition, or very late data); they are not sent one by one"
            )
            waiting.append(Alert(f"past:{run_id}", as_of, text))
    else:
        since, old = as_of, found
        waiting = [Alert(f"start:{run_id}", as_of, f"Alerts are on: facts decided from {since} on are sent")]
    prefix = "SYNTHETIC: " if is_synthetic(source) else ""
    record.execute("begin immediate")
    try:
        for state, listed in (("old", old), ("waiting", waiting)):
            record.executemany(
                "insert into messages values (?, ?, ?, ?) on conflict do nothing",
                [(alert.id, f"{prefix}{_short(alert.text)}", state, _now()) for alert in listed],
            )
        record.execute("delete from look")
        record.execute("insert into look values (?, ?, ?)", [str(since), str(as_of), _now()])
    except BaseException:
        record.execute("rollback")
        raise
    record.execute("commit")


# --- what an alert is ---------------------------------------------------------------------------------------------


@contextmanager
def _reader(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, read-only. Raises AlertError if it cannot be read."""
    path = home.published(None)
    try:
        with open_published(path) as reader:
            yield reader
    except duckdb.Error as error:
        raise AlertError(f"{path} cannot be read: {first_line(error)}") from error


def _newest(reader: duckdb.DuckDBPyConnection) -> tuple[str, str, date]:
    """The id and the source of the run that published the file, and its day, as far as meta.runs says so."""
    rows = reader.execute(query("checks/alert_newest_run")).fetchall()
    run_id, source, as_of = rows[0] if rows else ("unknown", "", datetime.now(UTC).date())
    return run_id, source, as_of


def _day(text: str, otherwise: date) -> date:
    """A recorded day. Earlier versions recorded "None" when the run had no as_of."""
    return otherwise if text == "None" else date.fromisoformat(text)


def _alerts_in_file(reader: duckdb.DuckDBPyConnection) -> Iterator[Alert]:
    """Every fact in the published file that is, or once was, an alert."""
    yield from _breakouts(reader)
    yield from _breakout_states(reader)
    yield from _stage_turns(reader)
    yield from _failed_checks(reader)


def _breakouts(reader: duckdb.DuckDBPyConnection) -> Iterator[Alert]:
    for event_id, subject, kind, day, margin, level_date in reader.execute(
        "select event_id, subject_id, kind, session_date, margin, level_date from marts.breakouts"
    ).fetchall():
        yield Alert(
            f"{event_id}:breakout",
            day,
            f"{subject} broke out to {'an' if kind == 'all_time_high' else 'a'} {SIGNAL_KINDS[kind]} at the close "
            f"of {day}, {100 * margin:.1f} % above the level of {level_date}",
        )


def _breakout_states(reader: duckdb.DuckDBPyConnection) -> Iterator[Alert]:
    for event_id, subject, kind, broke_out_on, state, day in reader.execute(
        query("checks/alert_breakout_states")
    ).fetchall():
        text = f"{subject}, {SIGNAL_KINDS[kind]} of {broke_out_on}: {state} at the close of {day}"
        yield Alert(f"{event_id}:{state}", day, text)


def _stage_turns(reader: duckdb.DuckDBPyConnection) -> Iterator[Alert]:
    for day, stage, name, is_on, score in reader.execute(
        "select session_date, stage, stage_name, is_on, score from marts.cascade where is_turn_on or is_turn_off"
    ).fetchall():
        turned = "on" if is_on else "off"
        text = f"Stage {stage} of the cascade, {name}, turned {turned} at the close of {day}"
        yield Alert(f"{name}:{turned}:{day}", day, text + ("" if score is None else f" (score {score:.2f})"))


def _failed_checks(reader: duckdb.DuckDBPyConnection) -> Iterator[Alert]:
    for run_id, table, check, severity, detail, day in reader.execute(query("checks/alert_failed_checks")).fetchall():
        text = f"Check {check} of {table} failed ({severity}): {detail}"
        # If the run has no start, it is never too late to send.
        yield Alert(f"{table}:{check}:{run_id}", day or date.max, text)


def _failed_runs(
    reader: duckdb.DuckDBPyConnection, instance: dg.DagsterInstance, after: datetime, known: set[str]
) -> Iterator[Alert]:
    """The runs that failed, also those that failed after they had published.

    Args:
        reader: The published file, which says whether a run has published.
        instance: Dagster's instance, whose history has the failed runs.
        after: The instant from which on a failure counts.
        known: The ids of recorded alerts; those that are found are added.

    Yields:
        One alert per run of Cascade.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=after)):
        run_id, id_ = run.run_id, f"run:{run.run_id}"
        if id_ in known:
            continue
        reason, _ = why_failed(instance, run_id)
        known.add(id_)
        has_published = reader.execute(
            "select 1 from meta.runs where run_id = ? and status like 'published%'", [run_id]
        ).fetchall()
        ended = "published, but a later step failed" if has_published else "did not publish; the last file stays"
        # Never too late to send: whatever day its data are of, it failed after the last tick.
        yield Alert(id_, date.max, f"Run {run_id[:8]} of {run.job_name} {ended}: {reason or 'see its log in the UI'}")


# --- the webhook --------------------------------------------------------------------------------------------------


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would turn the message into a GET, whose answer looks like success."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(address: str, id_: str, text: str) -> str | None:
    """Send one message.

    Args:
        address: The webhook.
        id_: The id of the alert, which a repeat has too.
        text: The text of the alert.

    Returns:
        Why the webhook did not take the message, as a verb phrase without the address; None if it took it.
    """
    if not address.startswith(("https://", "http://")):
        return f"has no valid address: {WEBHOOK} must begin with https://"
    # Slack reads <, > and & as its own markup.
    body = json.dumps({"text": f"{html.escape(text, quote=False)} [{id_}]"}).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": id_}
    try:
        request = urllib.request.Request(address, body, headers)
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=ANSWER_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"answered {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The text of the error may quote the address; its type does not.
        return f"did not answer ({type(getattr(error, 'reason', error)).__name__})"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
