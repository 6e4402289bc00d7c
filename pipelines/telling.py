"""What the command line leaves for Dagster's history: each run as a file of lines, written while it goes on.

Dagster takes as long to start and to take down a hundred tables as the tables take to build, so a run from the command
line does not wait for it: it writes what its steps report into `dagster/untold/RUN.jsonl` of its home, and `recorder`,
a process of low priority, retells the file to Dagster line by line. A file stays until it is told whole; one that was
interrupted, whichever process was killed, is told by the next recorder.

Here: the folder, the lines, writing them and reading them while they are written. Dagster is not imported.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from assets.contracts.table import Column
from assets.steps import Work
from assets.warehouse.home import Home, WarehouseError, unwritable
from assets.warehouse.lock import locked
from assets.warehouse.results import Check, CheckGroup, StepEvent, StepFailed, TableBuilt
from pipelines.settings import ROOT, Settings

# Creating the databases of a new history takes about a second.
HISTORY_SECONDS = 60.0
# How often a reader looks for new lines.
POLL_SECONDS = 0.1
# Low enough to give way to whatever is done next; the lowest would never come to an end on a busy machine.
LOW_PRIORITY = 10


def dagster_home(where: Home) -> Path:
    """The home's own Dagster folder, with the project's instance configuration in it.

    Raises WarehouseError when it cannot be written.
    """
    folder = where.folder / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / "dagster.yaml"
        with locked(folder / "history.lock", HISTORY_SECONDS, lambda _: None):
            if not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(ROOT / "dagster.yaml")
    except OSError as error:
        said = error.strerror or str(error)
        raise WarehouseError(
            unwritable(folder, said) or f"{folder} cannot be written: {said}; choose another --home"
        ) from error
    return folder


def untold(folder: Path) -> list[Path]:
    """The files of runs that Dagster's history does not have whole, oldest first."""
    paths = (folder / "untold").glob("*.jsonl")
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def recording(folder: Path) -> IO[str] | None:
    """The lock that one recorder holds, taken; None where another one has it, which will look for more to tell."""
    lock = (folder / "recorder.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def start_recorder(where: Home) -> None:
    """Let a process of its own tell Dagster what is untold, unless one is at it. It may outlive this one."""
    folder = where.folder / "dagster"
    lock = recording(folder)
    if lock is None:
        return
    lock.close()
    with (folder / "recorder.log").open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-m", "pipelines.recorder", str(where.folder)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=partial(os.nice, LOW_PRIORITY),
        )


@dataclass(frozen=True)
class Noting:
    """Work whose reports are written down as they come."""

    work: Work
    lines: IO[str]

    def reports(self, step: str, selected: Set[str] | None = None) -> Iterator[StepEvent]:
        """See `Work`. Whatever is raised becomes a StepFailed: a run that fails says so in one line."""
        try:
            for report in self.work.reports(step, selected):
                _write(self.lines, step=step, kind=type(report).__name__, report=asdict(report))
                yield report
        except Exception as error:
            reason = in_a_line(error)
            details = "" if isinstance(error, StepFailed) else traceback.format_exc()
            _write(self.lines, step=step, failed=reason, details=details)
            raise StepFailed(reason) from error
        _write(self.lines, step=step, done=True)


def in_a_line(error: BaseException) -> str:
    """The first line of what was raised. Errors of the project are written to be read without their name."""
    line = (str(error).strip().splitlines() or [""])[0]
    return line if type(error).__module__.startswith(("assets.", "pipelines.")) else f"{type(error).__name__}: {line}"


@contextmanager
def told(folder: Path, run_id: str, settings: Settings) -> Iterator[IO[str]]:
    """The file in which a run is told. It is locked while the run goes on, so that its end cannot be missed.

    Raises OSError when it cannot be written.
    """
    path = folder / "untold" / f"{run_id}.jsonl"
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        _write(lines, run_id=run_id, settings=asdict(settings))
        # Only now may a recorder find it: to one that finds it unlocked, the run is over.
        new.rename(path)
        try:
            yield lines
        except BaseException as error:
            _write(lines, ended=True, failed=in_a_line(error))
            raise
        _write(lines, ended=True)


def _write(lines: IO[str], **entry: object) -> None:
    lines.write(json.dumps(entry) + "\n")
    lines.flush()


@contextmanager
def retelling(path: Path) -> Iterator[Retelling]:
    """Work that was done, or is being done, by another process.

    Raises ValueError, KeyError or TypeError for a file of another program or version.
    """
    with path.open(encoding="utf-8") as lines:
        yield Retelling(lines)


class Retelling:
    """What another process wrote of its work, as it writes it; `run_id` and `settings` are those of its run."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._part = ""
        self._steps: dict[str, list[dict[str, Any]]] = {}
        self._end: str | None = None
        first = self._next()
        if first is None:
            raise ValueError("it tells of no run")
        self.run_id: str = first["run_id"]
        self.settings = Settings(**{**first["settings"], "symbols": tuple(first["settings"]["symbols"])})

    def reports(self, step: str, selected: Set[str] | None = None) -> Iterator[StepEvent]:
        """See `Work`. Waits for what is not written yet."""
        entries = self._steps.setdefault(step, [])
        at = 0
        while True:
            while at == len(entries):
                self._read_on()
            entry = entries[at]
            at += 1
            if "failed" in entry:
                raise StepFailed("\n".join(filter(None, (entry["failed"], entry.get("details")))))
            if "done" in entry:
                return
            yield _report(entry["kind"], entry["report"])

    def _read_on(self) -> None:
        """Take in one more line. Raises StepFailed when there will be none."""
        if self._end is None:
            entry = self._next()
            if entry is None:
                self._end = "its process ended before the run did"
            elif "ended" in entry:
                self._end = entry.get("failed") or "the run ended before this step"
            else:
                self._steps.setdefault(entry["step"], []).append(entry)
                return
        raise StepFailed(self._end)

    def _next(self) -> dict[str, Any] | None:
        """The next line, or None if the writer has ended."""
        while True:
            is_over = self._is_over()
            self._part += self._lines.readline()
            if self._part.endswith("\n"):
                line, self._part = self._part, ""
                entry: dict[str, Any] = json.loads(line)
                return entry
            if is_over:
                return None
            time.sleep(POLL_SECONDS)

    def _is_over(self) -> bool:
        """Whether the writer is gone: the kernel frees its lock however it ended."""
        try:
            fcntl.flock(self._lines, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._lines, fcntl.LOCK_UN)
        return True


def _report(kind: str, values: dict[str, Any]) -> StepEvent:
    if kind == "Check":
        return Check(**values)
    if kind == "CheckGroup":
        return CheckGroup(**{**values, "checks": tuple(Check(**check) for check in values["checks"])})
    return TableBuilt(**{**values, "columns": tuple(Column(**column) for column in values["columns"])})
