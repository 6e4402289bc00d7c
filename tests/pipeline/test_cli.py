"""The commands as a user types them: what they print, which files they leave, and their exit codes.

A run that meets another process (another run, a program that holds the warehouse, a reader) is tested with real
processes.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import duckdb
import pytest
from click.testing import CliRunner
from folders import EQUITIES, LAST_DAY, SESSIONS, CascadeHome, MarketFolder, differences, healthy_home, market_folder

from assets.ingest.delivery_checks import DELIVERY_CHECKS
from assets.models.checks import DATA_CHECKS
from assets.steps import EVERYTHING_IS_FRESH
from assets.warehouse.home import Home
from pipelines.cli.console import Console
from pipelines.cli.main import main
from pipelines.cli.options import command_line
from pipelines.cli.summary import symbol_checks
from pipelines.settings import home_folder

PAST_DAY = "2025-06-30"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> CascadeHome:
    return healthy_home(tmp_path_factory.getbasetemp())


@pytest.fixture
def home(healthy: CascadeHome, tmp_path: Path) -> CascadeHome:
    """A home with the healthy market in it."""
    return healthy.copy(tmp_path / "home")


@pytest.fixture
def empty(tmp_path: Path) -> CascadeHome:
    """A home without any run."""
    return CascadeHome(tmp_path / "empty")


@pytest.fixture
def folder(tmp_path: Path) -> MarketFolder:
    return market_folder(tmp_path / "market")


@contextmanager
def other_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another program, after it has printed its first line. It is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


# Help and wrong usage


@pytest.mark.parametrize("command", ["", "run", "status", "claims", "query", "ui"])
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(main, [*command.split(), "--help"])

    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("Usage: ")
    options = {"run": ["--source", "--path", "--home", "--as-of", "Exit code: 0"], "query": ["--json", "--csv"]}
    for option in options.get(command, []):
        assert option in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("run --source files", "--source files requires --path DIR (or CASCADE_PATH)"),
        ("run --source files --path {tmp}/nowhere", "{tmp}/nowhere is not a folder; give --path a folder that holds "),
        ("run --source files --path {tmp}", "{tmp} has none of the folders equity, "),
        ("run --as-of yesterday", "--as-of yesterday is not a date; write YYYY-MM-DD"),
        ("run --as-of 2025-02-30", "--as-of 2025-02-30 is not a date; write YYYY-MM-DD"),
        ("run --as-of 2999-01-01", "--as-of 2999-01-01 is not over yet (UTC); omit --as-of for the newest state"),
        ("run --accept", "--accept requires --symbol."),
        ("run --symbol IMW", "unknown --symbol IMW; did you mean IWM or "),
        ("run --symbol §", "unknown --symbol §; assets/config/universe.yaml lists all ids"),
        ("status --as-of 2025", "--as-of 2025 is not a date; write YYYY-MM-DD"),
        ("query --as-of now select", "--as-of now is not a date; write YYYY-MM-DD"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(arguments: str, reason: str, empty: CascadeHome, tmp_path: Path) -> None:
    ended = empty.invoke(*arguments.replace("{tmp}", str(tmp_path)).split())

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"cascade: {reason.replace('{tmp}', str(tmp_path))}")
    assert ended.err.count("\n") == 1
    assert not empty.path.exists()


@pytest.mark.parametrize("arguments", ["run --source nonsense", "nonsense", "run --nonsense", "query"])
def test_unknown_arguments_are_wrong_usage(arguments: str, empty: CascadeHome) -> None:
    ended = empty.invoke(*arguments.split())

    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err


# A run, from the shell


READER = """
import sys
import duckdb

