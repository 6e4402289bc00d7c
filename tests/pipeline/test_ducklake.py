"""A warehouse that several machines share: the same tables as from a file, and writers and readers at once.

The PostgreSQL is real, started here for these tests alone, and so are the processes.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pytest
from folders import CascadeHome, MarketFolder, differences, healthy_home, market_folder
from test_cli import other_process

from assets.warehouse.ducklake import ADDRESS, DuckLake
from assets.warehouse.home import Home, WarehouseError

# In .venv-lake none of these tests is skipped, so that .ci/run cannot pass without them.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        Path(sys.prefix).name != ".venv-lake",
        reason="DuckDB's extensions for a lake are in .venv-lake (make lake); run these tests from there",
    ),
]

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nowhere"))
BUSY_SECONDS = 30.0
PATIENCE_SECONDS = 120.0

# A machine that keeps one class: each round its file has grown by a day, is stored, derived from and published.
WRITER = """
import sys, time
from datetime import date, timedelta
from pathlib import Path
from assets.publish import published_file as publishing
from assets.models.sql_files import read_models
from assets.publish.published_file import publish
from assets.models.build import assets_read
from assets.steps import StepRunner
from pipelines.settings import Settings, planned
from pipelines.work import opened

folder, home, step, name, day, seconds = sys.argv[1:]
file, day, end = Path(folder, name), date.fromisoformat(day), time.monotonic() + float(seconds)
models = {model.full_name: model for model in read_models()}
selected, found = set(), {"core.bars"}
while found:
    selected |= found
    found = {up for name in found for up in assets_read(models[name], models) if up in models} - selected
# The catalog describes every model, and here only some are built.
publishing.write_catalog = lambda *_: None
print("ready", flush=True)
while time.monotonic() < end:
    day += timedelta(days=3 if day.weekday() == 4 and step == "equity" else 1)
    last = file.read_text().splitlines()[-1]
    file.write_text(file.read_text() + ",".join([str(day), *last.split(",")[1:]]) + chr(10))
    with opened(planned(Settings("files", folder, home)), f"{step} {day}") as run:
        for made in ("universe", "sessions", step, "clock"):
            list(StepRunner(run).events(made))
        list(StepRunner(run).events("models", selected))
        with run.locks.step("publish"):
            publish(run, "published")
    print("round", flush=True)
"""

# A reader as any DuckDB client is one: it sees all of a publication or nothing of it, and never an older one again.
READER = """
import sys, time
from pathlib import Path
from assets.warehouse.ducklake import DuckLake

address, seconds = sys.argv[1:]
lake, end, last, reads = DuckLake(address), time.monotonic() + float(seconds), 0, 0
print("ready", flush=True)
while time.monotonic() < end:
    connection = lake.connected(":memory:", Path("/nowhere"))
    connection.execute(f"attach '{address}' as cascade (read_only)")
    connection.execute("use cascade")
    for _ in range(5):
        connection.begin()
        raw, = connection.execute(
            "select (select count(*) from raw.equity_bars) + (select count(*) from raw.crypto_bars)"
        ).fetchone()
        derived, = connection.execute("select count(*) from core.bars").fetchone()
        connection.commit()
        assert raw == derived >= last, (raw, derived, last)
        last, reads = raw, reads + 1
    connection.close()
