"""What docs/operations.md tells an operator to do, done: the units, a backup during a run, a restore, a migration.

The units cannot be started here, as few test machines run systemd; their commands are, word for word, with the
environment that they name.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from folders import CascadeHome, differences, healthy_home, market_folder
from test_dagster_ui import answers

from pipelines.cli.main import main

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "docs" / "systemd").glob("*.service"))
BACKUP = ROOT / "docs" / "backup.sh"
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

PATIENCE_SECONDS = 300.0


def eventually(what: str, ask: Callable[[], bool]) -> None:
    """Wait until it is so, or fail with what never came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ask():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come within {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.05)


@dataclass(frozen=True)
class Unit:
    """The commands of a unit and its environment, moved from where it is installed to where the test is."""

    before: list[str] | None
    command: list[str]
    environment: dict[str, str]


def unit(name: str, home: Path, port: int) -> Unit:
    """A unit file as systemd would read it."""
    text = (ROOT / "docs" / "systemd" / name).read_text(encoding="utf-8")
    for installed, here in (
        ("/opt/cascade/.venv/bin", str(Path(sys.executable).parent)),
        ("/opt/cascade", str(ROOT)),
        ("/var/lib/cascade/live", str(home)),
        ("CASCADE_SOURCE=live", "CASCADE_SOURCE=demo"),
        ("-p 3000", f"-p {port}"),
    ):
        text = text.replace(installed, here)
    before = re.search(r"(?m)^ExecStartPre=(.*)$", text)
    (command,) = re.findall(r"(?m)^ExecStart=(.*)$", text)
    environment = dict(line.split("=", 1) for line in re.findall(r"(?m)^Environment=(.*)$", text))
    return Unit(shlex.split(before[1]) if before else None, shlex.split(command), {**os.environ, **environment})


@contextmanager
def service(what: Unit, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A unit's process while it runs; in the end it is stopped as systemd does, all of it."""
    if what.before:
        subprocess.run(what.before, env=what.environment, cwd=ROOT, check=True, capture_output=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            what.command,
            env=what.environment,
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_units_are_sound(tmp_path: Path) -> None:
    for path in UNITS:
        moved = path.read_text(encoding="utf-8").replace("/opt/cascade/.venv/bin", str(Path(sys.executable).parent))
        (tmp_path / path.name).write_text(moved.replace("/opt/cascade", str(ROOT)), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("*.service")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(UNITS) == 2
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_units_and_the_script_are_those_that_the_text_names() -> None:
    for path in [*UNITS, BACKUP]:
        assert path.name in TEXT
    for name in re.findall(r"docs/[a-z/.-]+\.[a-z]+", TEXT):
        assert (ROOT / name).is_file(), name
    commands = re.findall(r"bin/cascade ([a-z]+)", TEXT)
    assert len(commands) >= 4
    assert set(commands) <= set(main.commands)


@pytest.mark.slow
@pytest.mark.timeout(900)  # real runs, one after the other
def test_the_services_show_the_ui_on_loopback_and_run_what_is_queued(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path / "home"
    (home / "dagster").mkdir(parents=True)
    shutil.copy(ROOT / "pipelines" / "dagster.yaml", home / "dagster" / "dagster.yaml")
    webserver, daemon = (unit(f"cascade-{name}.service", home, port) for name in ("webserver", "daemon"))
    with service(webserver, tmp_path / "webserver.log"), service(daemon, tmp_path / "daemon.log"):
        eventually("the UI", lambda: answers(f"http://127.0.0.1:{port}/server_info"))
        listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True)
        assert [line.split()[3] for line in listening.stdout.splitlines()] == [f"127.0.0.1:{port}"]
        (launch,) = re.findall(r"(?m)^ +\S*bin/(dagster job launch .*)$", TEXT)
        program, *arguments = shlex.split(launch)
        subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            env=daemon.environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        eventually("the published file", (home / "cascade.duckdb").exists)


def is_writing(home: CascadeHome, pid: int) -> bool:
    """Whether a run of this process is under way in the home."""
    lock = home.path / "run.lock"
    return lock.exists() and f'"pid": {pid},' in lock.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)  # real runs, one after the other
def test_a_home_that_was_backed_up_during_a_run_can_be_restored(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = market_folder(tmp_path / "market")
    home = healthy_home(tmp_path_factory.getbasetemp()).copy(tmp_path / "home")
    with closing(sqlite3.connect(home.path / "alerts.sqlite")) as record:
        record.execute("create table messages (id)")
        record.execute("insert into messages values ('told')")
        record.commit()
    # Something to store, so that a copy that did not wait for the run would differ.
    folder.edit("equity/IWM", "2025-12-12", volume="1234567")
    target = tmp_path / "backups" / "home"
    command = home.command("run", "--source", "files", "--path", str(folder.path))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
        eventually("the run's lock", lambda: is_writing(home, run.pid))
        backup = subprocess.run([str(BACKUP), str(home.path), str(target)], capture_output=True, text=True, check=False)
        assert (backup.returncode, backup.stdout) == (0, f"{target}\n"), backup.stderr
        assert run.wait() == 0

    # It has what the run that it waited for has stored, and is whole.
    restored = CascadeHome(tmp_path / "restored")
    shutil.copytree(target, restored.path, symlinks=True)
    assert restored.stored() == home.stored()
    assert restored.ask(
        "select version from core.bars where instrument_id = 'IWM' and session_date = '2025-12-12'"
    ) == [(2,)]
    assert not target.with_name("home.part").exists()
    with closing(sqlite3.connect(restored.path / "alerts.sqlite")) as record:
        assert record.execute("select id from messages").fetchall() == [("told",)]
    # Life goes on in it: the next run adds nothing to what is stored and publishes the same.
    ended = restored.run(folder)
    assert (ended.code, ended.err) == (0, "")
    assert restored.stored() == home.stored()
    assert differences(home.published, restored.published) == {}
    with restored.history() as instance:
        # Only the run that the backup waited for was in the history on disk.
        assert len(instance.get_runs()) == 1
    # After an upgrade of Dagster its history is brought up to date like this; here there is nothing to do.
    subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "instance", "migrate"],
        env={**os.environ, "DAGSTER_HOME": str(restored.path / "dagster")},
        check=True,
        capture_output=True,
    )

    again = subprocess.run([str(BACKUP), str(home.path), str(target)], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (2, f"{target} is there already; name a new folder\n")
    nothing = subprocess.run(
        [str(BACKUP), str(folder.path), str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    assert (nothing.returncode, (tmp_path / "none").exists()) == (2, False)


def test_a_backup_minds_nothing_that_changes_in_dagster_s_folder(tmp_path: Path) -> None:
    """Its history and its logs come and go at any time; everything else waits for the lock."""
    home, target = tmp_path / "home", tmp_path / "copy"
    (home / "dagster").mkdir(parents=True)
    (home / "warehouse.lock").touch()
    (home / "warehouse.duckdb").write_bytes(b"rows")
    for number in range(3000):  # so that reading takes its time
        (home / "dagster" / f"log-{number}").touch()
    churn = "while true; do for i in 1 2 3 4 5 6 7 8 9; do echo . > $i; done; rm -f [1-9]; done"
    others = subprocess.Popen(["bash", "-c", churn], cwd=home / "dagster", start_new_session=True)
    try:
        done = subprocess.run([str(BACKUP), str(home), str(target)], capture_output=True, text=True, check=False)
    finally:
        os.killpg(others.pid, signal.SIGKILL)
        others.wait()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{target}\n", "")
    assert (target / "warehouse.duckdb").read_bytes() == b"rows"