reader = duckdb.connect(sys.argv[1], read_only=True)
count = "select count(*) from meta.runs"
print("ready", flush=True)
sys.stdin.readline()
print(reader.execute(count).fetchall()[0][0], reader.execute("select count(*) from core.bars").fetchall()[0][0])
"""


@pytest.mark.slow
def test_a_run_from_the_shell_with_a_failure_next_to_a_reader_that_stays(
    healthy: CascadeHome, home: CascadeHome, folder: MarketFolder
) -> None:
    folder.write("equity/IWM", "no bars at all\n")

    with other_process(READER, str(home.published)) as reader:
        ended = home.call("run", "--source", "files", "--path", str(folder.path))
        old, _ = reader.communicate("\n")

    reason = "equity/IWM.csv: no date column; the header reads no_bars_at_all"
    assert (ended.code, ended.err) == (3, f"cascade: IWM failed: {reason}\n")
    assert f"Failed: IWM ({reason})\n" in ended.out
    assert f"Published as of {LAST_DAY} in " in ended.out
    assert str(home.published) in ended.out
    assert "Stored: 0 new rows, 0 restated rows." in ended.out
    # The reader keeps the file that it opened; the path leads to the new one.
    (bars,) = healthy.ask("select count(*) from core.bars")[0]
    assert old == f"1 {bars}\n"
    assert home.ask("select status from meta.runs order by started_at") == [
        ("published",),
        ("published_with_failures",),
    ]
    # Nothing new arrived, so nothing else has changed, IWM's bars among it.
    assert home.stored() == healthy.stored()
    assert differences(healthy.published, home.published) == {}
    # The first run froze every forecast.
    assert home.ask("select count(*) from marts.forecasts") == [(home.stored()["reference.frozen_forecasts"],)]
    assert not list(home.path.glob("*.tmp"))


def test_the_published_file_can_be_queried_from_the_shell(healthy: CascadeHome) -> None:
    ended = healthy.call("query", "select instrument_id from core.instruments where is_required order by all", "--csv")

    assert (ended.code, ended.out, ended.err) == (0, "instrument_id\nBTC\nRUT\nSPX\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("as_of", [[], ["--as-of", PAST_DAY]], ids=["newest", "past"])
def test_the_commands_that_a_run_prints_work_as_they_stand(
    as_of: list[str], home: CascadeHome, folder: MarketFolder
) -> None:
    moved = home.copy(home.path.with_name("a home"))
    ended = moved.call("run", "--source", "files", "--path", str(folder.path), *as_of)

    assert (ended.code, ended.err) == (0, "")
    lines = ended.out[ended.out.index("Explore the results:\n") :].splitlines()
    commands = [line.strip() for line in lines if " --home " in line]
    assert [command.split("cascade ")[1].split()[0] for command in commands] == ["status", "claims", "query"]
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd="/")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
    past = f"cascade-asof-{PAST_DAY}.duckdb" if as_of else "cascade.duckdb"
    assert f"  duckdb -readonly '{moved.path / past}'" in lines


def test_the_default_home_and_source_are_left_out_of_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert command_line("status", Home(home_folder("demo", "")), "demo") == "cascade status"
    assert command_line("status", Home(home_folder("live", "")), "live") == "cascade status --source live"
    program = tmp_path / "bin" / "cascade"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    home = Home(home_folder("demo", ""))
    assert command_line("status", home, "demo") == f"{program} status"
    monkeypatch.setenv("PATH", str(program.parent))
    assert command_line("status", home, "demo") == "cascade status"


def test_every_command_reads_the_home_of_the_environment(
    healthy: CascadeHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CASCADE_HOME", str(healthy.path))
    result = CliRunner().invoke(main, ["query", "select count(*) as runs from meta.runs", "--csv"])
    assert (result.exit_code, result.stdout) == (0, "runs\n1\n")


# A past day


@pytest.mark.slow
def test_a_past_day_goes_into_a_separate_file(home: CascadeHome, folder: MarketFolder) -> None:
    published, warehouse = home.published.read_bytes(), home.warehouse.read_bytes()

    ended = home.run(folder, "--as-of", PAST_DAY)

    past = home.path / f"cascade-asof-{PAST_DAY}.duckdb"
    assert (ended.code, ended.err) == (0, "")
    assert f"Published as of {PAST_DAY} in " in ended.out
    assert (home.published.read_bytes(), home.warehouse.read_bytes()) == (published, warehouse)
    assert home.ask("select max(session_date)::varchar, max(known_at)::date::varchar from core.bars", path=past) == [
        (PAST_DAY, "2025-07-01")
    ]
    assert {path.name for path in home.path.iterdir() if "asof" in path.name} == {past.name}
    asked = home.invoke("query", "select max(as_of) as day from marts.rotation_summary", "--as-of", PAST_DAY, "--csv")
    assert asked.out == f"day\n{PAST_DAY}\n"
    assert f"As of {PAST_DAY}, published " in home.invoke("status", "--as-of", PAST_DAY).out


@pytest.mark.slow
def test_a_past_day_is_the_same_with_and_without_a_stored_history(
    home: CascadeHome, empty: CascadeHome, folder: MarketFolder
) -> None:
    name = f"cascade-asof-{PAST_DAY}.duckdb"
    for each in (home, empty):
        assert each.run(folder, "--as-of", PAST_DAY).code == 0

    assert differences(home.path / name, empty.path / name) == {}
    assert not empty.published.exists()
    assert not empty.warehouse.exists()


# Status and query


def test_status_shows_freshness_stages_and_forecasts(healthy: CascadeHome) -> None:
    ended = healthy.invoke("status", "--source", "files")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{healthy.published}\nAs of {LAST_DAY}, published ")
    lines = [line.split() for line in ended.out.splitlines() if line.strip()]
    (equity,) = [line for line in lines if line[0] == "equity"]
    assert equity == ["equity", str(len(EQUITIES) + 1), "0", "0", str(SESSIONS[0]), str(SESSIONS[-1]), "0"]
    assert "SYNTHETIC" not in ended.out
    # Every stage as it stands in the table of the last session.
    stages = healthy.ask(
        "select stage::varchar, stage_name, if(is_on, 'on', 'off'), on_since::varchar from marts.cascade "
        "where is_on is not null qualify row_number() over (partition by stage order by session_date desc) = 1"
    )
    assert len(stages) >= 3
    for stage, name, state, since in stages:
        assert [stage, name, state] in [line[:3] for line in lines]
        if since:
            assert [stage, name, state, since] in [line[:4] for line in lines]
    # Numbers of definitions come from the published file.
    parameters = dict(healthy.ask("select name, value from meta.parameters"))
    assert f"on at a score of {parameters['stage_on']:.2f} or more, off at {parameters['stage_off']:.2f}" in ended.out
    # Nothing had ever broken out before, so the forecast has no cases.
    title = "Forecast for IWM year high 2025-09-29 (backtest, frozen 2025-12-13); range = 80 %.\n"
    assert title in ended.out
    assert "  range   evidence       realised  \n" in ended.out
    (forecast,) = [line for line in lines if line[:2] == ["60", "BTC"]]
    ((realised,),) = healthy.ask(
        "select forward_return from marts.rotation_responses where event_id = 'IWM:year_high:2025-09-29' "
        "and trigger = 'decided' and target_id = 'BTC' and horizon_days = 60"
    )
    assert forecast == ["60", "BTC", "0", "-", "-", "insufficient", f"{100 * realised:+.1f}", "%"]


def test_status_says_in_which_state_a_breakout_is_and_what_failed(healthy: CascadeHome, tmp_path: Path) -> None:
    """The healthy market's file with one breakout still within its twenty sessions and one check failed."""
    home = healthy.copy(tmp_path / "open")
    with duckdb.connect(str(home.published)) as connection:
        connection.execute("update marts.breakouts set outcome_20_at = now()")
    assert "No open breakouts: 20 sessions have passed since each." in home.invoke("status").out
    with duckdb.connect(str(home.published)) as connection:
        connection.execute(
            "update marts.breakouts set outcome_20_at = null, status = 'retested' "
            "where event_id = 'IWM:year_high:2025-09-29'"
        )
        connection.execute("delete from marts.breakout_states where event_id = 'IWM:year_high:2025-09-29'")
        connection.execute(
            "insert into marts.breakout_states by name select 'IWM:year_high:2025-09-29' as event_id, "
            "'retested' as state, date '2025-10-03' as session_date"
        )
        connection.execute(
            "update meta.checks set passed = false, detail = 'two sessions are missing' "
            "where check_name = 'no_recent_gap'"
        )

    out = home.invoke("status").out
    is_open = out[out.index("Open breakouts") : out.index("Latest breakouts")]
    (row,) = [line.split() for line in is_open.splitlines() if "year_high" in line]
    assert row[:3] == ["year_high", "IWM", "2025-09-29"]
    assert row[-2:] == ["retested", "2025-10-03"]
    assert "meta.gaps no_recent_gap: two sessions are missing\n" in out

    as_json = json.loads(home.invoke("status", "--json").out)
    assert [(b["event_id"], b["state"], b["state_since"]) for b in as_json["open_breakouts"]] == [
        ("IWM:year_high:2025-09-29", "retested", "2025-10-03")
    ]
    assert "two sessions are missing" in [check["detail"] for check in as_json["failed_checks"]]


