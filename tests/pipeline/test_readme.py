"""The commands of the README do what it says, word for word: on a demo run, on folders of files, and by make.

Those that ask vendors are in test_live_run.py, and the UI's are in test_dagster_ui.py. The README's queries are run by
test_documents.py, the commands of the cookbook by test_cookbook.py.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from folders import CascadeHome, market_folder

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`\.venv/bin/cascade ([^`]+)`", TEXT)


def arguments(command: str, **places: str) -> list[str]:
    """What stands behind `cascade`, with a place in the stead of each word that stands for one."""
    return [places.get(word, word.strip('"')) for word in re.findall(r'"[^"]+"|\S+', command)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> CascadeHome:
    """What `make run` makes, twice, so that there are two snapshots to compare."""
    home = CascadeHome(tmp_path_factory.mktemp("readme") / "data" / "demo")
    for _ in range(2):
        ended = home.call(*arguments(made_by("run")))
        assert (ended.code, ended.err) == (0, "")
        assert f"Report: {home.path}/report.html" in ended.out.replace("\n", "")
        assert "SYNTHETIC DATA" in ended.out
    return home


def made_by(target: str) -> str:
    """The command line that a target of the Makefile calls, where everything is installed."""
    said = subprocess.run(
        ["make", "-n", "-o", ".venv/.ready", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    (command,) = re.findall(r"(?m)^\.venv/bin/cascade (.*)$", said)
    return str(command)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
def test_make_calls_what_tests_run() -> None:
    called = {target: made_by(target) for target in ("run", "live", "ui")}
    assert called == {"run": "run --source demo", "live": "run --source live", "ui": "ui --source demo"}


def test_there_are_commands_of_each_kind() -> None:
    assert len(COMMANDS) >= 10
    for source in ("demo", "files", "live"):
        assert any(f"--source {source}" in command for command in COMMANDS)


@needs_make
@pytest.mark.slow
def test_what_make_run_made_can_be_asked_by_every_command(demo: CascadeHome, subtests: pytest.Subtests) -> None:
    snapshots = [json.loads(line)["snapshot_id"] for line in demo.call("snapshots", "--json").out.splitlines()]
    assert len(snapshots) == 2
    for command in COMMANDS:
        if "--source files" in command or "--source live" in command:
            continue
        with subtests.test(command):
            ended = demo.call(*arguments(command, A=snapshots[0], B=snapshots[1]))
            assert (ended.code, ended.err) == (0, "")
            assert ended.out.strip()
            for day in re.findall(r"--as-of (\S+)", command):
                assert (demo.path / f"cascade-asof-{day}.duckdb").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in COMMANDS if "--source files" in command])
def test_a_folder_of_files_is_read(command: str, tmp_path: Path) -> None:
    home = CascadeHome(tmp_path / "home")
    ended = home.call(*arguments(command, DIR=str(market_folder(tmp_path / "market").path)))
    assert (ended.code, ended.err) == (0, "")
    assert home.published.is_file()


@pytest.mark.slow
def test_the_example_folder_of_the_readme_is_complete(tmp_path: Path) -> None:
    (example,) = re.findall(r"(?m)^    mkdir (?:.+\n)+", TEXT)
    written, _, command = example.replace("\n    ", "\n").rpartition(".venv/bin/cascade ")
    subprocess.run(["bash", "-ec", written], cwd=tmp_path, check=True)
    market, home = tmp_path / "data" / "market", CascadeHome(tmp_path / "data" / "example")
    ended = home.call(*arguments(command, **{"data/market": str(market)}))
    assert (ended.code, ended.err) == (0, "")
    assert home.ask("select count(*) from core.bars") == [(6,)]

    (market / "equity" / "SPX.csv").unlink()
    home = CascadeHome(tmp_path / "data" / "other")
    ended = home.call(*arguments(command, **{"data/market": str(market)}))
    (said,) = re.findall(r"`(not published: [^`]+)`", TEXT)
    assert (ended.code, ended.err) == (1, f"cascade: {said}\n")
