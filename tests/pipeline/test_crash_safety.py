"""Runs that are killed, disks that are full, homes that cannot be written: what is left, and what the next run does.

The processes are real. A run that dies leaves the old published file or the new one, whole; whatever else it leaves,
the next run copes with it and clears it away, and then everything is as if no run had ever died.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import DagsterRunStatus, RunsFilter
from folders import COINS, EQUITIES, CascadeHome, Ended, MarketFolder, differences, healthy_home, market_folder
from test_cli import HOLDER, other_process

from assets.publish import published_file
from assets.warehouse.connection import swap_in
from assets.warehouse.home import unwritable

# What a home holds when nothing of a killed run is left.
TIDY = [
    ".parquet",
    "cascade.duckdb",
    "dagster",
    "parquet",
    "report.html",
    "run.lock",
    "snapshots",
    "warehouse.duckdb",
    "warehouse.lock",
]

PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> CascadeHome:
    return healthy_home(tmp_path_factory.getbasetemp())


@pytest.fixture
def home(healthy: CascadeHome, tmp_path: Path) -> CascadeHome:
    """A home with the healthy market in it."""
    return healthy.copy(tmp_path / "home")


@pytest.fixture
def empty(tmp_path: Path) -> CascadeHome:
    """A home that nothing was ever run into."""
    return CascadeHome(tmp_path / "empty")


@pytest.fixture
def folder(tmp_path: Path) -> MarketFolder:
    return market_folder(tmp_path / "market")


def eventually(what: str, ask: Callable[[], Any]) -> Any:
    """The first answer that is not false, or a failure that names what never came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.005)
    raise AssertionError(f"never came: {what}")


def contents(path: Path) -> dict[str, tuple[int, int]]:
    """For each table that does not tell of runs: its rows and the sum of their hashes. Every value is read."""
    with duckdb.connect(str(path), read_only=True) as reader:
        tables = reader.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name in ('raw', 'core', 'marts') or table_name in ('quarantine', 'freshness') order by all"
        ).fetchall()
        return {
            name: reader.execute(f"select count(*), sum(hash(t)::hugeint) from {name} as t").fetchall()[0]
            for (name,) in tables
        }


def names(home: CascadeHome) -> list[str]:
    """What lies in a home, without the ids of the export's folders."""
    return sorted({path.name.partition("-")[0] for path in home.path.iterdir()})


def unfinished_runs(home: CascadeHome) -> int:
    """How many runs Dagster shows as going on. Its queue lets no other run start then."""
    with home.history() as instance:
        return instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.STARTED]))


# Killed at chosen moments


# A run that stops for good in the middle of publishing, at a call of the function that is named.
STOPPING = """
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from assets.publish import published_file
from assets.config.parameters import load_parameters
from assets.config.universe import load_universe
from assets.sources.files import FilesSource
from assets.warehouse import run_log
from assets.warehouse.connection import writing
from assets.warehouse.home import Home
from assets.warehouse.run import Run

folder, place, function, calls = sys.argv[1:]
home = Home(Path(place))
calls_left = int(calls)
original = getattr(published_file, function)

def stop(*arguments):
    global calls_left
    calls_left -= 1
    if calls_left:
        return original(*arguments)
    print("ready", flush=True)
    time.sleep(60)

with writing(home, None, 0, print) as (connection, locks):
    source, now = FilesSource(Path(folder)), datetime.now(UTC)
    run = Run("killed", connection, home, source, load_universe(), load_parameters(), None, now, "", locks=locks)
    run_log.open_run(run)
    setattr(published_file, function, stop)
    published_file.publish(run, "published")
"""


def kill_in(function: str, home: CascadeHome, folder: MarketFolder, call: int = 1) -> None:
    """Kill a run while it is in a call of a function of the publisher."""
    with other_process(STOPPING, str(folder.path), str(home.path), function, str(call)) as run:
        run.send_signal(signal.SIGKILL)
        run.wait()


@pytest.mark.parametrize(
    "function", ["swap_in", *(pytest.param(name, marks=pytest.mark.slow) for name in ("finish", "_check"))]
)
def test_a_run_that_is_killed_while_it_publishes_leaves_the_old_file(
    function: str, home: CascadeHome, folder: MarketFolder
) -> None:
    published = home.published.read_bytes()

    kill_in(function, home, folder)

    assert (home.path / "cascade.duckdb.tmp").exists()
    assert home.published.read_bytes() == published
    assert home.ask("select status from meta.runs") == [("published",)]


@pytest.mark.slow
def test_a_run_that_is_killed_after_it_has_published_has_published(home: CascadeHome, folder: MarketFolder) -> None:
    kill_in("finish", home, folder, call=2)

    assert home.ask("select status from meta.runs order by started_at") == [("published",)] * 2
    assert home.run(folder).code == 0
    assert home.ask("select status, finished_at is not null from meta.runs") == [("published", True)] * 3


