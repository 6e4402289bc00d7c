"""How Dagster learns of runs from the command line: what is written while a run goes on, and what is retold of it."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import dagster as dg
import pytest
from folders import CascadeHome

from assets.contracts.table import Column
from assets.steps import PUBLISHED, everything
from assets.warehouse.home import Home
from assets.warehouse.results import Check, CheckGroup, StepEvent, StepFailed, TableBuilt
from pipelines.recorder import main, retell
from pipelines.resources import RUN_TAG
from pipelines.settings import Settings
from pipelines.telling import Noting, retelling, told, untold

BROKEN = Check("class_delivered", "raw.crypto_bars", False, "ERROR", 3, 1, "nothing came")
REPORTS: dict[str, list[StepEvent]] = {
    "universe": [TableBuilt("reference.universe", {"source": "test", "instruments": 4}, 4)],
    "equity": [
        TableBuilt("raw.equity_bars", {"source": "test", "rows_new": 2}, 2),
        CheckGroup(
            "contract", "raw.equity_bars", (Check("close_is_positive", "raw.equity_bars", True, "ERROR", 2, 0),)
        ),
        Check("nothing_vanished", "raw.equity_bars", False, "WARN", 2, 1, "IWM 2024-01-02"),
    ],
    "models": [TableBuilt("core.bars", {"seconds": 0.25}, 2, (Column("close", "double", "Last price."),))],
}


@dataclass(frozen=True)
class Scripted:
    """Work with given reports; the step `failing` raises."""

    reported: dict[str, list[StepEvent]]
    failing: str = ""

    def reports(self, step: str, selected: Set[str] | None = None) -> Iterator[StepEvent]:
        yield from self.reported.get(step, [])
        if step == self.failing:
            raise ZeroDivisionError("division by zero")

    def close(self) -> None:
        """Nothing was begun."""


def tell(folder: Path, work: Scripted, run_id: str = "11111111-1111-1111-1111-111111111111") -> Path:
    """The file of a run that did this work."""
    folder.mkdir(exist_ok=True)
    try:
        with told(folder, run_id, Settings("demo", home=str(folder), symbols=("IWM",))) as lines:
            for _ in everything(Noting(work, lines)):
                pass
    except StepFailed:
        pass
    return untold(folder)[-1]


def test_what_was_reported_is_read_as_it_was(tmp_path: Path) -> None:
    with retelling(tell(tmp_path, Scripted(REPORTS))) as work:
        # Dagster asks in an order of its own.
        assert list(work.reports("models")) == REPORTS["models"]
        assert list(work.reports("equity")) == REPORTS["equity"]
        assert list(work.reports("universe")) == REPORTS["universe"]
        assert list(work.reports("sessions")) == []
        assert work.settings == Settings("demo", home=str(tmp_path), symbols=("IWM",))


def test_an_error_is_told_in_one_line_and_whole_in_the_history(tmp_path: Path) -> None:
    path = tell(tmp_path, Scripted(REPORTS, failing="equity"))
    with (
        retelling(path) as work,
        pytest.raises(StepFailed, match=r"^ZeroDivisionError: division by zero\nTraceback ") as failed,
    ):
        list(work.reports("equity"))
    assert "test_telling.py" in str(failed.value)
    with retelling(path) as work, pytest.raises(StepFailed, match=r"^equity: ZeroDivisionError: division by zero"):
        list(work.reports("models"))


def test_a_class_that_blocks_does_not_keep_the_others_away(tmp_path: Path) -> None:
    asked = []
    work = Scripted({**REPORTS, "crypto": [BROKEN]})
    with pytest.raises(StepFailed, match=r"^crypto_bars: nothing came$"):
        for step, _ in everything(work):
            asked.append(step)
    assert asked == ["universe", "equity", "equity", "equity", "crypto"]


def test_every_class_that_fails_is_named(tmp_path: Path) -> None:
    work = Scripted({**REPORTS, "equity": [replace(BROKEN, table_name="raw.equity_bars")]}, failing="crypto")
    with (
        told(tmp_path, "run", Settings()) as lines,
        pytest.raises(StepFailed, match=r"^equity_bars: nothing came; crypto: ZeroDivisionError: division by zero$"),
    ):
        list(everything(Noting(work, lines)))


@pytest.mark.slow
def test_what_a_check_says_is_not_taken_for_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(BROKEN, detail="BTC: HTTP 429: Quota exceeded")
    monkeypatch.setattr("assets.steps.StepRunner", lambda *_, **__: Scripted({**REPORTS, "crypto": [broken]}))
    ended = CascadeHome(tmp_path / "home").invoke("run", "--source", "demo")
    reason = "cascade: not published: crypto_bars: BTC: HTTP 429: Quota exceeded\n"
    assert (ended.code, ended.out, ended.err) == (1, "", reason)


WRITER = """
import sys, time
from pathlib import Path
from assets.steps import TableBuilt
from pipelines.settings import Settings
from pipelines.telling import _write, told
with told(Path(sys.argv[1]), "22222222-2222-2222-2222-222222222222", Settings()) as lines:
    _write(lines, step="universe", kind="TableBuilt", report={"table_name": "t", "facts": {}, "rows": 1, "columns": []})
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_the_end_of_a_killed_run_is_noticed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with retelling(untold(tmp_path)[0]) as work:
            reports = work.reports("universe")
            assert next(reports) == TableBuilt("t", {}, 1)
            writer.send_signal(signal.SIGKILL)
            with pytest.raises(StepFailed, match="its process ended before the run did"):
                next(reports)


