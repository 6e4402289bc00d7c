"""Validation in a process of its own: its verdicts, the memory it may take, what it imports, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pandas as pd
import pytest
from bench import UNIVERSE
from desk import Desk, Script

from assets import steps
from assets.contracts import expectations
from assets.contracts.expectations import FRAMES_AHEAD, ValidationError, validate
from assets.contracts.raw import RAW_TABLE
from assets.warehouse.results import StepFailed

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
MACRO, BARS = RAW_TABLE["macro_observations"], RAW_TABLE["equity_bars"]
ENDED = "the validation process ended; run again"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


def observations(
    connection: duckdb.DuckDBPyConnection, rows: int, value: str = "1.0::double"
) -> duckdb.DuckDBPyRelation:
    return connection.sql(
        f"select 'RATE' as series_id, date '2024-03-04' + range::int as observation_date, {value} as value "
        f"from range({rows})"
    )


def bad_bars(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    return connection.sql(
        "select 'SPY' as instrument_id, date '2024-03-04' as session_date, null::double as open, null::double as high, "
        "null::double as low, -1.0::double as close, 2.0::double as adj_close, 0.0::double as volume"
    )


@contextmanager
def stopped(worker: BaseProcess) -> Iterator[None]:
    """A worker that answers nothing meanwhile."""
    assert worker.pid
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGCONT)


# Verdicts


def test_a_history_of_several_frames_has_one_verdict_per_rule(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectations, "CHUNK_ROWS", 3)
    rows = observations(connection, 10, "if(range in (1, 8), 'infinity'::double, 1.0)")
    outcomes = validate(rows, MACRO)()
    assert {outcome.rule_name: (outcome.rows_checked, outcome.rows_failed) for outcome in outcomes} == {
        rule.name: (10, 2 if rule.name == "value_is_finite" else 0) for rule in MACRO.rules
    }


def test_verdicts_belong_to_their_table_even_if_earlier_ones_were_not_read(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    bars = validate(bad_bars(connection), BARS)
    outcomes = validate(observations(connection, 1), MACRO)()
    assert {outcome.table_name for outcome in outcomes} == {MACRO.full_name}
    assert {outcome.rows_failed for outcome in outcomes} == {0}
    assert "close_is_positive" in {outcome.rule_name for outcome in bars() if outcome.rows_failed}


def test_a_rule_that_the_library_cannot_evaluate_is_an_error_and_the_worker_goes_on(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rule = replace(MACRO.rules[0], expectation=("ExpectColumnValuesToMatchRegex", {"column": "value", "regex": "("}))
    with pytest.raises(ValidationError, match=rule.name):
        validate(observations(connection, 1), replace(MACRO, rules=(rule,)))()
    assert validate(observations(connection, 1), MACRO)()


# Memory


def test_only_a_few_frames_wait_for_a_slow_worker(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectations, "CHUNK_ROWS", 1)
    validate(observations(connection, 1), MACRO)()
    pool, worker = expectations._worker()
    submitted: list[object] = []
    submit = pool.submit

    def counted(*task: Any) -> Future[Any]:
        submitted.append(task)
        return submit(*task)

    monkeypatch.setattr(pool, "submit", counted)
    checked: set[int] = set()

    def ask() -> None:
        checked.update(outcome.rows_checked for outcome in validate(observations(connection, 20), MACRO)())

    asking = Thread(target=ask, daemon=True)
    with stopped(worker):
        asking.start()
        asking.join(1)
        assert len(submitted) == FRAMES_AHEAD
    asking.join(PATIENCE_SECONDS)
    assert checked == {20}


# A worker that ends


def test_a_worker_that_was_killed_is_one_line_and_the_next_call_starts_another(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    validate(observations(connection, 1), MACRO)()
    first = expectations._worker().process
    with stopped(first):
        verdicts = [validate(observations(connection, 1), MACRO) for _ in range(FRAMES_AHEAD)]
        first.kill()
        for outcomes in verdicts:
            with pytest.raises(ValidationError, match=f"^{ENDED}$"):
                outcomes()
    # As many frames as before fit in again.
    assert all(outcomes() for outcomes in [validate(observations(connection, 1), MACRO) for _ in range(FRAMES_AHEAD)])
    assert expectations._worker().process != first


def test_a_step_whose_worker_ended_fails_with_one_line_and_stores_nothing(calendar_sessions: pd.DataFrame) -> None:
    days = pd.DataFrame({"observation_date": pd.to_datetime(["2024-03-04"]).astype("datetime64[us]"), "value": [4.2]})
    desk = Desk(UNIVERSE, calendar_sessions, lambda _: Script({"macro_observations": {"HY_SPREAD": days}}))
    run = desk.begin("2024-03-11 12:00")
    expectations._worker().process.kill()
    with pytest.raises(StepFailed, match=f"^{ENDED}$"):
        list(steps.fetch(run, "macro"))
    assert desk.rows("from raw.macro_observations") == []
    list(steps.fetch(run, "macro"))
    assert len(desk.rows("from raw.macro_observations")) == 1


# Other processes that validate


COMMAND = """
import os, signal, sys, time
from pathlib import Path
from assets.contracts import expectations