@pytest.mark.slow
def test_the_run_after_a_killed_one_publishes_and_clears_up(
    healthy: CascadeHome, home: CascadeHome, folder: MarketFolder
) -> None:
    for function in ("finish", "swap_in"):
        kill_in(function, home, folder)
    # What a killed look back leaves, and a query that had to put rows aside.
    for name in ("warehouse.duckdb.tmp", ".warehouse-asof-2025-06-30.duckdb.tmp"):
        (home.path / name).mkdir()
        (home.path / name / "duckdb_temp_block-1.block").write_bytes(b"rows")
    for name in (".warehouse-asof-2025-06-30.duckdb", "cascade-asof-2025-06-30.duckdb.tmp"):
        shutil.copy(home.published, home.path / name)

    assert home.call("run", "--source", "files", "--path", str(folder.path)).code == 0
    assert names(home) == TIDY
    assert home.stored() == healthy.stored()
    assert differences(healthy.published, home.published) == {}


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_no_run_that_seems_to_go_on(
    empty: CascadeHome, folder: MarketFolder
) -> None:
    run = subprocess.Popen(
        empty.command("run", "--source", "files", "--path", str(folder.path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    eventually("the write-ahead log", lambda: (empty.path / "warehouse.duckdb.wal").exists())
    run.kill()
    # Its children share its standard error, which ends with the last of them.
    run.communicate(timeout=PATIENCE_SECONDS)

    # The next run tells Dagster of both.
    assert empty.call("run", "--source", "files", "--path", str(folder.path)).code == 0
    assert unfinished_runs(empty) == 0


# Killed at any moment


# Runs as the command line runs them, but without the seconds of imports before: they are forked from a process that has
# imported everything, and the validating process begins only when there is something to validate. A line of input is
# the file that takes what the run's steps say, and the arguments.
FORKING = """
import logging
import os
import signal
import sys

from pipelines import execution
from pipelines.cli import main, summary

main.warm_up = lambda: None
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    said, *arguments = line.rstrip().split("\\t")
    process = os.fork()
    if not process:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        handler = logging.FileHandler(said)
        handler.setFormatter(logging.Formatter("%(created)f %(message)s"))
        logging.getLogger("cascade").addHandler(handler)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        main.main(arguments)
    print(process, flush=True)
"""

PHASES = ("ingest", "models", "publish")
# In each lane: some of the first kills while nothing is stored yet, all others in any order.
FIRST_KILLS, KILLS = 5, {"ingest": 10, "models": 8, "publish": 8}


@dataclass(frozen=True)
class Forked:
    """A forked run: its process, and the file with what its steps have said and when."""

    process: int
    said: Path

    def began(self) -> dict[str, float]:
        """When each phase began, as far as the run has come."""
        times: dict[str, float] = {}
        for line in self.said.read_text(encoding="utf-8").splitlines() if self.said.exists() else []:
            instant, _, message = line.partition(" ")
            if message.endswith(": fetching"):
                times.setdefault("ingest", float(instant))
            elif message.startswith("as of "):
                times.setdefault("models", float(instant))
            elif message == "publishing":
                times.setdefault("publish", float(instant))
        return times

    def is_alive(self) -> bool:
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> bool:
        """Kill it with its children. Returns whether it was still there."""
        try:
            os.killpg(self.process, signal.SIGKILL)
        except ProcessLookupError:
            return False
        eventually("the end of a killed run", lambda: not self.is_alive())
        return True


@dataclass
class Lane:
    """Runs into one home, one after the other."""

    forker: subprocess.Popen[str]
    home: CascadeHome
    market: MarketFolder
    runs: int = 0

    def start(self) -> Forked:
        assert self.forker.stdin is not None and self.forker.stdout is not None
        self.runs += 1
        said = self.home.path.with_name(f"{self.home.path.name}-said-{self.runs}")
        self.forker.stdin.write("\t".join([str(said), *self.home.command(*self.arguments)[1:]]) + "\n")
        self.forker.stdin.flush()
        return Forked(int(self.forker.stdout.readline()), said)

    @property
    def arguments(self) -> list[str]:
        return ["run", "--source", "files", "--path", str(self.market.path)]

    def published_at(self) -> int | None:
        """When the published file was written, in nanoseconds."""
        path = self.home.published
        return path.stat().st_mtime_ns if path.exists() else None

    def never_killed(self) -> dict[str, float]:
        """Let a run come to its end. Returns how many seconds each phase took."""
        run = self.start()
        eventually("the end of a run", lambda: not run.is_alive())
        ended, began = time.time(), run.began()
        limits = [*(began[phase] for phase in PHASES), ended]
        return {phase: limits[n + 1] - limits[n] for n, phase in enumerate(PHASES)}

    def killed(self, phase: str, seconds: float, lengths: dict[str, float]) -> str | None:
        """Kill a run some seconds into a phase. Returns the phase that it had come to, or None when it had ended.

        `lengths` is updated with the lengths of the run's phases: ingest is short if nothing is new.
        """
        run = self.start()
        eventually(f"the phase {phase}", lambda: phase in run.began() or not run.is_alive())
        time.sleep(seconds)
        was_alive, began = run.kill(), list(run.began().items())
        lengths |= {name: later - instant for (name, instant), (_, later) in pairwise(began)}
        return began[-1][0] if was_alive else None


def killed_again_and_again(forker: subprocess.Popen[str], past: CascadeHome | None, market: MarketFolder) -> list[str]:
    """A home in which one run after the other is killed, beside one in which none is. Returns the phases of the kills.

    With a past the home has a published file from the beginning, and the market has changed since.
    """
    base = market.path.with_name(f"{market.path.name}-homes")
    base.mkdir()
    homes = [CascadeHome(base / name) for name in ("never-killed", "killed")]
    for home in homes:
        if past:
            past.copy(home.path)
    reference, lane = (Lane(forker, home, market) for home in homes)
    lengths = reference.never_killed()
    assert reference.home.ask("select status from meta.runs order by started_at desc limit 1") == [("published",)]
    allowed = [contents(reference.home.published), *([contents(past.published)] if past else [])]

    chance = random.Random(market.path.name)
    later = [phase for phase in PHASES for _ in range(KILLS[phase])][FIRST_KILLS:]
    chance.shuffle(later)
    phases: list[str] = []
    swapped = 0
    seen = lane.published_at()
    for phase in ["ingest"] * FIRST_KILLS + later:
        hit = None
        while hit is None:  # until a run was killed before it ended
            hit = lane.killed(phase, chance.uniform(0, lengths[phase]), lengths)
            if (instant := lane.published_at()) != seen:
                seen, swapped = instant, swapped + 1
                assert contents(lane.home.published) in allowed
                newest = lane.home.ask("select status from meta.runs order by started_at desc limit 1")
                assert newest == [("published",)]
        phases.append(hit)

    ended = lane.home.call(*lane.arguments)
    assert (ended.code, ended.err) == (0, "")
    assert contents(lane.home.published) == contents(reference.home.published)
    assert differences(reference.home.published, lane.home.published) == {}
    assert lane.home.stored() == reference.home.stored()
    # What was swapped in was published, even where the run was killed before it could say so.
    published = 1 + swapped + bool(past)
    assert lane.home.ask("select count(*) from meta.runs where status = 'published'") == [(published,)]
    assert lane.home.ask_warehouse("select count(*) from meta.runs where status = 'running'") == [(0,)]
    assert names(lane.home) == TIDY
    assert unfinished_runs(lane.home) == 0
    return phases


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_fifty_killed_runs_all_is_as_if_none_had_been(healthy: CascadeHome, tmp_path: Path) -> None:
    unchanged, changed = market_folder(tmp_path / "unchanged"), market_folder(tmp_path / "changed")
    for name in [f"equity/{symbol}" for symbol in EQUITIES] + [f"crypto/{coin}" for coin in COINS]:
        changed.edit(name, "2025-12-10", volume="123456")
        changed.add(name, "2025-12-15" + changed.line(name, "2025-12-12").removeprefix("2025-12-12"))

    with (
        other_process(FORKING) as one,
        other_process(FORKING) as other,
        ThreadPoolExecutor(2) as both,
    ):
        lanes = [
            both.submit(killed_again_and_again, one, None, unchanged),
            both.submit(killed_again_and_again, other, healthy, changed),
        ]
        counts = Counter(phase for lane in lanes for phase in lane.result())

    assert counts.total() == 2 * sum(KILLS.values()) >= 50
    assert all(counts[phase] >= 10 for phase in PHASES), counts


# A disk that is full


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "_duckdb.IOException: IO Error: Could not write file: No space left on device",
            "No space left on device; make room on its disk or choose another --home, and run again",
        ),
        (
            "(sqlite3.OperationalError) database or disk is full",
            "disk is full; make room on its disk or choose another --home, and run again",
        ),
        ("attempt to write a readonly database", "readonly database; choose another --home"),
        ("[Errno 13] Permission denied: '/home/warehouse.lock'", "Permission denied; choose another --home"),
        ("[Errno 13] Permission denied: '/market/equity/IWM.csv'", None),
        ("_duckdb.IOException: IO Error: Not a database", None),
    ],
)
def test_what_says_that_a_folder_cannot_be_written_is_told_with_the_cure(said: str, told: str | None) -> None:
    assert unwritable(Path("/home"), said) == (f"/home cannot be written: {told}" if told else None)


