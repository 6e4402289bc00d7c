"""Measures a refresh against a first run: a folder without the last line of each file, then with it.

    .venv/bin/python benchmarks/refresh.py --path DIR [--rounds 3]

Runs `cascade run --source files` as a process: on an empty home; after every file has grown by one line; with nothing
new; with nothing new but the tables of evidence built again, which is the minimum of a refresh, because any of their
numbers may change with every session; and with `--full`. Prints wall seconds (median of the rounds), wall seconds until
the new file was published, and the ratios to the first run. DIR is a folder as described in the README; nothing is
written to it. Of a CSV file that has grown only the new lines are read, a Parquet file is read as a whole.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

import duckdb
from whole_run import Took, row, timed_run

from assets.models.sql_files import read_models

FOLDERS = ("equity", "crypto", "crypto_mcap", "macro")
# Statistics that use all of history, by their module.
INFERRING = ("false_discovery", "forecasts", "lead_lag", "shift_test")


def without_last_lines(folder: Path) -> int:
    """Remove the last line of every file of a market. Returns the number of files."""
    files = [path for name in FOLDERS for path in (folder / name).glob("*.*")]
    with duckdb.connect() as connection:
        for path in files:
            if path.suffix == ".parquet":
                rows = connection.read_parquet(str(path))
                rows.limit(len(rows) - 1).create("shorter")
                connection.execute(f"copy shorter to '{path}'; drop table shorter")
            else:
                path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    return len(files)


def forget_evidence(home: str) -> None:
    """Make the next run build the tables of evidence again, and every table that reads them."""
    evidence: set[str] = set()
    for model in read_models():
        if evidence & {*model.upstream} or (model.statistic and model.statistic.module in INFERRING):
            evidence.add(model.full_name)
    with duckdb.connect(str(Path(home, "warehouse.duckdb"))) as connection:
        connection.execute("delete from reference.builds where list_contains(?, table_name)", [sorted(evidence)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    runs: dict[str, list[Took]] = {
        name: [] for name in ("first run", "one line more", "nothing new", "evidence alone", "--full")
    }
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            market, home = Path(scratch, "market"), str(Path(scratch, "home"))
            shutil.copytree(arguments.path, market)
            files = without_last_lines(market)
            runs["first run"].append(timed_run(home, "files", str(market)))
            shutil.copytree(arguments.path, market, dirs_exist_ok=True)
            runs["one line more"].append(timed_run(home, "files", str(market)))
            runs["nothing new"].append(timed_run(home, "files", str(market)))
            forget_evidence(home)
            runs["evidence alone"].append(timed_run(home, "files", str(market)))
            runs["--full"].append(timed_run(home, "files", str(market), "--full"))
    print(f"{files} files")
    firsts = [statistics.median(times) for times in zip(*runs["first run"], strict=True)]
    for name, took in runs.items():
        whole, published = (
            statistics.median(times) / first for times, first in zip(zip(*took, strict=True), firsts, strict=True)
        )
        print(f"{row(name, took)}; {whole:.2f} and {published:.2f} of the first")


if __name__ == "__main__":
    main()
