"""How long a whole run takes, and how much memory: `cascade run` as a process, first on an empty home, then again.

    .venv/bin/python benchmarks/whole_run.py [--source files --path DIR] [--rounds 3]

Prints wall seconds (median of the rounds) and the peak memory of the largest process.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def timed_run(home: str, source: str, path: str, *more: str) -> float:
    """Wall seconds of one run. Exits when the run does not publish."""
    command = [str(Path(sys.executable).with_name("cascade")), "run", "--source", source, "--home", home, *more]
    if path:
        command += ["--path", path]
    begin = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if result.returncode not in (0, 3):
        sys.exit(result.stderr)
    # Dagster is told beside the run and after it; the next measurement begins when that is over.
    while any(Path(home, "dagster", "untold").glob("*.jsonl")):
        time.sleep(0.2)
    return seconds


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
    first, second = statistics.median(firsts), statistics.median(seconds)
    for name, times in (("first", firsts), ("second", seconds)):
        print(f"{name:6} run {statistics.median(times):6.1f} s  (from {min(times):.1f} to {max(times):.1f})")
    print(f"second / first {second / first:.2f}")
    print(f"peak memory {peak:6.0f} MiB in the largest process")


if __name__ == "__main__":
    main()
