"""What a refresh costs against a full run: a folder without the last line of each file, then with it.

    .venv/bin/python benchmarks/refresh.py --path DIR [--rounds 3]

`cascade run --source files` as a process, three ways: first on an empty home, then after every file has grown by one
line, then once more with nothing new; and `cascade run --full` on the same home. Prints wall seconds (median of the
rounds) and the ratios to the first run. DIR is a folder as the README describes it; nothing is written to it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from whole_run import timed_run

FOLDERS = ("equity", "crypto", "crypto_mcap", "macro")


def without_last_lines(folder: Path) -> int:
    """Take the last line off every CSV file of a market. Returns the number of files."""
    files = [path for name in FOLDERS for path in (folder / name).glob("*.csv")]
    for path in files:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-1]))
    return len(files)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {"first run": [], "one line more": [], "nothing new": [], "--full": []}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            market, home = Path(scratch, "market"), str(Path(scratch, "home"))
            shutil.copytree(arguments.path, market)
            files = without_last_lines(market)
            seconds["first run"].append(timed_run(home, "files", str(market)))
            shutil.copytree(arguments.path, market, dirs_exist_ok=True)
            seconds["one line more"].append(timed_run(home, "files", str(market)))
            seconds["nothing new"].append(timed_run(home, "files", str(market)))
            seconds["--full"].append(timed_run(home, "files", str(market), "--full"))
    first = statistics.median(seconds["first run"])
    print(f"{files} files")
    for name, times in seconds.items():
        median = statistics.median(times)
        spread = f"(from {min(times):.1f} to {max(times):.1f})"
        print(f"{name:14} {median:6.1f} s  {spread}  {median / first:.2f} of the first")


if __name__ == "__main__":
    main()
