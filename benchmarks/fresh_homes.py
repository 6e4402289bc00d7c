"""Starts Cascade's and Dagster's commands on new homes, all at once, and looks whether a database is broken afterwards.

    .venv/bin/python benchmarks/fresh_homes.py --path DIR [--homes 20] [--seed N]

For each home: `cascade run`, `cascade ui`, `dagster dev`, `dagster sensor start`, and `dagster asset materialize` or
`dagster job execute`, in random order, with random pauses, while other processes keep half of the cores busy. `ui` and
`dagster dev` are stopped by a signal at a random time, also while they start. Then each database must have one version,
the newest; `dagster instance info` and another `cascade run` must work; and no process may be left. DIR is a folder of
files as described in the README. Prints a line per home; exits with 1 if a home is broken.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
MODULE = ["-m", "pipelines.definitions"]
ASSET = ["--select", 'key:"reference/universe"']
# In the environment of every process that is started, so that none is missed.
MARK = "CASCADE_HOME"
# What `dagster dev` may take to end. A longer wait means that a process is left.
PATIENCE_SECONDS = 90.0


def commands(chance: random.Random, home: Path, market: str) -> list[tuple[list[str], float | None]]:
    """The commands, each with the seconds after which it is stopped; None if it ends by itself."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(str(free.getsockname()[1]))
    other = chance.choice([["asset", "materialize", *MODULE, *ASSET], ["job", "execute", *MODULE, "-j", "everything"]])
    made: list[tuple[list[str], float | None]] = [
        (["cascade", "run", "--source", "files", "--path", market, "--home", str(home)], None),
        (["cascade", "ui", "--source", "files", "--home", str(home), "--port", ports[0]], chance.uniform(1, 30)),
        (["dagster", "dev", *MODULE, "-h", "127.0.0.1", "-p", ports[1]], chance.uniform(1, 30)),
        (["dagster", "sensor", "start", "alerts", *MODULE], None),
        (["dagster", *other], None),
    ]
    chance.shuffle(made)
    return made


def call(command: list[str], environment: dict[str, str], stop_after: float | None, number: int) -> str:
    """Run a command and stop it if it does not end by itself. Returns what is wrong with it, or nothing."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            process.wait(stop_after)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.wait()
        said.seek(0)
        text = said.read()
    is_broken = re.search(r"alembic|already exists|no such table|head present|OperationalError|IntegrityError", text)
    if is_broken or (process.returncode and stop_after is None):
        return f"{' '.join(command[:3])} ended with {process.returncode}: ...{text[-1500:]}"
    return ""


def left(home: Path) -> list[str]:
    """The command lines of the processes of a home that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={home}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
        except OSError:  # it has ended, or belongs to another user
            continue
    return [line for line in found if line]


def troubles(chance: random.Random, home: Path, market: str) -> list[str]:
    """Start everything on a new home. Returns what is wrong afterwards."""
    folder = home / "dagster"
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").symlink_to(ROOT / "pipelines" / "dagster.yaml")
    settings = {"CASCADE_SOURCE": "files", "CASCADE_PATH": market, MARK: str(home), "DAGSTER_HOME": str(folder)}
    environment = {**os.environ, **settings}
    with ThreadPoolExecutor() as pool:
        started = []
        for command, stop_after in commands(chance, home, market):
            number = chance.choice([signal.SIGTERM, signal.SIGINT])
            started.append(pool.submit(call, command, environment, stop_after, number))
            time.sleep(chance.choice([0, 0, chance.uniform(0, 3)]))
        wrong = [trouble for future in started if (trouble := future.result())]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (still := left(home)) and time.monotonic() < deadline:
        time.sleep(1)
    wrong += [f"still runs: {line}" for line in still]
    for path in sorted(folder.rglob("*.db")):
        with closing(sqlite3.connect(path)) as database:
            if len(versions := database.execute("select version_num from alembic_version").fetchall()) != 1:
                wrong.append(f"{path.name} has the versions {versions}")
    info = subprocess.run(
        [str(BIN / "dagster"), "instance", "info"], env=environment, capture_output=True, text=True, check=False
    )
    schemas = re.findall(r"current: (\w+)\n +latest: (\w+)", info.stdout)
    if len(schemas) != 3 or any(current != latest for current, latest in schemas):
        wrong.append(f"dagster instance info: {schemas} {info.stderr[-500:]}")
    again = call(["cascade", "run", "--source", "files", "--path", market, "--home", str(home)], environment, None, 0)
    return [*wrong, again] if again else wrong


def main() -> None:
    """Try every home and print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", required=True)
    parser.add_argument("--homes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    # A shell starts a background command with SIGINT ignored, which the commands would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chance, broken = random.Random(arguments.seed), 0
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range((os.cpu_count() or 2) // 2)]
    try:
        for number in range(arguments.homes):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
                wrong = troubles(chance, Path(scratch, "home"), str(Path(arguments.path).resolve()))
            broken += bool(wrong)
            print(f"home {number + 1}: {'; '.join(wrong) or 'sound'}", flush=True)
    finally:
        for burner in burners:
            burner.kill()
    print(f"{broken} of {arguments.homes} homes broken")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