def test_status_speaks_json(healthy: CascadeHome) -> None:
    ended = healthy.invoke("status", "--source", "files", "--json")

    assert (ended.code, ended.err) == (0, "")
    as_json = json.loads(ended.out)
    assert (as_json["source"], as_json["is_synthetic"], as_json["as_of"]) == ("files", False, str(LAST_DAY))
    assert {row["asset_class"]: row["stale"] for row in as_json["freshness"]} == {"crypto": 0, "equity": 0, "macro": 0}
    assert (as_json["failed"], as_json["stale"]) == ([], [])
    assert [stage["stage"] for stage in as_json["stages"]] == sorted(stage["stage"] for stage in as_json["stages"])
    assert {(row["target_id"], row["horizon_days"]) for row in as_json["forecasts"]} >= {("BTC", 30), ("ETH", 90)}
    assert {row["evidence"] for row in as_json["forecasts"]} == {"insufficient"}


def test_failed_and_stale_symbols_are_grouped_by_reason(healthy: CascadeHome, tmp_path: Path) -> None:
    home = healthy.copy(tmp_path / "offline")
    with duckdb.connect(str(home.published)) as connection:
        connection.execute("update meta.deliveries set failure = 'no connection'")
        connection.execute("update meta.deliveries set failure = 'no date column' where id = 'IWM'")
        connection.execute("update meta.freshness set status = 'stale', last_session = date '2025-12-01'")
        connection.execute("update meta.freshness set last_session = date '2025-11-28' where id = 'RUT'")
    ids = [id_ for (id_,) in home.ask("select id from meta.deliveries where id <> 'IWM' order by id")]
    stale = [id_ for (id_,) in home.ask("select id from meta.freshness where id <> 'RUT' order by id")]
    assert len(ids) > 10

    assert [line for line in home.invoke("status").out.splitlines() if line.startswith(("Failed", "Stale"))] == [
        f"Failed: {len(ids)} symbols, {', '.join(ids[:10])} and {len(ids) - 10} more (no connection)",
        "Failed: IWM (no date column)",
        "Stale: RUT (last session 2025-11-28)",
        f"Stale: {len(stale)} symbols, {', '.join(stale[:10])} and {len(stale) - 10} more (last session 2025-12-01)",
    ]


