"""Files of the project as Dagster sees them: a new SQL file becomes an asset, an edited one marks what it makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import folders
import pytest
from folders import market_folder

MODEL = """-- description: The highest close of every instrument.
-- grain: instrument_id
-- known_at: the run's clock
with bars as (
    select instrument_id, close
    from core.bars
),

final as (
    select
        instrument_id, -- The instrument.
        max(close) as highest_close, -- Its highest close [currency of the instrument].
    from bars
    group by instrument_id
)

select * from final
order by instrument_id
"""

RUN = "from pipelines.cli.main import main; main()"

ASSET = """
import dagster as dg
from pipelines.definitions import defs
graph = defs.resolve_asset_graph()
key = dg.AssetKey(["marts", "highest_closes"])
print(sorted(parent.path[-1] for parent in graph.get(key).parent_keys))
print(sorted(check.name for check in graph.get_check_keys_for_assets({key})))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project, to add files to."""
    return folders.checkout(tmp_path / "checkout")


def python(checkout: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code on the modules of the copy."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_new_sql_file_becomes_a_checked_and_published_asset(checkout: Path, tmp_path: Path) -> None:
    (checkout / "sql" / "marts" / "highest_closes.sql").write_text(MODEL, encoding="utf-8")
    market, home = market_folder(tmp_path / "market"), tmp_path / "home"
    ended = python(checkout, RUN, "run", "--source", "files", "--path", str(market.path), "--home", str(home))
    assert (ended.returncode, ended.stderr) == (0, "")

    with duckdb.connect(str(home / "cascade.duckdb"), read_only=True) as published:
        assert published.execute("select count(*) from marts.highest_closes where highest_close > 0").fetchone() != (0,)
        assert published.execute(
            "select check_name, passed from meta.checks where table_name = 'marts.highest_closes' order by all"
        ).fetchall() == [("grain_is_unique", True), ("no_nan", True)]
        assert published.execute(
            "select unit, description from meta.columns where table_name = 'marts.highest_closes' and not is_key"
        ).fetchall() == [("currency of the instrument", "Its highest close [currency of the instrument].")]
    assert python(checkout, ASSET).stdout.splitlines() == ["['bars']", "['is_sound']"]


def test_a_sql_file_without_a_header_is_one_line(checkout: Path, tmp_path: Path) -> None:
    (checkout / "sql" / "marts" / "mine.sql").write_text("select 1 as one\n", encoding="utf-8")
    ended = python(checkout, RUN, "run", "--home", str(tmp_path / "home"))
    reason = "cascade: not published: sql/marts/mine.sql: the header has no line '-- description: ...'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", reason)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("nonsense", 'Binder Error: Referenced column "nonsense" not found in FROM clause!'),
        ("'x'::int", "Conversion Error: Could not convert string 'x' to INT32"),
    ],
)
def test_a_sql_file_that_does_not_run_is_named(expression: str, reason: str, checkout: Path, tmp_path: Path) -> None:
    wrong = MODEL.replace("max(close)", expression)
    (checkout / "sql" / "marts" / "highest_closes.sql").write_text(wrong, encoding="utf-8")
    market, home = market_folder(tmp_path / "market"), tmp_path / "home"
    ended = python(checkout, RUN, "run", "--source", "files", "--path", str(market.path), "--home", str(home))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"cascade: not published: models: sql/marts/highest_closes.sql: {reason}")
    assert ended.stderr.count("\n") == 1


def marked(checkout: Path, home: Path) -> dict[str, list[str]]:
    """The assets that Dagster shows as unsynced, each with the reasons."""
    asked = "{ assetNodes { assetKey { path } staleStatus staleCauses { reason } } }"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dagster-graphql")), "-m", "pipelines.definitions", "-t", asked],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "DAGSTER_HOME": str(home / "dagster")},
        check=True,
        capture_output=True,
        text=True,
    )
    answer = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    return {
        ".".join(node["assetKey"]["path"]): [cause["reason"] for cause in node["staleCauses"]]
        for node in json.loads(answer)["data"]["assetNodes"]
        if node["staleStatus"] != "FRESH"
    }


@pytest.mark.slow
def test_what_an_edit_or_new_data_made_out_of_date_is_marked(checkout: Path, tmp_path: Path) -> None:
    market, home = market_folder(tmp_path / "market"), tmp_path / "home"

    def run() -> None:
        ended = python(checkout, RUN, "run", "--source", "files", "--path", str(market.path), "--home", str(home))
        assert (ended.returncode, ended.stderr) == (0, "")

    run()
    assert marked(checkout, home) == {}
    run()
    assert marked(checkout, home) == {}

    # An intermediate table is no asset, so those that read it are marked, and nothing behind them.
    intermediate = checkout / "sql" / "intermediate" / "breakouts" / "breakout_volumes.sql"
    intermediate.write_text(intermediate.read_text(encoding="utf-8") + "-- edited\n", encoding="utf-8")
    readers = set(marked(checkout, home))
    assert "marts.breakouts" in readers
    assert not readers & {"core.bars", "marts.beta", "publish.cascade_duckdb"}
    page = checkout / "assets" / "report" / "page.css"
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert marked(checkout, home) == {name: ["has a new code version"] for name in (*readers, "publish.report_html")}
    run()
    assert marked(checkout, home) == {}
