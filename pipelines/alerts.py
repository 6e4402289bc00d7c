"""Alerts: the sensor that tells what was newly decided, to a webhook and to the log. It is off until switched on.

Here: what is news, the record of what was told, and the telling. News are a breakout and each state that it reaches, a
stage of the cascade that turns on or off, a check that begins to fail or fails of more rows than before, and a run
that did not publish. All but the last, which is known to Dagster's history alone, is read from the published file.

Each is told once. A webhook cannot promise that: nobody knows whether a message whose answer never came was taken. So
every message is delivered at least once, repeats are rare, and a repeat carries the same id (at the end of its text,
and as the header Idempotency-Key). What was found and what was told lies in alerts.sqlite in the home, written to the
disk before and after each message; Dagster's own cursor, which is written only after a tick, is not used. Whoever
kills the process, or pulls the plug:

- before news are written down: nothing was sent; the next tick finds them in the file again;
- after that, before sending: they wait in the record, and the next tick sends them, even if the file says otherwise by
  then or several runs have published in between;
- between the webhook's taking a message and the record of it, or when its answer is lost: the message is sent again.
  This is the only window in which a repeat arises;
- after that: never again, also if a correction unmakes the fact and another one brings it back.

While the webhook does not take a message, that one and all after it wait, in order, and every tick tries again. A
record that was restored from a backup tells again what was told since; without a record everything begins anew, and
what is in the file then is old news.
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

from assets.warehouse.home import Home
from assets.warehouse.lock import locked
from pipelines.failures import why_failed
from pipelines.settings import home_folder

# The environment variable with the address. Whoever knows the address can write to the channel, so nothing that is
# kept or shown ever contains it.
WEBHOOK = "CASCADE_WEBHOOK"

# How often the sensor looks. Runs are hours apart; a minute is soon enough, and looking takes a tenth of a second.
INTERVAL_SECONDS = 60
# How long the webhook may take to answer, and a tick to send: Dagster gives a tick a minute.
ANSWER_SECONDS = 10.0
TICK_SECONDS = 30.0
# A symbol that came late shows facts that were decided before the file was last looked at. What is older than this is
# no late news but a new instrument or another definition, and is counted instead of told one by one.
LATE = timedelta(days=30)
# A failed run may be marked as such long after it began, so failures are looked for a little way back.
OVERLAP = timedelta(days=1)
# Details name up to ten symbols with their reasons; a message is to be read on a phone.
LONGEST = 400

_KINDS = {"all_time_high": "all-time high", "year_high": "year high"}


class AlertError(Exception):
    """Something could not be told, or the file not be read. The message is one line, without the address."""


@dataclass(frozen=True)
class News:
    """A fact with the id that it has for good, the day on which it was decided, and what is said of it."""

    id: str
    day: date
    text: str


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Tells each newly decided breakout state, cascade turn, failed check and failed run once, to the log "
    f"and, where {WEBHOOK} is set, to that address as Slack-compatible JSON. docs/operations.md says how to set it up.",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell what is new in the published file of the source that the environment names."""
    source = os.environ.get("CASCADE_SOURCE") or "demo"
    home = Home(home_folder(source, os.environ.get("CASCADE_HOME", "")))
    return dg.SkipReason(tell(home, context.instance, os.environ.get(WEBHOOK, "").strip(), context.log.info))


def tell(home: Home, instance: dg.DagsterInstance, address: str, say: Callable[[str], None]) -> str:
    """Look once, and tell what was not told yet: to `say`, and to the webhook where an address is given.

    Returns what was done, in one line. Raises AlertError when the webhook did not take everything or the published file
    cannot be read, and WarehouseError while another process is telling.
    """
    if not home.published(None).exists():
        return f"{home.published(None)} is not there yet"
    with locked(home.folder / "alerts.lock", 0, say), _record(home) as record:
        _look(home, instance, record)
        deadline = time.monotonic() + TICK_SECONDS
        waiting = record.execute("select id, text from messages where state = 'waiting' order by rowid").fetchall()
        for number, (id_, text) in enumerate(waiting):
            if time.monotonic() > deadline:
                return f"told {number}; {len(waiting) - number} more wait for the next tick"
            refused = _post(address, id_, text) if address else None
            if refused:
                raise AlertError(f"told {number}; {len(waiting) - number} wait, as of the webhook {refused}")
            say(f"{text} [{id_}]")
            record.execute("update messages set state = 'told', changed_at = ? where id = ?", [_now(), id_])
        return f"told {len(waiting)}" if waiting else "nothing new"


# --- the record ---------------------------------------------------------------------------------------------------


@contextmanager
def _record(home: Home) -> Iterator[sqlite3.Connection]:
    """The record of a home. Each statement, and each transaction, is on the disk when it returns."""
    with closing(sqlite3.connect(home.folder / "alerts.sqlite", isolation_level=None)) as record:
        record.execute("pragma synchronous = full")
        # A message is old (known before it could be news), waiting or told. Nothing is ever removed.
        record.execute(
            "create table if not exists messages (id text primary key, text text not null, state text not null, "
            "changed_at text not null)"
        )
        # One row: what was looked at last.
        record.execute("create table if not exists look (since text, as_of text, looked_at text)")
        yield record