def test_checks_about_listed_symbols_are_recognised_by_name() -> None:
    checks = {check[0] for checks in DATA_CHECKS.values() for check in checks} | {EVERYTHING_IS_FRESH.name}
    checks |= {check.name for check in DELIVERY_CHECKS}
    assert symbol_checks() <= checks
    assert symbol_checks() == {
        "crypto_is_fresh",
        "equity_is_fresh",
        "every_symbol_delivered",
        "everything_is_fresh",
        "macro_is_fresh",
    }


@pytest.mark.parametrize("command", ["status", "claims"])
@pytest.mark.parametrize("change", ["alter table meta.runs rename as_of to day", "delete from meta.runs"])
def test_a_file_that_lacks_what_is_read_is_named(
    command: str, change: str, healthy: CascadeHome, tmp_path: Path
) -> None:
    home = healthy.copy(tmp_path / "older")
    with duckdb.connect(str(home.published)) as connection:
        connection.execute(change)

    ended = home.invoke(command, "--source", "files")

    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith(f"cascade: {home.published} was published by another version of Cascade (")
    assert ended.err.endswith(f"; publish it again with: cascade run --source files --home {home.path} --path DIR\n")


def test_status_of_a_file_of_another_version_says_run_again(healthy: CascadeHome, tmp_path: Path) -> None:
    home = healthy.copy(tmp_path / "older")
    with duckdb.connect(str(home.published)) as connection:
        connection.execute("drop table marts.cascade")

    ended = home.invoke("status")

    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith(
        f"cascade: {home.published} was published by another version of Cascade (Catalog Error: "
    )
    assert ended.err.endswith(f"; publish it again with: cascade run --home {home.path}\n")