# A shell may have started the tests with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with Path(sys.argv[1]).open("a") as file:
    print(__name__, file=file)
try:
    expectations.warm_up()
    if sys.argv[2] == "ready":
        expectations._worker().pool.submit(os.getpid).result()
    if sys.argv[2] == "stuck":
        os.kill(expectations._worker().process.pid, signal.SIGSTOP)
    print("started", flush=True)
    time.sleep(float(sys.argv[3]))
except KeyboardInterrupt:
    time.sleep(0.5)
    expectations.dismiss()
"""


def command(folder: Path, when: str, seconds: float) -> subprocess.Popen[bytes]:
    """A process that runs COMMAND as a file, as a console script is run, in a group of its own."""
    script = folder / "command.py"
    script.write_text(COMMAND)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder / "imported"), when, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    assert process.stdout.readline() == b"started\n"
    return process


def said(process: subprocess.Popen[bytes]) -> bytes:
    """What a command and all its children wrote to standard error, which ends with the last of them."""
    try:
        return process.communicate(timeout=PATIENCE_SECONDS)[1]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("when", ["at once", "ready"])
def test_a_killed_command_leaves_no_process_and_no_message(tmp_path: Path, when: str) -> None:
    process = command(tmp_path, when, 600)
    process.kill()
    assert said(process) == b""


@pytest.mark.parametrize(
    ("when", "sent"), [("at once", signal.SIGTERM), ("at once", signal.SIGINT), ("ready", signal.SIGINT)]
)
def test_a_signal_to_the_whole_group_leaves_no_process_and_no_message(
    tmp_path: Path, when: str, sent: signal.Signals
) -> None:
    process = command(tmp_path, when, 600)
    os.killpg(process.pid, sent)
    assert said(process) == b""


def test_a_command_ends_quietly_and_its_worker_with_it(tmp_path: Path) -> None:
    process = command(tmp_path, "ready", 0)
    assert said(process) == b""
    assert process.returncode == 0
    # The worker did not run the command's file a second time.
    assert (tmp_path / "imported").read_text() == "__main__\n"


def test_a_dismissed_worker_is_not_waited_for(tmp_path: Path) -> None:
    process = command(tmp_path, "stuck", 600)
    process.send_signal(signal.SIGINT)
    assert said(process) == b""


def test_the_worker_imports_the_library_and_nothing_of_the_project_but_contracts() -> None:
    expectations.warm_up()
    imported = expectations._worker().pool.submit(eval, "list(__import__('sys').modules)").result()
    assert {name.partition(".")[0] for name in imported} & {
        "dagster",
        "click",
        "duckdb",
        "pytest",
        "pipelines",
    } == set()
    assert {name for name in imported if name.startswith("assets.")} == {
        "assets.contracts",
        "assets.contracts.expectations",
        "assets.contracts.table",
    }
