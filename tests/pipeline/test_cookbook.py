"""The cookbook and the notebook do what they say: every block is run as it stands there, on a demo run.

The blocks are read out of docs/cookbook.md and the cells out of docs/example.ipynb. That the SQL fits the tables is for
test_documents.py, which is fast, on tables without rows.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
NOTEBOOK = json.loads((ROOT / "docs" / "example.ipynb").read_text(encoding="utf-8"))
# On a market without faults these return no row.
MAY_BE_EMPTY = {
    "What failed in the newest run?",
    "What did vendors change later?",
    "Which rows were rejected, and why?",
}


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", TEXT)


QUERIES: dict[str, str] = dict(re.findall(r"(?ms)^### ([^\n]+)\n\n```sql\n(.*?)^```", TEXT))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/demo in it, as after `make run` in the project's own."""
    folder = tmp_path_factory.mktemp("project")
    program = str(Path(sys.executable).with_name("cascade"))
    subprocess.run(
        [program, "run", "--home", str(folder / "data" / "demo")], check=True, capture_output=True, cwd=folder
    )
    (folder / "docs").mkdir()
    return folder


@pytest.fixture
def reader(project: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(project / "data" / "demo" / "cascade.duckdb"), read_only=True) as connection:
        yield connection


def test_there_is_a_query_for_each_question_and_an_answer_to_it() -> None:
    assert len(QUERIES) >= 15
    assert len(QUERIES) == len(blocks("sql"))
    for section in re.split(r"(?m)^### ", TEXT)[1:]:
        title, _, rest = section.partition("\n## ")[0].partition("\n")
        meaning = rest.rpartition("```\n")[2]
        assert len(meaning.split()) > 20, f"{title}: say what the answer means and how far to believe it"


@pytest.mark.slow
@pytest.mark.parametrize("title", QUERIES)
def test_a_query_answers(title: str, reader: duckdb.DuckDBPyConnection) -> None:
    rows = reader.execute(QUERIES[title]).fetchall()
    assert rows or title in MAY_BE_EMPTY
    assert not any(value != value for row in rows for value in row)  # NaN


@pytest.mark.slow
def test_no_trade_of_the_rule_looks_ahead(reader: duckdb.DuckDBPyConnection) -> None:
    """The trades behind the backtest's one row: entered strictly after the signal was known, and soon."""
    (query,) = (query for title, query in QUERIES.items() if title.startswith("Buying at the next close"))
    entries, _, _ = query.partition("trades as (")
    rows = reader.execute(
        f"{entries.rstrip().rstrip(',')} select count(*), min(bars.known_at > signals.known_at), "
        "max(entries.entry_date - entries.signal_date) from entries "
        "inner join signals on signals.signal_date = entries.signal_date "
        "inner join bars on bars.session_date = entries.entry_date"
    ).fetchall()
    ((count, is_after, longest),) = rows
    assert count > 0
    assert is_after is True
    assert longest <= 5


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_block_runs(code: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "polars" in code and not all(importlib.util.find_spec(name) for name in ("polars", "pyarrow")):
        pytest.skip("Polars and pyarrow are not installed")
    monkeypatch.chdir(project)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/cookbook.md", "exec"), names)
    assert len(names["result"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_a_command_runs(line: str, project: Path) -> None:
    program, _, rest = line.partition(" ")
    home = project / "data" / "demo"
    if program == "cascade":
        line = f"{Path(sys.executable).with_name('cascade')} {rest.partition(' > ')[0]} --home {home}"
    elif shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") >= 1


def test_the_notebook_has_no_outputs() -> None:
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the plotting library, where a reader would see them too
def test_the_notebook_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "docs")
    names: dict[str, Any] = {}
    shown = []
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "docs/example.ipynb", "exec"), names)
        if isinstance(last, ast.Expr):
            # What Jupyter would show below the cell.
            shown.append(eval(compile(ast.Expression(last.value), "docs/example.ipynb", "eval"), names))
    assert shown[0].startswith("SYNTHETIC: no market made these numbers; as of ")
    assert "SYNTHETIC" in names["chart"].to_dict()["title"]
    assert all(len(frame) > 0 for frame in shown if hasattr(frame, "columns"))
    assert len(shown) >= 5