def test_status_fits_a_terminal_of_eighty_columns(healthy: CascadeHome) -> None:
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    command = healthy.command("status", "--source", "files")
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env={**environment, "TERM": "xterm"}) as process:
        os.close(terminal)
        screen_text = b""
        with suppress(OSError):  # what the last reader of a terminal that was closed gets
            while part := os.read(screen, 65536):
                screen_text += part
        assert process.wait() == 0
    os.close(screen)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen_text.decode()).splitlines()
    path = str(healthy.published)  # to be copied, so never broken
    assert [line for line in lines if len(line) > 80 and line != path] == []
    assert any("Stages, safest first" in line for line in lines)


@pytest.mark.slow
def test_tables_of_any_width_fit_the_terminal_and_lose_no_column(healthy: CascadeHome) -> None:
    console = Console()
    console.rich.width = 80
    with duckdb.connect(str(healthy.published), read_only=True) as reader:
        tables = reader.execute("select schema_name || '.' || table_name from duckdb_tables() order by all").fetchall()
        assert len(tables) > 40
        for (table,) in tables:
            for rows in (0, 1, 2, 5):
                result = reader.execute(f"from {table} limit {rows}")
                names = [column[0] for column in result.description or []]
                with console.rich.capture() as drawn:
                    console.tables(names, result.fetchall())
                text = drawn.get()
                assert max(map(len, text.splitlines())) <= 80
                assert [name for name in names if not re.search(rf"(?m)(^|\s){name}(\s|$)", text)] == [], table


def test_a_query_of_many_rows_shows_some_and_says_so(healthy: CascadeHome) -> None:
    ended = healthy.invoke("query", "select range as n from range(1000)")
    assert ended.out.splitlines()[-1] == "Only the first 200 rows are shown; --csv or --json returns all."
    assert healthy.invoke("query", "select range as n from range(1000)", "--csv").out.count("\n") == 1001


QUERY = """
select
    1.5 as decimal, null as nothing, true as yes, 'Ü, "x"' as text, date '2025-01-02' as day,
    timestamptz '2025-01-02 21:00:00+00' as instant, [1, 2] as list, sum(bar_number)::hugeint as huge,
from core.bars
where instrument_id = 'RUT'
"""


def test_claims_are_shown_with_their_verdicts(healthy: CascadeHome) -> None:
    """Nothing is decided on a market without the indices of the article."""
    ended = healthy.invoke("claims", "--source", "files")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"As of {LAST_DAY}; facts of a single day as of 2026-01-13")
    assert "insufficient" in ended.out and "no data" in ended.out
    assert ended.out.endswith("supported 0; contradicted 0; insufficient evidence 22; not testable 2\n")

    as_json = healthy.invoke("claims", "--source", "files", "--json")
    rows = [json.loads(line) for line in as_json.out.splitlines()]
    assert [row["claim_id"] for row in rows] == list(range(1, 25))
    assert {(row["source"], row["is_synthetic"], row["as_of"]) for row in rows} == {("files", False, str(LAST_DAY))}
    assert {row["verdict"] for row in rows} == {"insufficient_evidence", "not_testable"}


def test_claims_of_a_synthetic_market_say_so(healthy: CascadeHome, tmp_path: Path) -> None:
    """The healthy market's file, as if the demo had published it."""
    home = healthy.copy(tmp_path / "demo")
    with duckdb.connect(str(home.path / "cascade.duckdb")) as connection:
        connection.execute("update meta.runs set source = 'demo'")
    ended = home.invoke("claims")
    assert ended.out.startswith("SYNTHETIC DATA")
    assert "say nothing about the article" in ended.out
    assert json.loads(home.invoke("claims", "--json").out.splitlines()[0])["is_synthetic"] is True