@pytest.mark.slow
def test_a_disk_that_is_full_while_publishing_leaves_the_old_file_and_no_other(
    home: CascadeHome, folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = home.published.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cascade.duckdb.tmp")

    monkeypatch.setattr(published_file, "_check", full)
    ended = home.run(folder)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"cascade: not published: {home.path} cannot be written: No space left on device; "
        "make room on its disk or choose another --home, and run again\n"
    )
    assert home.published.read_bytes() == published
    assert not list(home.path.glob("*.tmp*"))


@pytest.mark.slow
def test_a_disk_that_is_full_after_publishing_does_not_hide_that_it_was(
    home: CascadeHome, folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap_and_fail(new: Path, path: Path) -> None:
        swap_in(new, path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(published_file, "swap_in", swap_and_fail)
    ended = home.run(folder)

    assert ended.code == 3
    assert "Published as of " in ended.out
    # Those that are there are of the run before.
    assert "Report: " not in ended.out and "Parquet files " not in ended.out
    assert ended.err == (
        f"cascade: published, but a later step failed: {home.path} cannot be written: No space left on device; "
        "make room on its disk or choose another --home, and run again\n"
    )


def limited(command: list[str], largest: int) -> Ended:
    """A command for which no file can grow beyond a size: to a program, the disk is full there."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest))
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("full", ["folder", "warehouse", "publish"])
def test_a_disk_that_is_full_is_told_in_one_line_and_the_run_after_needs_no_repair(
    full: str, healthy: CascadeHome, home: CascadeHome, folder: MarketFolder
) -> None:
    published, size = home.published.read_bytes(), home.published.stat().st_size
    largest = {"folder": 0, "warehouse": 2_500_000, "publish": size - size // 10}[full]
    # Everything anew: a run that finds all as it should be writes next to nothing.
    command = home.command("run", "--source", "files", "--path", str(folder.path), "--full")

    ended = limited(command, largest)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"cascade: not published: {home.path} cannot be written: ")
    assert ended.err.endswith("; make room on its disk or choose another --home, and run again\n")
    assert ended.err.count("\n") == 1
    assert home.published.read_bytes() == published
    # Each size is met before the warehouse, in it or in Dagster's history, or when all that is left is to publish.
    came_to = home.ask_warehouse("select count(*) from meta.runs")[0][0]
    came_to += home.ask_warehouse("select count(*) from meta.checks where check_name = 'everything_is_fresh'")[0][0]
    assert came_to in {"folder": (2,), "warehouse": (2, 3), "publish": (4,)}[full]

    assert home.call(*command[1:-2]).code == 0
    assert home.stored() == healthy.stored()
    assert differences(healthy.published, home.published) == {}
    assert names(home) == TIDY
    assert unfinished_runs(home) == 0


# A home that cannot be written


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/proc/cascade", "/sys/cascade"])
def test_a_read_only_file_system_is_told_in_one_line(place: str, folder: MarketFolder) -> None:
    if not Path(place).parent.is_dir():
        pytest.skip("no such file system here")
    home = CascadeHome(Path(place))

    ended = home.call("run", "--source", "files", "--path", str(folder.path))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"cascade: not published: {place}/dagster cannot be written: ")
    assert ended.err.endswith("; choose another --home\n")
    assert ended.err.count("\n") == 1


@contextmanager
def without_write_permission(*paths: Path) -> Iterator[None]:
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(path.stat().st_mode | 0o200)


@pytest.mark.parametrize("name", [".", "warehouse.lock", "warehouse.duckdb"])
def test_a_home_without_write_permission_is_told_in_one_line(
    name: str, home: CascadeHome, folder: MarketFolder
) -> None:
    published = home.published.read_bytes()

    with without_write_permission(home.path / name):
        if os.access(home.path / name, os.W_OK):
            pytest.skip("to the superuser permissions mean nothing")
        ended = home.run(folder)

    assert (ended.code, ended.out) == (1, "")
    reason = f"{home.path} cannot be written: Permission denied; choose another --home"
    assert ended.err == f"cascade: not published: {reason}\n"
    assert home.published.read_bytes() == published


# A warehouse that somebody else has open


@pytest.mark.slow
def test_a_run_from_the_shell_names_who_holds_the_warehouse(home: CascadeHome, folder: MarketFolder) -> None:
    published = home.published.read_bytes()

    with other_process(HOLDER, str(home.warehouse)) as holder:
        ended = home.call("run", "--source", "files", "--path", str(folder.path))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"cascade: not published: {home.warehouse} is held by ")
    assert f"(PID {holder.pid}); close it there" in ended.err
    assert ended.err.count("\n") == 1
    assert home.published.read_bytes() == published
