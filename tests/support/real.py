"""Real market data for the slow tests: the folder that CASCADE_REAL_DATA names, and the command line on it.

The folder is laid out as the files source wants it and cannot be shipped with the project, so tests with these marks
are skipped without it. The fixtures that stand on it are in conftest.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

FOLDER = os.environ.get("CASCADE_REAL_DATA", "")

MARKS = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER, reason="CASCADE_REAL_DATA names no folder of real market data"),
]


def run_cascade(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line on the real folder, as a user calls it."""
    command = [str(Path(sys.executable).with_name("cascade")), "run", "--source", "files", "--path", FOLDER]
    return subprocess.run([*command, "--home", str(home), *arguments], capture_output=True, text=True, check=False)


def closes(kind: str, symbol: str) -> pd.Series:
    """The closes of one file, indexed by date."""
    frame = pd.read_csv(Path(FOLDER) / kind / f"{symbol}.csv", parse_dates=["date"])
    return frame.set_index("date")["close"]