print("reads", reads, flush=True)
"""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of these tests."""

    port: int

    def lake(self, name: str) -> str:
        """The address of a lake in a new database."""
        subprocess.run(
            [str(BIN / "createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "cascade", name], check=True
        )
        return f"{ADDRESS}dbname={name} host=127.0.0.1 port={self.port} user=cascade"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    assert BIN.exists(), "there is no PostgreSQL; Debian's package postgresql has it"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Below a folder of one's own the user postgres could not enter pytest's.
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/cascade-postgres-XXXXXX"], text=True).strip())
    as_postgres = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        as_postgres = ["runuser", "-u", "postgres", "--"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [*as_postgres, str(BIN / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    quiet = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    quiet([*as_postgres, str(BIN / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "cascade", "-N"])
    quiet([*control, "-o", options, "-l", str(folder / "log"), "start"])
    try:
        yield Server(port)
    finally:
        quiet([*control, "-m", "immediate", "stop"])
        shutil.rmtree(folder)


@pytest.fixture
def lake(server: Server, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty lake, which every run of the test works on."""
    address = server.lake(request.node.name[5:60].lower())
    monkeypatch.setenv("CASCADE_WAREHOUSE", address)
    monkeypatch.setenv("CASCADE_WAREHOUSE_DATA", str(tmp_path / "lake"))
    return address


@contextmanager
def reading(address: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """What any DuckDB client sees of a lake."""
    connection = DuckLake(address).connected(":memory:", Path("/nowhere"))
    connection.execute(f"attach '{address}' as cascade (read_only)")
    connection.execute("use cascade")
    yield connection
    connection.close()


def writer(market: MarketFolder, home: Path, asset_class: str, seconds: float) -> list[str]:
    """The arguments of a `WRITER`."""
    name = {"equity": "equity/RUT.csv", "crypto": "crypto/BTC.csv"}[asset_class]
    day = (market.path / name).read_text().splitlines()[-1].partition(",")[0]
    return [str(market.path), str(home), asset_class, name, day, str(seconds)]


def test_a_lake_holds_what_a_file_holds(
    lake: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CASCADE_WAREHOUSE")
    file = healthy_home(tmp_path_factory.getbasetemp())
    monkeypatch.setenv("CASCADE_WAREHOUSE", lake)
    home, market = CascadeHome(tmp_path / "home"), market_folder(tmp_path / "market")

    assert (first := home.run(market)).code == 0, first.err

    assert not home.warehouse.exists()
    assert differences(file.published, home.published) == {}
    with reading(lake) as reader:
        reader.execute(f"attach '{file.published}' as file (read_only)")
        tables = reader.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = 'file' and schema_name in ('core', 'marts') order by all"
        ).fetchall()
        assert len(tables) > 20
        for (name,) in tables:
            different = reader.execute(
                f"(from file.{name} except all from cascade.{name}) "
                f"union all (from cascade.{name} except all from file.{name})"
            ).fetchall()
            assert different == [], name
        described = (
            "select table_name, column_name, comment from duckdb_columns() where database_name = '{}' "
            "and schema_name = 'marts' order by all"
        )
        assert (
            reader.execute(described.format("cascade")).fetchall()
            == reader.execute(described.format("file")).fetchall()
        )
        # One publication is one commit, so the past is there by its number.
        assert reader.execute("select count(*) from cascade.snapshots() where snapshot_id > 0").fetchall() == [(1,)]
    # Nothing that a refresh finds unchanged is built again.
    assert (second := home.run(market)).code == 0, second.err
    with reading(lake) as reader:
        assert reader.execute("select status, rows_new from meta.runs order by started_at").fetchall()[1:] == [
            ("published", 0)
        ]


def test_two_writers_and_two_readers_at_once(lake: str, tmp_path: Path) -> None:
    markets = [market_folder(tmp_path / name) for name in ("one", "two")]
    # Before anybody reads there is something to read.
    for market, step in zip(markets, ("equity", "crypto"), strict=True):
        first = subprocess.run(
            [sys.executable, "-c", WRITER, *writer(market, tmp_path / step, step, 0.1)], capture_output=True, text=True
        )
        assert first.returncode == 0, first.stderr

    processes = [
        subprocess.Popen([sys.executable, "-c", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in (
            [WRITER, *writer(markets[0], tmp_path / "equity", "equity", BUSY_SECONDS)],
            [WRITER, *writer(markets[1], tmp_path / "crypto", "crypto", BUSY_SECONDS)],
            [READER, lake, str(BUSY_SECONDS)],
            [READER, lake, str(BUSY_SECONDS)],
        )
    ]
    told = [process.communicate(timeout=BUSY_SECONDS + PATIENCE_SECONDS) for process in processes]

    for process, (_, err) in zip(processes, told, strict=True):
        assert process.returncode == 0, err
    rounds = [1 + out.count("round") for out, _ in told[:2]]
    reads = [int(out.split()[-1]) for out, _ in told[2:]]
    assert min(rounds) > 1 and min(reads) > 1, (rounds, reads)
    for market, table, files in (
        (markets[0], "raw.equity_bars", "equity"),
        (markets[1], "raw.crypto_bars", "crypto"),
    ):
        lines = sum(len(path.read_text().splitlines()) - 1 for path in (market.path / files).glob("*.csv"))
        with reading(lake) as reader:
            assert reader.execute(f"select count(*), max(version) from {table}").fetchall() == [(lines, 1)]
            assert reader.execute(
                f"select count(*) from meta.runs where starts_with(run_id, '{files}') and status = 'published'"
            ).fetchall() == [(rounds[files == "crypto"],)]


def test_a_killed_writer_leaves_the_catalog_usable(lake: str, tmp_path: Path) -> None:
    market, home = market_folder(tmp_path / "market"), tmp_path / "home"
    for seconds in (3.0, 6.0, 9.0):
        with other_process(WRITER, *writer(market, home, "equity", 60)) as run:
            time.sleep(seconds)
            run.send_signal(signal.SIGKILL)
            run.wait()

    last = subprocess.run(
        [sys.executable, "-c", WRITER, *writer(market, home, "equity", 0.1)], capture_output=True, text=True
    )

    assert last.returncode == 0, last.stderr
    lines = sum(len(path.read_text().splitlines()) - 1 for path in (market.path / "equity").glob("*.csv"))
    with reading(lake) as reader:
        assert reader.execute("select count(*), max(version) from raw.equity_bars").fetchall() == [(lines, 1)]
        assert reader.execute("select count(*) from core.bars").fetchall() == [(lines,)]
        assert reader.execute("select count(*) from meta.runs where status = 'running'").fetchall() == [(0,)]


def test_a_past_day_is_rebuilt_from_the_lake_and_changes_nothing(lake: str, tmp_path: Path) -> None:
    market, home = market_folder(tmp_path / "market"), CascadeHome(tmp_path / "home")
    assert (
        subprocess.run([sys.executable, "-c", WRITER, *writer(market, home.path, "equity", 0.1)], check=True).returncode
        == 0
    )
    with reading(lake) as reader:
        before = reader.execute("select max(snapshot_id) from cascade.snapshots()").fetchall()

    DuckLake(lake).copy(home.path / "copy.duckdb")

    assert home.ask("select count(*) from raw.equity_bars", path=home.path / "copy.duckdb")[0][0] > 1000
    with reading(lake) as reader:
        assert reader.execute("select max(snapshot_id) from cascade.snapshots()").fetchall() == before


def test_what_is_wrong_with_an_address_is_said_in_a_line(server: Server, tmp_path: Path) -> None:
    missing = DuckLake(f"{ADDRESS}dbname=none host=127.0.0.1 port={server.port} user=cascade password=secret")
    with pytest.raises(WarehouseError, match='"none" does not exist') as told, missing.opened(Home(tmp_path), 0, print):
        pass
    assert "secret" not in str(told.value) and "\n" not in str(told.value)
    new = DuckLake(server.lake("new"))
    with pytest.raises(WarehouseError, match="CASCADE_WAREHOUSE_DATA"), new.opened(Home(tmp_path), 0, print):
        pass


def test_a_run_that_must_wait_too_long_says_for_whom(lake: str, tmp_path: Path) -> None:
    told: list[str] = []
    where = DuckLake(lake, str(tmp_path / "lake"))
    with (
        where.opened(Home(tmp_path / "one"), 0, print) as (_, one),
        where.opened(Home(tmp_path / "two"), 0.3, told.append) as (_, two),
    ):
        with one.step("equity"), two.step("crypto"):
            pass  # side by side
        with (
            one.step("equity"),
            pytest.raises(WarehouseError, match=r"another run \(cascade on .* is writing"),
            two.step("models"),
        ):
            pass
        with one.step("equity"), pytest.raises(WarehouseError), two.step("equity"):
            pass
        (tmp_path / "one").mkdir()
        with one.step("models"), pytest.raises(WarehouseError), two.step("crypto"):
            pass
    assert len(told) == 3
