"""Alerts as their receiver sees them: a real webhook on loopback, real published files, real evaluations of the sensor.

For each window in which a process can die there is a test with a process that dies in it.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import duckdb
import pytest
from folders import CascadeHome, healthy_home

from assets.contracts.stored import STORED_TABLES
from pipelines.alerts import AlertError, alerts

SECRET = "T0/B0/s3cr3t"
DAY = date(2025, 9, 18)
ATH = ("RUT:all_time_high:2025-09-18", "RUT", "all_time_high", "2025-09-18", 0.004, "2024-11-25")

# What alerts read of the marts. The test with a real run checks that a real file has it.
TABLES = [
    "marts.breakouts (event_id varchar, subject_id varchar, kind varchar, session_date date, margin double, "
    "level_date date)",
    "marts.breakout_states (event_id varchar, state varchar, session_date date)",
    "marts.cascade (session_date date, stage int, stage_name varchar, is_on boolean, score double, is_turn_on boolean, "
    "is_turn_off boolean)",
]


@dataclass
class Webhook:
    """A receiver on loopback. It answers with `status`; `before_answering` runs when a message was taken."""

    port: int = 0
    status: int = 200
    taken: list[tuple[str, str]] = field(default_factory=list)
    before_answering: Callable[[], None] = lambda: None
    server: ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/{SECRET}"

    @property
    def texts(self) -> list[str]:
        """The text of each message, without its id."""
        return [text.rpartition(" [")[0] for _, text in self.taken]

    def open(self) -> None:
        """Begin to answer."""
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == f"/services/{SECRET}"
                assert set(body) == {"text"}
                if webhook.status == 200:
                    webhook.taken.append((self.headers["Idempotency-Key"], body["text"]))
                webhook.before_answering()
                self.send_response(webhook.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    made = Webhook()
    made.open()
    monkeypatch.setenv("CASCADE_WEBHOOK", made.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield made
    made.close()


@dataclass
class Market:
    """A home whose published file is made by hand, as a run does: next to the old one, and swapped in."""

    folder: Path
    source: str = "files"
    as_of: date = DAY
    breakouts: list[tuple[object, ...]] = field(default_factory=list)
    states: list[tuple[object, ...]] = field(default_factory=list)
    stages: list[tuple[object, ...]] = field(default_factory=list)
    runs: list[tuple[object, ...]] = field(default_factory=list)
    checks: list[tuple[object, ...]] = field(default_factory=list)

    def publish(self, days: int = 1, *, failed: dict[str, int] | None = None, run_id: str = "") -> str:
        """One more run, `days` later: its checks, those of `failed` with so many guilty rows. Returns its id."""
        self.as_of += timedelta(days=days)
        run_id = run_id or f"run-{len(self.runs)}"
        at = f"{self.as_of} 22:00:00+00"
        self.runs.append((run_id, self.source, at, at, self.as_of, "published", 0, 0, "0.1.0"))
        for check in ("nothing_quarantined", "crypto_is_fresh"):
            guilty = (failed or {}).get(check, 0)
            self.checks.append(
                (run_id, check, "raw.x", not guilty, "WARN", 9, guilty, "BTC <b> & co" if guilty else None)
            )
        new = self.folder / "cascade.duckdb.tmp"
        with duckdb.connect(str(new)) as connection:
            for schema in ("marts", "meta"):
                connection.execute(f"create schema {schema}")
            for columns in TABLES:
                connection.execute(f"create table {columns}")
            for table in STORED_TABLES:
                if table.full_name in ("meta.runs", "meta.checks"):
                    for statement in table.ddl():
                        connection.execute(statement)
            for name, rows in (
                ("marts.breakouts", self.breakouts),
                ("marts.breakout_states", self.states),
                ("marts.cascade", self.stages),
                ("meta.runs", self.runs),
                ("meta.checks", self.checks),
            ):
                for row in rows:
                    connection.execute(f"insert into {name} values ({', '.join('?' * len(row))})", row)
        new.replace(self.folder / "cascade.duckdb")
        return run_id


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Market:
    monkeypatch.setenv("CASCADE_SOURCE", "files")
    monkeypatch.setenv("CASCADE_HOME", str(tmp_path))
    return Market(tmp_path)


@pytest.fixture
def history() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(history: dg.DagsterInstance) -> str:
    """One evaluation of the sensor, as Dagster's daemon makes it. Returns what it says it did."""
    with dg.build_sensor_context(instance=history) as context:
        return str(alerts.evaluate_tick(context).skip_message)


