"""Which way imports point, which library is touched where, and that code, models and texts keep to the house rules."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from assets.config.claims import load_claims
from assets.config.parameters import PARAMETER_NAME, load_parameters
from assets.contracts.queries import SQL_FOLDER
from assets.models.checks import check_model
from assets.models.create import describe
from assets.models.sql_files import Model, ModelError, read_model, read_models

ROOT = Path(__file__).parent.parent

# The folders are the layers, lower ones first. A module imports from its own folder and from lower layers only: two
# folders of one layer do not know each other.
LAYERS = (
    ("assets.config", "assets.contracts"),
    ("assets.sources", "assets.statistics"),
    ("assets.warehouse",),
    ("assets.ingest", "assets.models"),
    ("assets.publish", "assets.report"),
    ("assets.steps",),
    ("assets.graph",),
    ("pipelines",),
)
LAYER = {folder: number for number, folders in enumerate(LAYERS) for folder in folders}

# Each vendor's library is known to one module.
HOMES = {
    "yfinance": {"assets.sources.vendors.yahoo"},
    "curl_cffi": {"assets.sources.vendors.yahoo"},
    "requests": {"assets.sources.vendors.fred"},
    "great_expectations": {"assets.contracts.expectations"},
    "exchange_calendars": {"assets.config.calendars"},
    "sqlglot": {"assets.models.lineage"},
    "vl_convert": {"assets.report.vega"},
    "jinja2": {"assets.report.page"},
    "click": {f"pipelines.cli.{name}" for name in ("main", "read", "snapshots", "prune", "options")},
    "rich": {"pipelines.cli.console"},
}


def modules() -> dict[str, set[str]]:
    """Every module of the project with the modules that it imports, wherever in the file."""
    found = {}
    for path in [*ROOT.glob("assets/**/*.py"), *ROOT.glob("pipelines/**/*.py")]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        imported: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: relative import"
                base = node.module or ""
                imported |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        found[name] = imported
    return found


def folder(name: str) -> str:
    """The folder that a module lies in, or its own name where it lies in none."""
    parts = name.split(".")
    return parts[0] if parts[0] == "pipelines" else ".".join(parts[:2])


def test_every_folder_has_a_layer() -> None:
    assert {folder(name) for name in modules()} - {"assets"} == LAYER.keys()


def test_imports_point_down() -> None:
    wrong = []
    for name, imported in modules().items():
        for other in imported:
            own, its = folder(name), folder(other)
            if own != its and its in LAYER and LAYER[its] >= LAYER[own]:
                wrong.append(f"{name} -> {other}")
            if other.startswith("pipelines.definitions") and name != "pipelines.execution":
                wrong.append(f"{name} -> {other}")
    assert wrong == []


def test_no_folder_is_a_drawer() -> None:
    listed = {
        path.relative_to(ROOT / "assets").parts[0]
        for path in (ROOT / "assets").rglob("*.*")
        if "__pycache__" not in path.parts
    }
    assert len(listed) <= 14
    folders = {path.parent for top in ("assets", "pipelines") for path in (ROOT / top).rglob("*.py")}
    assert {path: count for path in folders if (count := len([*path.glob("*.py")]) - 1) > 12} == {}


def test_each_library_has_one_home() -> None:
    for name, imported in modules().items():
        for library, homes in HOMES.items():
            if any(other == library or other.startswith(f"{library}.") for other in imported):
                assert name in homes, f"{name} imports {library}"


def test_packages_hold_a_docstring_only_and_modules_open_with_one() -> None:
    for path in [*ROOT.glob("assets/**/*.py"), *ROOT.glob("pipelines/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        if path.name == "__init__.py":
            assert len(tree.body) == 1, path


def test_nothing_private_of_dagster_is_imported() -> None:
    private = {
        f"{name} -> {other}" for name, imported in modules().items() for other in imported if "dagster._" in other
    }
    # The one exception: Dagster has no public name for its storage, and creates its databases without a lock.
    storage = "dagster._core.storage.sqlite_storage"
    assert private == {f"pipelines.dagster_storage -> {name}" for name in (storage, f"{storage}.DagsterSqliteStorage")}
    assert '"dagster==' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


MODELS = read_models()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.full_name)
def test_a_model_keeps_to_the_house_rules(model: Model) -> None:
    code = re.sub(r"--.*", "", model.text)
    assert ";" not in code
    assert not re.search(r"\b(now|random|current_date|current_timestamp|today)\b", code)
    assert not re.search(r"\busing\s*\(", code), "write `on`, so that lineage can be read"
    assert code.strip().count("final as (") == 1
    assert re.search(r"select \* from final(\s+order by .*)?$", code.strip()), "end with select * from final"
    unguarded = [
        line
        for line in code.splitlines()
        if re.search(r"(?<![/*])/(?![/*])", line) and "nullif" not in line and "'" not in line
    ]
    assert unguarded == [], "guard the divisor with nullif"
    assert model.sql(load_parameters()).count("$") == 0


def test_a_model_without_its_header_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "marts"
    folder.mkdir()
    path = folder / "broken.sql"
    path.write_text(
        "-- description: x\n-- grain: a\nwith final as (\n    select\n        1 as a, -- one\n    from t\n)\n"
    )
    with pytest.raises(ModelError, match="known_at"):
        read_model(path)


def test_models_that_read_each_other_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "marts"
    folder.mkdir()
    for name, other in (("one", "two"), ("two", "one")):
        (folder / f"{name}.sql").write_text(
            f"-- description: x\n-- grain: a\n-- known_at: the run's clock\nwith final as (\n    select\n"
            f"        a, -- it\n    from marts.{other}\n)\n\nselect * from final\n"
        )
    with pytest.raises(ModelError, match="circle"):
        read_models(tmp_path)


def test_every_parameter_is_used_and_every_name_known() -> None:
    known = set(load_parameters())
    in_models = {name for model in MODELS for name in PARAMETER_NAME.findall(model.text)}
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("assets/**/*.py"))
    in_code = {name for name in known if f'"{name}"' in code}
    assert in_models | in_code == known
    in_claims = {name for claim in load_claims().claims for name in PARAMETER_NAME.findall(claim.test)}
    assert len(in_claims) > 10
    assert in_claims <= known


def test_a_group_of_models_is_one_folder_deep() -> None:
    assert {len(path.relative_to(SQL_FOLDER).parts) for path in SQL_FOLDER.rglob("*.sql")} == {2, 3}


def test_two_files_that_define_one_table_are_refused(tmp_path: Path) -> None:
    text = (
        "-- description: x\n-- grain: a\n-- known_at: the run's clock\n"
        "with final as (\n    select\n        a, -- it\n    from t\n)\n\nselect * from final\n"
    )
    for group in ("one", "two"):
        (tmp_path / "intermediate" / group).mkdir(parents=True)
        (tmp_path / "intermediate" / group / "same.sql").write_text(text)
    with pytest.raises(ModelError, match=r"one/same\.sql and sql/intermediate/two/same\.sql both define"):
        read_models(tmp_path)


def test_a_query_that_makes_no_table_is_no_model(tmp_path: Path) -> None:
    for name in ("checks", "publish", "report"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "query.sql").write_text("select 1\n")
    assert read_models(tmp_path) == ()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.full_name)
def test_what_a_model_reads_is_what_a_full_parser_finds(model: Model) -> None:
    tree = sqlglot.parse_one(re.sub(r"\$[a-z_0-9]+", "1", model.text), dialect="duckdb")
    given = model.statistic.tables if model.statistic else ()
    assert set(model.upstream) == {*given, *(f"{t.db}.{t.name}" for t in tree.find_all(exp.Table) if t.db)}


@pytest.mark.parametrize("model", [model for model in MODELS if model.slices], ids=lambda model: model.full_name)
def test_what_slices_are_parted_by_is_there_before(model: Model) -> None:
    by_name = {model.full_name: model for model in MODELS}

    def behind(name: str) -> set[str]:
        return {name}.union(*map(behind, by_name[name].upstream if name in by_name else ()))

    assert model.slices
    assert model.slices.table in behind(model.full_name)
    assert model.slices.column in model.grain


@pytest.mark.parametrize(
    ("rows", "copies"),
    [
        ("(1, 'a'), (1, 'b'), (2, 'a')", 0),
        ("(2, 'a'), (1, 'b'), (1, 'a')", 0),
        ("(1, 'a'), (2, 'a'), (1, 'a'), (1, 'a')", 2),
        ("(1, null), (2, 'a'), (1, null)", 1),
    ],
    ids=["in order", "in no order", "copies", "copies of what is unknown"],
)
def test_rows_of_one_grain_are_counted_in_whatever_order_they_lie(tmp_path: Path, rows: str, copies: int) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create schema marts; create table marts.found as from (values {rows}) as t (a, b)")
        (grain, _) = check_model(connection, found(tmp_path), [])
    assert (grain.name, grain.rows_failed) == ("grain_is_unique", copies)


def test_numbers_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    """Where DuckDB 1.5 raises an error (ln(0), sqrt(-1)), 2.0 gives one of these."""
    numbers = "(1, 'nan'::double), (2, 'inf'), (3, '-inf'), (4, null), (5, 1.5), (6, 0)"
    with duckdb.connect() as connection:
        connection.execute(f"create schema marts; create table marts.found as from (values {numbers}) as t (a, b)")
        model = found(tmp_path)
        (_, finite) = check_model(connection, model, describe(connection, model))
    assert (finite.name, finite.rows_failed) == ("no_nan", 3)


def found(folder: Path) -> Model:
    """A model marts.found with the columns a and b."""
    path = folder / "marts" / "found.sql"
    path.parent.mkdir()
    path.write_text(
        "-- description: x\n-- grain: b, a\n-- known_at: the run's clock\nwith final as (\n    select\n"
        "        a, -- one\n        b, -- two\n    from t\n)\n\nselect * from final\norder by a, b\n"
    )
    return read_model(path)


# --- code and texts ---------------------------------------------------------------------------------------------------

TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted([*ROOT.glob("assets/**/*.py"), *ROOT.glob("pipelines/**/*.py")])
}
LONGEST_FUNCTION, LONGEST_SQL_FILE, LONGEST_SQL_STRING = 60, 120, 3
SQL = re.compile(r"\b(select|insert into|update|delete from|create (or replace )?(temp )?(table|view))\s")
# Phrases that were replaced by plain ones, and the old names of tables.
OLD_PHRASES = re.compile(r"\bis none\b|\bnobody\b|not so that|tell rows apart|\b(seen_bars|dated_bars|late_bars)\b")
MAY_QUOTE = {"CHANGELOG.md", "docs/decisions.md", "tests/test_architecture.py"}
# Dagster calls these functions, or click does: the decorator says what their parameters are.
CALLED_BY_OTHERS = {"command", "asset", "multi_asset", "asset_check", "sensor", "run_failure_sensor", "schedule"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def public_functions(tree: ast.Module) -> Iterator[Function]:
    """The functions and methods that other modules may call. Those of a protocol are only declared."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    real = [node for node in classes if "Protocol" not in map(last_name, node.bases)]
    for body in (tree.body, *(node.body for node in real)):
        for node in body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                yield node


