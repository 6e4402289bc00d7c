"""Measures the time of each layer of a first and of a second run, and of the slowest models.

    .venv/bin/python benchmarks/layers.py MARKET

MARKET is a folder of benchmarks/market.py, or any folder that the source `files` can read. The steps are those of
`cascade run`, in one process per run. Prints wall and CPU seconds (all threads) per layer, the peak memory at its end,
and CPU seconds per million bars. Rows are validated in another process; the time that a class waits for it is in the
layer of that class.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

LONGEST = 12


def run_once(market: str, home: str) -> None:
    """Run once and print each layer. The summary at the end of `cascade run` is not measured."""
    begin, cpu = time.perf_counter(), time.process_time()

    def lap(layer: str, bars: int | None = None) -> None:
        nonlocal begin, cpu
        wall, used = time.perf_counter() - begin, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        per_million = f"{used / bars * 1e6:8.2f}" if bars else " " * 8
        print(f"  {layer:12} {wall:8.1f} {used:8.1f} {per_million} {peak:8.0f}", flush=True)
        begin, cpu = time.perf_counter(), time.process_time()

    from assets.models import create, sql_files
    from assets.steps import STEPS, StepRunner
    from assets.warehouse.run import log
    from pipelines.settings import Settings, planned
    from pipelines.work import opened

    lap("import")
    log.setLevel("WARNING")
    seconds: dict[str, float] = defaultdict(float)
    original, compute = create.create_model, sql_files.Statistic.compute

    def timed(connection, model, parameters):  # type: ignore[no-untyped-def]
        started = time.perf_counter()
        columns = original(connection, model, parameters)
        seconds[model.full_name] += time.perf_counter() - started
        return columns

    def timed_statistic(self, connection, parameters):  # type: ignore[no-untyped-def]
        started = time.perf_counter()
        frame = compute(self, connection, parameters)
        seconds[f"  statistic {self.module}.{self.function}"] += time.perf_counter() - started
        return frame

    create.create_model, sql_files.Statistic.compute = timed, timed_statistic  # type: ignore[method-assign]
    with opened(planned(Settings("files", market, home)), "benchmark") as run:
        lap("open")
        work = StepRunner(run)
        for step in STEPS:
            for _ in work.events(step):
                pass
            bars = run.connection.execute(
                "select (select count(*) from raw.equity_bars) + (select count(*) from raw.crypto_bars)"
            ).fetchall()[0][0]
            lap(step, bars)
    lap("close")
    print("  longest models, wall seconds, two at a time:")
    for name, took in sorted(seconds.items(), key=lambda item: -item[1])[:LONGEST]:
        print(f"    {name:44} {took:7.1f}")


def main() -> None:
    """Start two runs, each in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("market")
    parser.add_argument("--home", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.home:
        run_once(arguments.market, arguments.home)
        return
    with tempfile.TemporaryDirectory() as home:
        for name in ("first run", "second run, nothing new"):
            print(f"{name:14} {'wall s':>8} {'CPU s':>8} {'s/M bars':>8} {'MiB':>8}", flush=True)
            command = [sys.executable, str(Path(__file__)), arguments.market, "--home", home]
            if subprocess.run(command, check=False).returncode:
                sys.exit(f"{name} failed")


if __name__ == "__main__":
    main()