def test_no_recorder_finds_a_run_that_is_not_locked_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def look(lines: IO[str], operation: int) -> None:
        found.append(untold(tmp_path))
        flock(lines, operation)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", look)
    with told(tmp_path, "run", Settings()):
        assert [path.name for path in untold(tmp_path)] == ["run.jsonl"]
    assert found == [[]]


def events(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    return [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]


@pytest.mark.slow
def test_a_run_is_told_to_dagster_and_again_where_it_was_interrupted(tmp_path: Path) -> None:
    path = tell(tmp_path, Scripted(REPORTS, failing="equity"))
    with dg.DagsterInstance.ephemeral() as instance:
        retell(instance, path)
        retell(instance, path)  # as after a recorder that was killed
        again, run = instance.get_runs()
        assert (run.run_id, run.job_name) == ("11111111-1111-1111-1111-111111111111", "everything")
        assert again.tags[RUN_TAG] == run.tags[RUN_TAG] == run.run_id != again.run_id
        assert "'symbols': ['IWM']" in str(run.run_config)
        for told_run in (run, again):
            assert told_run.status is dg.DagsterRunStatus.FAILURE
            failed = {e.step_key: e for e in events(instance, told_run.run_id) if e.is_step_failure}
            assert "ZeroDivisionError: division by zero" in str(failed["equities"].step_failure_data.error)
        materialized = instance.get_latest_materialization_event(dg.AssetKey(["raw", "equity_bars"]))
        assert materialized is not None and materialized.asset_materialization is not None
        assert materialized.asset_materialization.metadata["dagster/row_count"].value == 2


def test_what_cannot_be_retold_is_kept_and_makes_no_run_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    folder = tmp_path / "dagster"
    (folder / "untold").mkdir(parents=True)
    (folder / "untold" / "old.jsonl").write_text('{"run": "of another version"}\n', encoding="utf-8")
    main(Home(tmp_path))
    assert untold(folder) == []
    assert [path.name for path in (folder / "untold").iterdir()] == ["old.unreadable"]
    assert "old.jsonl cannot be retold: KeyError('run_id')" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_from_the_command_line_is_in_the_history(tmp_path: Path) -> None:
    home = CascadeHome(tmp_path / "home")
    assert home.call("run", "--source", "demo").code == 0
    deadline = time.monotonic() + 120
    while untold(home.path / "dagster") and time.monotonic() < deadline:
        time.sleep(0.2)
    with dg.DagsterInstance.from_config(str(home.path / "dagster")) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.SUCCESS
        published = instance.get_latest_materialization_event(dg.AssetKey(PUBLISHED.split(".")))
        assert published is not None and published.asset_materialization is not None
        assert published.asset_materialization.metadata["path"].value == str(home.published)
    assert (home.path / "dagster" / "recorder.log").read_text(encoding="utf-8") == ""