def last_name(node: ast.expr) -> str:
    """The last part of a name such as dg.asset, called or not."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Every string with its fixed text, f-strings as a whole, docstrings left out."""
    owners = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | Function))
    left_out = {node.body[0].value for node in owners if node.body and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):  # a f-string comes before its parts
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
            left_out.update(parts)
            yield node, "".join(str(part.value) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in left_out:
            yield node, node.value


def length(node: ast.expr | Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_no_function_is_long() -> None:
    long = [
        f"{path}: {node.name} has {length(node)} lines"
        for path, tree in TREES.items()
        for node in functions(tree)
        if length(node) > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_sql_file_is_long() -> None:
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in SQL_FOLDER.rglob("*.sql")}
    assert {name: count for name, count in lines.items() if count > LONGEST_SQL_FILE} == {}


def test_long_sql_is_in_sql_files() -> None:
    long = [
        f"{path}:{node.lineno}: {length(node)} lines of SQL"
        for path, tree in TREES.items()
        for node, text in strings(tree)
        if max(length(node), len(text.strip().splitlines())) > LONGEST_SQL_STRING and SQL.search(text.lower())
    ]
    assert long == []


def test_no_old_phrase_is_left() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = []
    for name in sorted(set(filter(None, listed.split("\0"))) - MAY_QUOTE):
        path = ROOT / name
        if not path.is_file() or b"\0" in (content := path.read_bytes()):
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if OLD_PHRASES.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []


def test_public_functions_say_what_they_take_and_give() -> None:
    silent = []
    for path, tree in TREES.items():
        for node in public_functions(tree):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            named = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
            if len(named) <= 2 or CALLED_BY_OTHERS & set(map(last_name, node.decorator_list)):
                continue
            text = ast.get_docstring(node) or ""
            gives = node.returns is not None and ast.unparse(node.returns) not in ("None", "NoReturn")
            if "Args:" not in text or (gives and "Returns:" not in text and "Yields:" not in text):
                silent.append(f"{path}:{node.lineno}: {node.name}({', '.join(named)})")
    assert silent == []
