"""Compares the runs of two checkouts in turns, because a machine has good and bad hours.

    .venv/bin/python benchmarks/compare_checkouts.py BEFORE NOW --path DIR [--rounds 3]

BEFORE and NOW are checkouts in which `make setup` was run. Each round runs `cascade run --source files` as a process in
one and then in the other: on an empty home, with nothing new, and after every file has grown by one line. Prints the
medians of wall seconds until the new file was published, and of CPU seconds of the whole command. DIR is a folder as
described in the README; nothing is written to it.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from refresh import without_last_lines


class Took(NamedTuple):
    """Wall seconds until the file was published, and CPU seconds of the command and its children."""

    published: float
    cpu: float


def timed_run(checkout: str, home: Path, market: Path) -> Took:
    """Run once and measure it. Exits if the run does not publish."""
    command = [str(Path(checkout, ".venv", "bin", "cascade")), "run", "--source", "files"]
    command += ["--path", str(market), "--home", str(home)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    published = re.search(r"^Published .* in ([\d.]+) s", result.stdout, re.MULTILINE)
    if published is None:
        sys.exit(result.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(float(published[1]), cpu)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("now")
    parser.add_argument("--path", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    runs: dict[tuple[str, int], list[Took]] = {}
    for _ in range(arguments.rounds):
        for number, checkout in enumerate((arguments.before, arguments.now)):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
                market, home = Path(scratch, "market"), Path(scratch, "home")
                shutil.copytree(arguments.path, market)
                without_last_lines(market)
                for name in ("first run", "nothing new", "one line more"):
                    if name == "one line more":
                        shutil.copytree(arguments.path, market, dirs_exist_ok=True)
                    runs.setdefault((name, number), []).append(timed_run(checkout, home, market))
    for name in dict.fromkeys(name for name, _ in runs):
        before, now = (Took(*map(statistics.median, zip(*runs[name, number], strict=True))) for number in (0, 1))
        print(
            f"{name:14} published after {before.published:.1f} -> {now.published:.1f} s "
            f"({now.published / before.published:.2f}), CPU {before.cpu:.1f} -> {now.cpu:.1f} s "
            f"({now.cpu / before.cpu:.2f})"
        )


if __name__ == "__main__":
    main()
