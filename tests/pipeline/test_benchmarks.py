"""The benchmarks, on a market that is far too small to measure anything: that they run, and what they compare is equal.

What they measure stands in docs/performance.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from folders import market_folder

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.slow


def run(script: str, *arguments: str, timeout: float = 300) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("bench") / "market")
    assert "synthetic bars of 70 symbols" in run("market.py", folder, "--symbols", "70", "--years", "4")
    return folder


def test_layers(market: str) -> None:
    told = run("layers.py", market)
    for layer in ("import", "equity", "models", "publish", "exports", "close"):
        assert len(re.findall(rf"^  {layer} +[\d.]+ +[\d.]+ ", told, re.MULTILINE)) == 2, told


def test_every_file_is_made_one_line_shorter(market: str, tmp_path: Path) -> None:
    shorter = tmp_path / "market"
    shutil.copytree(market, shorter)
    with duckdb.connect() as connection:
        connection.execute(f"copy (from '{market}/equity/RUT.parquet') to '{shorter}/equity/CSV.csv'")
        taken = f"import refresh, pathlib; print(refresh.without_last_lines(pathlib.Path({str(shorter)!r})))"
        subprocess.run([sys.executable, "-c", taken], cwd=BENCHMARKS, check=True)
        rut = connection.execute(f"from '{market}/equity/RUT.parquet' order by date").fetchall()
        for name in ("RUT.parquet", "CSV.csv"):
            dates = connection.execute(f"select date from '{shorter}/equity/{name}' order by date").fetchall()
            assert dates == [row[:1] for row in rut[:-1]]


def test_the_refresh(market: str) -> None:
    told = run("refresh.py", "--path", market, "--rounds", "1")
    for name in ("first run", "one line more", "nothing new", "evidence alone", "--full"):
        assert re.search(rf"^{name} +[\d.]+ s .*published after [\d.]+ s; [\d.]+ and [\d.]+ of the first$", told, re.M)


def test_two_checkouts_are_compared(market: str) -> None:
    checkout = str(BENCHMARKS.parent)
    told = run("compare_checkouts.py", checkout, checkout, "--path", market, "--rounds", "1")
    for name in ("first run", "nothing new", "one line more"):
        assert re.search(rf"^{name} +published after [\d.]+ -> [\d.]+ s \([\d.]+\), CPU ", told, re.M), told


def test_the_whole_run(market: str) -> None:
    told = run("whole_run.py", "--source", "files", "--path", market, "--rounds", "1")
    assert re.search(r"^second run +[\d.]+ s .*published after [\d.]+ s$", told, re.MULTILINE), told


def test_the_derivations_of_pandas_are_ours(market: str) -> None:
    """Those of Polars, too, where it is installed."""
    told = run("derivations.py", market)
    same = "rows that differ from ours: {'relative_strength': 0, 'breakouts': 0, 'responses': 0}"
    assert re.search(rf"^pandas .*\n +{re.escape(same)}$", told, re.MULTILINE), told
    assert told.count("rows that differ") == told.count(same)


@pytest.mark.timeout(1200)  # two homes, each with six commands that load Dagster, on a machine that is kept busy
def test_new_homes_stay_whole_whatever_is_started_on_them_at_once(tmp_path: Path) -> None:
    folder = market_folder(tmp_path / "market")
    assert "0 of 2 homes broken" in run("fresh_homes.py", "--path", str(folder.path), "--homes", "2", timeout=1200)
