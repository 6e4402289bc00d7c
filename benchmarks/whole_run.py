"""Measures the time and memory of whole runs: `cascade run` as a process, first on an empty home, then again.

    .venv/bin/python benchmarks/whole_run.py [--source files --path DIR] [--rounds 3]

Prints wall seconds (median of the rounds), wall seconds until the new file was published (before the report and the
Parquet files are made), and the peak memory of the largest process.
"""

from __future__ import annotations

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Took(NamedTuple):
    """Wall seconds of a run, and until its file was published, as the run reports them."""

    whole: float
    published: float


def timed_run(home: str, source: str, path: str, *more: str, checkout: str | None = None) -> Took:
    """Run once and measure it. Exits if the run does not publish.

    Args:
        home: The home of the run.
        source: demo or files.
        path: The folder of the source files; empty for demo.
        more: Further options of `cascade run`.
        checkout: The checkout whose command is run; this one by default.
    """
    programs = Path(checkout, ".venv", "bin") if checkout else Path(sys.executable).parent
    command = [str(programs / "cascade"), "run", "--source", source, "--home", home, *more]
    if path:
        command += ["--path", path]
    begin = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if result.returncode not in (0, 3):
        sys.exit(result.stderr)
    published = re.search(r"^Published .* in ([\d.]+) s", result.stdout, re.MULTILINE)
    return Took(seconds, float(published[1]) if published else float("nan"))


def row(name: str, runs: Sequence[Took]) -> str:
    """The medians of some runs, and the range of them."""
    whole, published = ([getattr(run, field) for run in runs] for field in Took._fields)
    return (
        f"{name:14} {statistics.median(whole):6.1f} s (from {min(whole):.1f} to {max(whole):.1f}), "
        f"published after {statistics.median(published):.1f} s"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="demo", choices=("demo", "files"))
    parser.add_argument("--path", default="")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    firsts, seconds = [], []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            firsts.append(timed_run(home, arguments.source, arguments.path))
            seconds.append(timed_run(home, arguments.source, arguments.path))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(row("first run", firsts))
    print(row("second run", seconds))
    print(f"peak memory {peak:6.0f} MiB in the largest process")


if __name__ == "__main__":
    main()
