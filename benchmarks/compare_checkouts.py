"""Compares the runs of two checkouts in turns, because a machine has good and bad hours.

    .venv/bin/python benchmarks/compare_checkouts.py BEFORE NOW --path DIR [--rounds 3]

BEFORE and NOW are checkouts in which `make setup` was run. Each round runs `cascade run --source files` as a process in
one and then in the other: on an empty home, with nothing new, and after every file has grown by one line. Prints the
medians of wall seconds until the new file was published, and of CPU seconds of the whole command. DIR is a folder as
described in the README; nothing is written to it.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from refresh import without_last_lines
from whole_run import timed_run


class Measured(NamedTuple):
    """Wall seconds until the file was published, and CPU seconds of the command and its children."""

    published: float
    cpu: float


def measured(checkout: str, home: str, market: str) -> Measured:
    """Run once and measure it. Exits if the run does not publish."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = timed_run(home, "files", market, checkout=checkout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measured(took.published, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("now")
    parser.add_argument("--path", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    runs: dict[tuple[str, int], list[Measured]] = {}
    for _ in range(arguments.rounds):
        for number, checkout in enumerate((arguments.before, arguments.now)):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
                market, home = str(Path(scratch, "market")), str(Path(scratch, "home"))
                shutil.copytree(arguments.path, market)
                without_last_lines(Path(market))
                for name in ("first run", "nothing new", "one line more"):
                    if name == "one line more":
                        shutil.copytree(arguments.path, market, dirs_exist_ok=True)
                    runs.setdefault((name, number), []).append(measured(checkout, home, market))
    for name in dict.fromkeys(name for name, _ in runs):
        before, now = (Measured(*map(statistics.median, zip(*runs[name, number], strict=True))) for number in (0, 1))
        print(
            f"{name:14} published after {before.published:.1f} -> {now.published:.1f} s "
            f"({now.published / before.published:.2f}), CPU {before.cpu:.1f} -> {now.cpu:.1f} s "
            f"({now.cpu / before.cpu:.2f})"
        )


if __name__ == "__main__":
    main()
