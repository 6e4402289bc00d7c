"""Failed runs that are tried again: those that failed for a reason that may pass, if a tag allows it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from folders import CascadeHome
from standin import CHART_HOSTS, Fault, StandinMarket, VendorStandin, forget_vendors, weekdays

from assets.config.universe import load_universe
from assets.warehouse.home import Home
from assets.warehouse.lock import locked
from pipelines.definitions import defs
from pipelines.jobs import SCHEDULES
from pipelines.resources import PROCESS_TAG, RETRIES_TAG

ROOT = Path(__file__).parents[2]
JOB = "crypto_after_midnight"
# Further requests are given up at once, as the vendor asks to wait for longer than a run does.
IS_DOWN = dict.fromkeys(CHART_HOSTS, Fault("too_many_429", retry_after=3600))
IS_UNKNOWN = dict.fromkeys(CHART_HOSTS, Fault("not_found_404"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CascadeHome:
    monkeypatch.setenv("CASCADE_HOME", str(tmp_path / "home"))
    return CascadeHome(tmp_path / "home")


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[VendorStandin]:
    """The vendors of the live source, for this process and for its children."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    days = weekdays(yesterday - timedelta(days=400), yesterday, holidays=[date(yesterday.year, 12, 25)])
    with VendorStandin(StandinMarket.for_universe(load_universe(), sessions=days, end=yesterday)) as running:
        forget_vendors()
        given = {"CASCADE_SOURCE": "live", "CASCADE_FRED_DELAY_SECONDS": "0", "CASCADE_RETRY_SECONDS": "1"}
        for name, value in {**running.environment, **given}.items():
            monkeypatch.setenv(name, value)
        yield running


def failed_run(tags: dict[str, str]) -> dg.DagsterRun:
    """A run of the job in this process that fails, as Dagster keeps it."""
    with dg.DagsterInstance.ephemeral(settings={"run_retries": {"enabled": True}}) as instance:
        result = defs.resolve_job_def(JOB).execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        assert not result.success
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        return run


def test_the_schedules_ask_for_retries() -> None:
    assert {str(schedule.tags) for schedule in SCHEDULES} == {str({RETRIES_TAG: "2"})}


def test_a_run_that_finds_the_warehouse_busy_is_tried_again(home: CascadeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.work.WAIT_SECONDS", 0.1)
    monkeypatch.setattr("pipelines.resources.warm_up", lambda: None)
    home.path.mkdir()
    with locked(Home(home.path).run_lock, 0, lambda _: None):
        asked = failed_run({RETRIES_TAG: "2"}).tags
        # A run from the command line has no such tag.
        plain = failed_run({}).tags
    assert (asked["dagster/max_retries"], asked["dagster/will_retry"]) == ("2", "true")
    assert ("dagster/max_retries" in plain, plain["dagster/will_retry"]) == (False, "false")


def test_a_run_with_wrong_settings_is_not_tried_again(home: CascadeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADE_SOURCE", "no such source")
    monkeypatch.setattr("pipelines.resources.warm_up", lambda: None)
    assert failed_run({RETRIES_TAG: "2"}).tags["dagster/will_retry"] == "false"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "will_retry"), [(IS_DOWN, "true"), (IS_UNKNOWN, "false")], ids=["unreachable", "unknown symbols"]
)
def test_what_the_vendor_answers_decides(
    home: CascadeHome, standin: VendorStandin, faults: dict[str, Fault], will_retry: str
) -> None:
    standin.faults = dict(faults)
    assert failed_run({RETRIES_TAG: "2"}).tags["dagster/will_retry"] == will_retry


@pytest.mark.slow
def test_an_attempt_that_fails_for_another_reason_is_the_last(
    home: CascadeHome, standin: VendorStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt has the tags of the first, which asked for it."""
    waits: list[float] = []
    monkeypatch.setattr("pipelines.resources.time.sleep", waits.append)
    standin.faults = dict(IS_UNKNOWN)
    inherited = {RETRIES_TAG: "2", "dagster/max_retries": "2", "dagster/retry_number": "1"}
    assert failed_run(inherited).tags["dagster/will_retry"] == "false"
    assert waits[0] == 1


def eventually(what: str, ask: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not ask():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come")
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dagster_s_daemon_tries_again_and_publishes(
    home: CascadeHome, standin: VendorStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin.faults = dict(IS_DOWN)
    history = home.path / "dagster"
    history.mkdir(parents=True)
    (history / "dagster.yaml").symlink_to(ROOT / "pipelines" / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(history))
    folder = Path(sys.executable).parent

    def statuses() -> list[str]:
        with dg.DagsterInstance.from_config(str(history)) as instance:
            return [run.status.value for run in reversed(instance.get_runs())]

    def pids() -> list[str]:
        with dg.DagsterInstance.from_config(str(history)) as instance:
            return [run.tags[PROCESS_TAG] for run in instance.get_runs()]

    with (tmp_path / "daemon.log").open("wb") as log:
        command = [str(folder / "dagster-daemon"), "run", "-m", "pipelines.definitions"]
        daemon = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        launch = [str(folder / "dagster"), "job", "launch", "-m", "pipelines.definitions", "-j", "everything"]
        launch += ["--tags", f'{{"{RETRIES_TAG}": "2"}}']
        subprocess.run(launch, cwd=ROOT, check=True, capture_output=True)
        eventually("the first failure", lambda: "FAILURE" in statuses())
        standin.faults = {}
        eventually("the second attempt", lambda: statuses() == ["FAILURE", "SUCCESS"])
        # A run that the daemon started is a child of multiprocessing, which waits for every process it has started.
        eventually("the end of the runs' processes", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids()))
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait(60)
    assert home.ask("select status from meta.runs order by started_at") == [("not_published",), ("published",)]
