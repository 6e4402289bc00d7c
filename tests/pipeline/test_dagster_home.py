"""The Dagster folder of a home: its databases are created once, the UI leaves no process, old runs can be removed."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from folders import PROGRAM, CascadeHome, market_folder
from shelf import Shelf
from test_dagster_ui import answers, eventually

from assets.publish.snapshots import list_snapshots
from pipelines.cli.main import main
from pipelines.dagster_home import dagster_folder
from pipelines.resources import AS_OF_TAG, PROCESS_TAG, SOURCE_TAG

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
OPEN = """
import sys
import dagster as dg
print("ready", flush=True)
sys.stdin.readline()
with dg.DagsterInstance.get() as instance:
    instance.get_runs()
"""


@pytest.fixture
def home(shelf: Shelf) -> CascadeHome:
    """A home with Dagster's configuration in it, and no databases yet."""
    dagster_folder(shelf.home)
    return CascadeHome(shelf.home.folder)


def versions(home: CascadeHome) -> dict[str, int]:
    """How many versions each of Dagster's databases says it has."""
    found = {}
    for path in (home.path / "dagster").rglob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            found[path.stem] = len(database.execute("select * from alembic_version").fetchall())
    return found


# --- databases ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_processes_that_open_a_new_home_at_once_create_its_databases_once(home: CascadeHome) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(home.path / "dagster")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n")
    assert [process.returncode for process in processes] == [0] * 4
    assert versions(home) == {"runs": 1, "index": 1, "schedules": 1}


def test_databases_that_a_killed_process_left_unfinished_are_created_anew(home: CascadeHome) -> None:
    (home.path / "dagster" / "dagster.creating").touch()
    (home.path / "dagster" / "history").mkdir()
    with closing(sqlite3.connect(home.path / "dagster" / "history" / "runs.db")) as database:
        database.execute("create table runs (half varchar)")
    with home.history() as instance:
        assert instance.get_runs() == []
    assert versions(home) == {"runs": 1, "index": 1, "schedules": 1}
    assert not (home.path / "dagster" / "dagster.creating").exists()
    with home.history() as instance:
        assert instance.get_runs_count() == 0


# --- cascade ui ---------------------------------------------------------------------------------------------------


def processes_below(pid: int) -> set[int]:
    """A process and all that it started."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        children.setdefault(parent, []).append(int(path.parent.name))

    def below(parent: int) -> set[int]:
        return {parent}.union(*map(below, children.get(parent, [])))

    return below(pid)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "code", "starts"),
    [
        (signal.SIGTERM, 0, False),
        (signal.SIGTERM, 0, True),
        (signal.SIGINT, 0, False),
        (signal.SIGHUP, 0, True),
        (signal.SIGKILL, -signal.SIGKILL, False),
    ],
)
def test_the_ui_ends_with_everything_that_it_started(
    number: signal.Signals, code: int, starts: bool, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "ui.log").open("wb") as log:
        command = [PROGRAM, "ui", "--home", str(tmp_path / "home"), "--port", str(port)]
        ui = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        if starts:  # dagster dev has begun to start its processes
            eventually("the first processes", lambda: len(processes_below(ui.pid)) > 2)
        else:
            eventually("the UI", lambda: answers(f"http://127.0.0.1:{port}/server_info"))
            assert len(processes_below(ui.pid)) > 4
        started = processes_below(ui.pid)
        ui.send_signal(number)
        assert ui.wait(30) == code
    finally:
        ui.kill()
        ui.wait()
    # Without its parent, dagster dev ends what it started by itself, which takes it some seconds.
    deadline = time.monotonic() + (30 if number == signal.SIGKILL else 1)
    while any(map(is_running, started)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in started if is_running(pid)] == []


# --- what the history says of a run -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_has_its_source_and_day_as_tags_and_hides_its_process(tmp_path: Path) -> None:
    home, folder = CascadeHome(tmp_path / "home"), market_folder(tmp_path / "market")
    command = ["run", "--source", "files", "--path", str(folder.path)]
    assert [home.call(*command).code, home.call(*command, "--as-of", "2025-06-30").code] == [0, 0]
    # SQLite's logs are in the databases. This process opens them next, and makes new ones.
    assert list(home.path.glob("dagster/**/*-wal")) == []
    with home.history() as instance:
        view, newest = (run.tags for run in instance.get_runs())
    assert (newest[SOURCE_TAG], newest.get(AS_OF_TAG)) == ("files", None)
    assert (view[SOURCE_TAG], view[AS_OF_TAG]) == ("files", "2025-06-30")
    # The prefix of the tags that the UI does not show.
    assert PROCESS_TAG.startswith(".dagster/") and newest[PROCESS_TAG]


# --- cascade prune ------------------------------------------------------------------------------------------------


@dg.asset
def often() -> None: ...


@dg.asset
def once() -> None: ...


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["one", "two"]))
def by_part() -> None: ...


@dg.op
def nothing() -> None: ...


@dg.job
def waiting() -> None:
    nothing()


def prune(home: CascadeHome, *arguments: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")  # the command sets it
        result = CliRunner().invoke(main, ["prune", "--home", str(home.path), *arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_prune_removes_old_runs_and_snapshots_and_keeps_what_is_newest(home: CascadeHome, shelf: Shelf) -> None:
    snapshots = [shelf.publish() for _ in range(3)]
    with home.history() as instance:

        def run(asset: dg.AssetsDefinition, partition: str | None = None) -> str:
            return dg.materialize([asset], instance=instance, partition_key=partition, run_config=QUIET).run_id

        waiting_id = instance.create_run_for_job(waiting).run_id
        old = [run(often), run(by_part, "two"), run(often)]
        needed = [run(once), run(by_part, "one"), run(by_part, "two")]
        newest = run(often)
    logs = home.path / "dagster" / "history" / "runs"

    def size() -> int:
        return sum(path.stat().st_size for path in logs.glob("index.db*"))

    before = size()

    said = prune(home, "--runs", "1", "--snapshots", "1", "--dry-run")
    assert "would remove 1 of 2 older snapshots" in said
    assert "would remove 3 of 8 runs" in said
    assert list_snapshots(shelf.home) == snapshots[::-1]

    assert "removed 3 of 8 runs" in prune(home, "--runs", "1", "--snapshots", "1")
    with home.history() as instance:
        assert {run.run_id for run in instance.get_runs()} == {waiting_id, *needed, newest}
        assert instance.get_materialized_partitions(dg.AssetKey("by_part")) == {"one", "two"}
    assert not any((logs / f"{run_id}.db").exists() for run_id in old)
    assert size() < before
    assert list_snapshots(shelf.home) == snapshots[:0:-1]
    assert home.published.samefile(home.path / snapshots[-1].path)
    assert "removed 0 of 5 runs" in prune(home)