def test_it_is_off_until_switched_on() -> None:
    assert alerts.default_status is dg.DefaultSensorStatus.STOPPED


def test_each_fact_is_sent_once_and_older_facts_never(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    assert tick(history).endswith("cascade.duckdb does not exist yet")
    market.breakouts = [("IWM:year_high:2025-09-01", "IWM", "year_high", "2025-09-01", 0.01, "2025-06-02")]
    market.stages = [
        (DAY - timedelta(days=1), 3, "small_caps", False, 0.2, False, False),
        (DAY, 3, "small_caps", True, 0.7, True, False),
    ]
    market.publish(0, failed={"nothing_quarantined": 3})
    assert tick(history) == "sent 1 alert"
    assert webhook.texts == ["Alerts are on: facts decided from 2025-09-18 on are sent"]
    webhook.taken.clear()
    assert tick(history) == "nothing new"

    # The same trouble goes on, another begins; a stage turns off after a day without a score.
    market.breakouts.append(ATH)
    market.states = [("IWM:year_high:2025-09-01", "holding", "2025-09-19"), (ATH[0], "confirmed", "2025-09-23")]
    market.stages += [
        (DAY + timedelta(days=1), 3, "small_caps", True, None, False, False),
        (DAY + timedelta(days=4), 3, "small_caps", False, 0.4, False, True),
    ]
    run = market.publish(5, failed={"nothing_quarantined": 3, "crypto_is_fresh": 1})
    assert tick(history) == "sent 5 alerts"
    assert webhook.texts == [
        "RUT broke out to an all-time high at the close of 2025-09-18, 0.4 % above the level of 2024-11-25",
        "IWM, year high of 2025-09-01: holding at the close of 2025-09-19",
        "Stage 3 of the cascade, small_caps, turned off at the close of 2025-09-22 (score 0.40)",
        "RUT, all-time high of 2025-09-18: confirmed at the close of 2025-09-23",
        "Check crypto_is_fresh of raw.x failed (WARN): BTC &lt;b&gt; &amp; co",
    ]
    assert [id_ for id_, _ in webhook.taken] == [
        f"{ATH[0]}:breakout",
        "IWM:year_high:2025-09-01:holding",
        "small_caps:off:2025-09-22",
        f"{ATH[0]}:confirmed",
        f"raw.x:crypto_is_fresh:{run}",
    ]
    assert all(text.endswith(f" [{id_}]") for id_, text in webhook.taken)
    assert tick(history) == "nothing new"


def test_several_runs_between_two_ticks_lose_nothing(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    tick(history)
    market.breakouts = [ATH]
    market.publish()
    market.states = [(ATH[0], "confirmed", market.as_of)]
    failing = market.publish(failed={"crypto_is_fresh": 2})
    market.publish()
    webhook.taken.clear()

    assert tick(history) == "sent 3 alerts"
    assert {id_ for id_, _ in webhook.taken} == {
        f"{ATH[0]}:breakout",
        f"{ATH[0]}:confirmed",
        f"raw.x:crypto_is_fresh:{failing}",
    }


@pytest.mark.slow
def test_a_check_is_sent_again_when_it_gets_worse_or_fails_anew(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish()
    tick(history)
    sent = []
    for rows in (2, 2, 3, 1, 0, 1):
        webhook.taken.clear()
        market.publish(failed={"crypto_is_fresh": rows})
        tick(history)
        sent.append(len(webhook.taken))
    assert sent == [1, 0, 1, 0, 0, 1]


@pytest.mark.slow
def test_a_restated_past_is_not_sent_as_new(market: Market, webhook: Webhook, history: dg.DagsterInstance) -> None:
    market.breakouts, market.states = [ATH], [(ATH[0], "failed", DAY)]
    market.publish(0)
    tick(history)
    market.states = [(ATH[0], "confirmed", DAY)]
    market.publish()
    tick(history)
    assert [id_ for id_, _ in webhook.taken] == ["start:run-0", f"{ATH[0]}:confirmed"]

    # A sent fact vanishes and comes back, even on another day: it is the same fact.
    webhook.taken.clear()
    market.states = []
    market.publish()
    assert tick(history) == "nothing new"
    market.states = [(ATH[0], "confirmed", market.as_of), (ATH[0], "failed", DAY)]
    market.publish()
    assert tick(history) == "nothing new"


def test_late_facts_are_sent_and_very_late_ones_are_counted(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    tick(history)
    market.publish(100)
    tick(history)
    webhook.taken.clear()
    late, too_late = market.as_of - timedelta(days=20), market.as_of - timedelta(days=40)
    market.breakouts = [
        ("A:year_high:1", "A", "year_high", too_late, 0.01, "2024-11-25"),
        ("B:year_high:1", "B", "year_high", too_late, 0.01, "2024-11-25"),
        ("C:year_high:1", "C", "year_high", late, 0.01, "2024-11-25"),
    ]
    # What was decided since the last tick is not late, however long ago that tick was.
    market.publish(200)
    assert tick(history) == "sent 2 alerts"
    assert webhook.texts == [
        f"C broke out to a year high at the close of {late}, 1.0 % above the level of 2024-11-25",
        f"2 facts decided before {market.as_of - timedelta(days=230)} are new in the file (a new instrument, a changed "
        "definition, or very late data); they are not sent one by one",
    ]
    assert tick(history) == "nothing new"


@pytest.mark.slow
def test_while_the_webhook_is_down_everything_waits_in_order(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    webhook.close()
    with pytest.raises(
        AlertError, match="sent 0 alerts; 1 wait, because the webhook did not answer \\(ConnectionRefusedError"
    ):
        tick(history)
    market.breakouts = [ATH]
    market.publish()
    market.states = [(ATH[0], "confirmed", market.as_of)]
    market.publish()
    with pytest.raises(AlertError, match="3 wait"):
        tick(history)
    webhook.open()
    for status in (500, 429, 404, 302):
        webhook.status = status
        with pytest.raises(AlertError, match=f"sent 0 alerts; 3 wait, because the webhook answered {status}"):
            tick(history)
    # The fact is gone from the file by now, but it was found when it was true.
    market.states = []
    market.publish()
    webhook.status = 200
    assert tick(history) == "sent 3 alerts"
    assert [id_ for id_, _ in webhook.taken] == ["start:run-0", f"{ATH[0]}:breakout", f"{ATH[0]}:confirmed"]


TICK = """
import dagster as dg
from pipelines.alerts import alerts

with dg.DagsterInstance.ephemeral() as history, dg.build_sensor_context(instance=history) as context:
    alerts.evaluate_tick(context)
"""


@pytest.mark.slow
def test_killed_between_sending_and_recording_it_repeats_that_message_alone_under_its_id(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    tick(history)
    webhook.taken.clear()
    market.breakouts, market.states = [ATH], [(ATH[0], "confirmed", DAY + timedelta(days=2))]
    market.publish()
    with subprocess.Popen([sys.executable, "-c", TICK]) as process:

        def kill_at_the_second() -> None:
            if len(webhook.taken) == 2:
                process.kill()
                process.wait()

        webhook.before_answering = kill_at_the_second
        assert process.wait() == -signal.SIGKILL
    webhook.before_answering = lambda: None

    assert tick(history) == "sent 1 alert"
    assert [id_ for id_, _ in webhook.taken] == [f"{ATH[0]}:breakout", f"{ATH[0]}:confirmed", f"{ATH[0]}:confirmed"]
    assert webhook.taken[1] == webhook.taken[2]
    assert tick(history) == "nothing new"


@pytest.mark.slow
def test_killed_before_anything_is_written_down_it_loses_nothing(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    tick(history)
    webhook.taken.clear()
    market.breakouts = [ATH]
    market.publish()
    # Another process holds the record, so that the first write waits for it; it never comes to it.
    with sqlite3.connect(market.folder / "alerts.sqlite", isolation_level=None) as record:
        record.execute("begin immediate")
        with subprocess.Popen([sys.executable, "-c", TICK]) as process:
            deadline = time.monotonic() + 60
            while f'"pid": {process.pid}' not in (market.folder / "alerts.lock").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.kill()
        record.execute("rollback")
    record.close()
    assert webhook.taken == []

    assert tick(history) == "sent 1 alert"
    assert [id_ for id_, _ in webhook.taken] == [f"{ATH[0]}:breakout"]


def test_without_a_webhook_alerts_go_to_the_log_only(
    market: Market, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CASCADE_WEBHOOK", raising=False)
    market.publish(0)
    tick(history)
    market.breakouts = [ATH]
    market.publish()
    assert tick(history) == "sent 1 alert"
    with sqlite3.connect(market.folder / "alerts.sqlite") as record:
        sent = record.execute("select id, state from messages").fetchall()
    record.close()
    assert sent == [("start:run-0", "sent"), (f"{ATH[0]}:breakout", "sent")]


def test_synthetic_facts_say_so_first(market: Market, webhook: Webhook, history: dg.DagsterInstance) -> None:
    market.source = "demo"
    market.publish(0)
    tick(history)
    market.breakouts = [ATH]
    market.publish(failed={"crypto_is_fresh": 1})
    tick(history)
    assert len(webhook.texts) == 3
    assert all(text.startswith("SYNTHETIC: ") for text in webhook.texts)


NOW = "2025-09-20 22:00:00+00"
BAD_RUNS = {
    "no as_of": ("bad", "files", NOW, NOW, None, "published"),
    "as_of in the future": ("bad", "files", NOW, NOW, "2999-01-01", "published"),
    "as_of without bounds": ("bad", "files", NOW, NOW, "-infinity", "published"),
    "no source": ("bad", None, NOW, NOW, "2025-09-20", "published"),
    "no start": ("bad", "files", None, None, "2025-09-20", "published"),
    "no status": ("bad", "files", NOW, None, "2025-09-20", None),
    "odd status": ("bad", "files", NOW, None, None, "published, perhaps"),
    "not published": ("bad", "files", NOW, NOW, None, "not_published"),
    "no id": (None, "files", NOW, NOW, "2025-09-20", "published"),
    "nothing": (None, None, None, None, None, None),
}


def spoil(market: Market, row: tuple[object, ...], *, alone: bool) -> None:
    """Add a row to meta.runs of the published file, and a check that this run failed."""
    with duckdb.connect(str(market.folder / "cascade.duckdb")) as connection:
        connection.execute("create or replace table meta.runs as from meta.runs")  # without constraints
        if alone:
            connection.execute("delete from meta.runs")
        connection.execute("insert into meta.runs values (?, ?, ?, ?, ?, ?, null, null, null)", row)
        connection.execute("insert into meta.checks values (?, 'new', 'raw.x', false, 'WARN', 9, 1, null)", ["bad"])


@pytest.mark.parametrize("row", BAD_RUNS.values(), ids=BAD_RUNS)
def test_a_bad_row_in_the_run_log_stops_no_alert(
    row: tuple[object, ...], market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    tick(history)
    market.publish()
    spoil(market, row, alone=False)
    tick(history)
    market.breakouts = [ATH]
    market.publish()
    spoil(market, row, alone=False)
    tick(history)
    assert [id_ for id_, _ in webhook.taken if not id_.startswith("raw.x")] == ["start:run-0", f"{ATH[0]}:breakout"]


@pytest.mark.slow
@pytest.mark.parametrize("row", BAD_RUNS.values(), ids=BAD_RUNS)
def test_alerts_begin_although_the_only_run_in_the_log_is_bad(
    row: tuple[object, ...], market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    spoil(market, row, alone=True)
    tick(history)
    market.breakouts = [("RUT:year_high:x", "RUT", "year_high", date.today(), 0.01, "2025-06-02")]
    market.publish()
    tick(history)
    assert [id_.partition(":")[0] for id_, _ in webhook.taken] == ["start", "RUT"]


def test_a_record_from_before_without_a_day_is_read(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    market.publish(0)
    tick(history)
    with sqlite3.connect(market.folder / "alerts.sqlite", isolation_level=None) as record:
        record.execute("update look set since = 'None', as_of = 'None'")
    record.close()
    market.publish()
    assert tick(history) == "nothing new"


@pytest.mark.slow
def test_a_run_that_did_not_publish_is_sent_with_its_reason(
    market: Market, webhook: Webhook, history: dg.DagsterInstance
) -> None:
    @dg.op
    def broken() -> None:
        raise dg.Failure("the source is gone")

    @dg.job
    def everything() -> None:
        broken()

    @dg.asset(check_specs=[dg.AssetCheckSpec("required_delivered", asset="equity_bars", blocking=True)])
    def equity_bars() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
        check = dg.AssetCheckResult(passed=False, description="RUT: not delivered")
        return dg.MaterializeResult(check_results=[check])

    @dg.asset(deps=[equity_bars])
    def models() -> None: ...

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    everything.execute_in_process(instance=history, raise_on_error=False, run_config=quiet)
    market.publish()
    assert tick(history) == "sent 1 alert"
    webhook.taken.clear()
    one = everything.execute_in_process(instance=history, raise_on_error=False, run_config=quiet)
    two = dg.materialize([equity_bars, models], instance=history, raise_on_error=False, run_config=quiet)
    assert tick(history) == "sent 2 alerts"
    said = dict(webhook.taken)
    assert said[f"run:{one.run_id}"].startswith(
        f"Run {one.run_id[:8]} of everything did not publish; the last file stays: broken: "
    )
    assert "the source is gone" in said[f"run:{one.run_id}"]
    assert "file stays: equity_bars: RUT: not delivered [" in said[f"run:{two.run_id}"]
    assert tick(history) == "nothing new"

    late = everything.execute_in_process(instance=history, raise_on_error=False, run_config=quiet)
    market.publish(run_id=late.run_id)
    assert tick(history) == "sent 1 alert"
    assert f"Run {late.run_id[:8]} of everything published, but a later step failed: " in webhook.texts[-1]


@pytest.mark.parametrize(
    "address", ["no-address-s3cr3t", "file:///etc/s3cr3t", "http://s3cr3t:port/", "http://127.0.0.1:1/s3\ncr3t s3cr3t"]
)
def test_an_invalid_address_is_not_quoted(
    address: str, market: Market, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_WEBHOOK", address)
    market.publish()
    with pytest.raises(AlertError) as caught:
        tick(history)
    assert "s3" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_file_that_cannot_be_read_is_named(market: Market, history: dg.DagsterInstance) -> None:
    (market.folder / "cascade.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(AlertError, match=r"cascade\.duckdb cannot be read: "):
        tick(history)


@pytest.mark.slow
def test_a_published_file_of_a_real_run_has_what_alerts_read(
    webhook: Webhook,
    history: dg.DagsterInstance,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home: CascadeHome = healthy_home(tmp_path_factory.getbasetemp()).copy(tmp_path / "home")
    monkeypatch.setenv("CASCADE_HOME", str(home.path))
    tick(history)
    with sqlite3.connect(home.path / "alerts.sqlite") as record:
        # As if it had been switched on in the spring, and had not known one state of the summer.
        (id_,) = record.execute("select id from messages where id like '%:confirmed' order by id desc").fetchone()
        record.execute("delete from messages where id = ?", [id_])
        record.execute("update look set since = '2025-03-01', as_of = '2025-03-01'")
    record.close()
    assert tick(history) == "sent 1 alert"
    subject, kind, broke_out, _ = id_.split(":")
    ((day,),) = home.ask(
        "select session_date from marts.breakout_states where event_id = ? and state = 'confirmed'",
        id_.removesuffix(":confirmed"),
    )
    named = kind.replace("_", " ").replace("all time", "all-time")
    assert webhook.texts[-1] == f"{subject}, {named} of {broke_out}: confirmed at the close of {day}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_daemon_sends_and_keeps_the_address_secret(market: Market, webhook: Webhook) -> None:
    """The sensor switched on as an operator does it, with the webhook failing at first and working then."""
    folder = market.folder / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    market.publish()
    webhook.status = 500
    environment = {**os.environ, "DAGSTER_HOME": str(folder)}
    dagster = str(Path(sys.executable).with_name("dagster"))
    module = ["-m", "pipelines.definitions"]
    subprocess.run([dagster, "sensor", "start", "alerts", *module], env=environment, check=True, capture_output=True)
    with (folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [f"{dagster}-daemon", "run", *module],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with dg.DagsterInstance.from_config(str(folder)) as history:

            def ticks(status: str) -> bool:
                states = history.all_instigator_state()
                return any(
                    tick.status.value == status
                    for state in states
                    for tick in history.get_ticks(state.instigator_origin_id, state.selector_id)
                )

            deadline = time.monotonic() + 300
            while not ticks("FAILURE") and time.monotonic() < deadline:
                time.sleep(0.5)
            webhook.status = 200
            while not (webhook.taken and ticks("SKIPPED")) and time.monotonic() < deadline + 300:
                time.sleep(0.5)
    finally:
        os.killpg(daemon.pid, signal.SIGINT)
        daemon.wait(30)
    assert [id_ for id_, _ in webhook.taken] == ["start:run-0"]
    kept = [path for path in market.folder.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert kept == []
    assert b"answered 500" in (folder / "daemon.log").read_bytes()