def test_query_speaks_json(healthy: CascadeHome) -> None:
    ended = healthy.invoke("query", QUERY, "--json")

    (bars,) = [len(SESSIONS)]
    assert (ended.code, ended.err) == (0, "")
    assert [json.loads(line) for line in ended.out.splitlines()] == [
        {
            "decimal": 1.5,
            "nothing": None,
            "yes": True,
            "text": 'Ü, "x"',
            "day": "2025-01-02",
            "instant": "2025-01-02T21:00:00+00:00",
            "list": [1, 2],
            "huge": bars * (bars + 1) // 2,
        }
    ]


def test_query_turns_what_json_does_not_know_into_text(healthy: CascadeHome) -> None:
    sql = "select [date '2025-01-02'] as days, {'at': time '10:30'} as struct, interval 1 day as span, 'a'::blob as b"

    ended = healthy.invoke("query", sql, "--json")

    assert ended.code == 0
    assert json.loads(ended.out) == {
        "days": ["2025-01-02"],
        "struct": {"at": "10:30:00"},
        "span": "1 day, 0:00:00",
        "b": "b'a'",
    }


def test_query_speaks_csv(healthy: CascadeHome) -> None:
    ended = healthy.invoke("query", QUERY, "--csv")

    header, row = csv.reader(io.StringIO(ended.out))
    values = dict(zip(header, row, strict=True))
    assert (ended.code, ended.err) == (0, "")
    assert values["text"] == 'Ü, "x"'
    assert (values["decimal"], values["nothing"], values["day"]) == ("1.5", "", "2025-01-02")
    assert values["instant"] == "2025-01-02T21:00:00+00:00"


def test_query_draws_a_table(healthy: CascadeHome) -> None:
    ended = healthy.invoke(
        "query",
        "select instrument_id, null as nothing, 1234567.8::double as n from core.instruments order by 1 limit 2",
    )

    lines = [line.split() for line in ended.out.splitlines() if line.strip()]
    assert (ended.code, ended.err) == (0, "")
    assert lines[0] == ["instrument_id", "nothing", "n"]
    assert lines[2:] == [["ADA", "-", "1,234,568"], ["ALFA", "-", "1,234,568"]]


def test_a_query_without_rows_is_fine(healthy: CascadeHome) -> None:
    nothing = "select instrument_id, close from core.bars where false"

    assert healthy.invoke("query", nothing, "--json").out == ""
    assert healthy.invoke("query", nothing, "--csv").out == "instrument_id,close\n"
    assert "instrument_id" in healthy.invoke("query", nothing).out


@pytest.mark.parametrize(
    ("sql", "code", "reason"),
    [
        ("selec 1", 1, '{file}: Parser Error: syntax error at or near "selec"'),
        ("from core.barz", 1, '{file}: Catalog Error: Table with name barz does not exist! Did you mean "bars"?'),
        (
            "select nonsense from core.bars",
            1,
            '{file}: Binder Error: Referenced column "nonsense" not found in FROM clause!',
        ),
        ("select 'x'::int", 1, "{file}: Conversion Error: Could not convert string 'x' to INT32"),
        (
            "delete from core.bars",
            1,
            '{file}: Invalid Input Error: Cannot execute statement of type "DELETE" on database ',
        ),
        ("", 2, "the query is empty"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_sql_that_cannot_be_run_is_reported_in_one_line_with_the_file(
    sql: str, code: int, reason: str, form: list[str], healthy: CascadeHome
) -> None:
    ended = healthy.invoke("query", sql, *form)

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(f"cascade: {reason.replace('{file}', str(healthy.published))}")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ("query from_marts", "cascade run --home {home}"),
        ("query from_marts --source files", "cascade run --source files --home {home} --path DIR"),
        ("status", "cascade run --home {home}"),
        ("status --source live --as-of 2025-06-30", "cascade run --source live --home {home} --as-of 2025-06-30"),
        ("snapshots", "cascade run --home {home}"),
        ("run --source live --as-of 2025-06-30", "cascade run --source live --home {home}"),
    ],
)
def test_before_any_run_the_command_to_use_is_named(arguments: str, cure: str, empty: CascadeHome) -> None:
    ended = empty.invoke(*arguments.split())

    assert (ended.code, ended.out) == (1, "")
    assert re.search("does not exist; |has no snapshots; |no live data is stored yet; ", ended.err)
    assert ended.err.endswith(f" with: {cure.replace('{home}', str(empty.path))}\n")
    assert ended.err.count("\n") == 1
    assert not empty.path.exists()


@pytest.mark.parametrize("command", ["status", "query select"])
def test_a_file_that_is_not_a_database_is_reported_in_one_line(command: str, empty: CascadeHome) -> None:
    empty.path.mkdir()
    empty.published.write_bytes(b"not a database" * 1000)

    ended = empty.invoke(*command.split())

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"cascade: {empty.published} cannot be opened: ")
    assert ended.err.count("\n") == 1