def _look(home: Home, instance: dg.DagsterInstance, record: sqlite3.Connection) -> None:
    """Write down what is new, all of it or nothing. The first time everything is old, and only that is news."""
    last = record.execute("select since, as_of, looked_at from look").fetchone()
    known = {id_ for (id_,) in record.execute("select id from messages").fetchall()}
    looked_at = datetime.fromisoformat(last[2]) if last else datetime.now(UTC)
    with _reader(home) as reader:
        run_id, source, as_of = _newest(reader)
        found = [news for news in _in_file(reader) if news.id not in known]
        found += _failed_runs(reader, instance, looked_at - OVERLAP, known)
    if last:
        since = date.fromisoformat(last[0])
        earliest = max(since, date.fromisoformat(last[1]) - LATE)
        told = sorted((news for news in found if news.day >= earliest), key=lambda news: (news.day, news.id))
        old = [news for news in found if news.day < earliest]
        if old:
            told.append(
                News(
                    f"past:{run_id}",
                    as_of,
                    f"{len(old)} facts that were decided before {earliest} are new in the file (a new instrument, "
                    "another definition, or data that came very late); they are not told one by one",
                )
            )
    else:
        since, old = as_of, found
        told = [News(f"start:{run_id}", as_of, f"Alerts are on: told is what is decided from {since} on")]
    synthetic = "SYNTHETIC: " if source == "demo" else ""
    record.execute("begin immediate")
    try:
        for state, listed in (("old", old), ("waiting", told)):
            record.executemany(
                "insert into messages values (?, ?, ?, ?) on conflict do nothing",
                [(news.id, f"{synthetic}{_short(news.text)}", state, _now()) for news in listed],
            )
        record.execute("delete from look")
        record.execute("insert into look values (?, ?, ?)", [str(since), str(as_of), _now()])
    except BaseException:
        record.execute("rollback")
        raise
    record.execute("commit")


# --- what is news -------------------------------------------------------------------------------------------------


@contextmanager
def _reader(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, read-only. Raises AlertError when it cannot be read."""
    path = home.published(None)
    try:
        with duckdb.connect(str(path), read_only=True) as reader:
            reader.execute("set timezone = 'UTC'")
            yield reader
    except duckdb.Error as error:
        raise AlertError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def _newest(reader: duckdb.DuckDBPyConnection) -> tuple[str, str, date]:
    """Run, source and day of what is published."""
    rows = reader.execute(
        "select run_id, source, as_of from meta.runs where status like 'published%' order by started_at desc limit 1"
    ).fetchall()
    if not rows:
        raise AlertError("the published file knows of no run that published it")
    run_id, source, as_of = rows[0]
    return run_id, source, as_of


def _in_file(reader: duckdb.DuckDBPyConnection) -> Iterator[News]:
    """Everything in the published file that is, or once was, news."""
    for event_id, subject, kind, day, margin, level_date in reader.execute(
        "select event_id, subject_id, kind, session_date, margin, level_date from marts.breakouts"
    ).fetchall():
        yield News(
            f"{event_id}:breakout",
            day,
            f"{subject} broke out to {'an' if kind == 'all_time_high' else 'a'} {_KINDS.get(kind, kind)} at the close "
            f"of {day}, {100 * margin:.1f} % above the level of {level_date}",
        )
    for event_id, subject, kind, broke_out, state, day in reader.execute(
        """
        select event_id, subject_id, kind, breakouts.session_date, state, states.session_date
        from marts.breakout_states as states
        inner join marts.breakouts as breakouts using (event_id)
        """
    ).fetchall():
        yield News(
            f"{event_id}:{state}",
            day,
            f"{subject}, {_KINDS.get(kind, kind)} of {broke_out}: {state} at the close of {day}",
        )
    for day, stage, name, is_on, score in reader.execute(
        """
        select session_date, stage, stage_name, is_on, score
        from marts.cascade
        where is_turn_on or is_turn_off
        """
    ).fetchall():
        turned = "on" if is_on else "off"
        yield News(
            f"{name}:{turned}:{day}",
            day,
            f"Stage {stage} of the cascade, {name}, turned {turned} at the close of {day}"
            + ("" if score is None else f" (score {score:.2f})"),
        )
    # A check that fails run after run is one piece of news until it fails of more rows or has passed in between.
    for run_id, table, check, severity, detail, day in reader.execute(
        """
        with verdicts as (
            select
                run_id,
                table_name,
                check_name,
                severity,
                detail,
                started_at,
                passed,
                rows_failed,
                lag(passed) over history as passed_before,
                lag(rows_failed) over history as rows_failed_before,
            from meta.checks
            inner join meta.runs using (run_id)
            where status like 'published%'
            window history as (partition by table_name, check_name order by started_at, run_id)
        )
        select run_id, table_name, check_name, severity, coalesce(detail, ''), started_at::date
        from verdicts
        where not passed and (coalesce(passed_before, true) or rows_failed > rows_failed_before)
        """
    ).fetchall():
        yield News(f"{table}:{check}:{run_id}", day, f"Check {check} of {table} failed ({severity}): {detail}")


def _failed_runs(
    reader: duckdb.DuckDBPyConnection, instance: dg.DagsterInstance, after: datetime, known: set[str]
) -> Iterator[News]:
    """The runs that failed since an instant, from Dagster's history; the published file cannot know of them.

    A run whose file is in place may still fail at what it does afterwards.
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
        ended = "published, but what came after it failed" if has_published else "did not publish; the last file stays"
        # It is never late: whatever day the data are of, it failed after the file was looked at.
        yield News(id_, date.max, f"Run {run_id[:8]} of {run.job_name} {ended}: {reason or 'the UI has its log'}")


# --- the webhook --------------------------------------------------------------------------------------------------


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the message into a plain question, whose answer looks like success."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(address: str, id_: str, text: str) -> str | None:
    """Send one message. Returns why it was not taken, in words that do not contain the address, else None."""
    if not address.startswith(("https://", "http://")):
        return f"has no address: {WEBHOOK} must begin with https://"
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
        # Their texts may quote the address; their names do not.
        return f"did not answer ({type(getattr(error, 'reason', error)).__name__})"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