# A home that cannot be used


def test_a_home_that_cannot_be_created_is_reported_in_one_line(tmp_path: Path, folder: MarketFolder) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file", encoding="utf-8")
    home = CascadeHome(taken / "home")

    for ended, said in ((home.call("run"), "cascade: not published"), (home.call("ui"), "cascade")):
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == f"{said}: {home.path}/dagster cannot be written: Not a directory; choose another --home\n"


def test_a_warehouse_that_is_not_a_database_is_reported_in_one_line(home: CascadeHome, folder: MarketFolder) -> None:
    published = home.published.read_bytes()
    home.warehouse.write_bytes(b"not a database" * 1000)

    ended = home.run(folder)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"cascade: not published: {home.warehouse} cannot be opened: ")
    assert ended.err.count("\n") == 1
    assert home.published.read_bytes() == published


HOLDER = """
import sys
import duckdb

connection = duckdb.connect(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""


def test_the_process_that_holds_the_warehouse_is_named(home: CascadeHome, folder: MarketFolder) -> None:
    with other_process(HOLDER, str(home.warehouse)) as holder:
        ended = home.run(folder)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"cascade: not published: {home.warehouse} is held by ")
    assert f"(PID {holder.pid}); close it there" in ended.err
    assert ended.err.count("\n") == 1


# Two at once


class Release(logging.Handler):
    """Gives a lock back as soon as a run says something."""

    def __init__(self, lock: IO[str]) -> None:
        super().__init__()
        self._lock = lock

    def emit(self, record: logging.LogRecord) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)


def test_a_run_says_whom_it_waits_for(home: CascadeHome, folder: MarketFolder) -> None:
    folder.write("MANIFEST", "")  # what it waits for need not last long

    with (home.path / "warehouse.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(json.dumps({"pid": 4711, "since": "2025-01-02 03:04"}))
        lock.flush()
        # The lock is given back when the run has said that it waits, however long it takes to get there.
        release = Release(lock)
        logging.getLogger("cascade").addHandler(release)
        try:
            ended = home.run(folder)
        finally:
            logging.getLogger("cascade").removeHandler(release)

    waiting, failing = ended.err.splitlines()
    assert waiting == (
        f"cascade: waiting for another run (PID 4711, since 2025-01-02 03:04 UTC), which is writing to {home.path}"
    )
    assert failing.startswith("cascade: not published: ")


@pytest.mark.slow
def test_two_runs_at_once_both_publish(healthy: CascadeHome, empty: CascadeHome, folder: MarketFolder) -> None:
    command = empty.command("run", "--source", "files", "--path", str(folder.path))
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate() for run in runs]

    assert [run.returncode for run in runs] == [0, 0]
    assert not any("Traceback" in err for _, err in said)
    assert sum(err.startswith("cascade: waiting for another run (PID ") for _, err in said) == 1
    assert empty.ask("select status from meta.runs") == [("published",)] * 2
    assert empty.stored() == healthy.stored()
    assert differences(healthy.published, empty.published) == {}
