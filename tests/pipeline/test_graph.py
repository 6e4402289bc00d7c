"""The step that builds the models: what it reports, how it builds a part, and that it stops where one is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import dagster as dg
import duckdb
import pytest
from bench import UNIVERSE, NoSource, usual_parameters

from assets.graph import _models_asset
from assets.models.build import _built_side_by_side
from assets.models.fingerprints import Fingerprints, content
from assets.models.sql_files import Model, read_models
from assets.steps import StepRunner
from assets.warehouse.connection import prepare
from assets.warehouse.home import Builders, Home
from assets.warehouse.run import Run

MODEL = """-- description: A test's own table.
-- grain: id
-- known_at: the run's clock
{form}with rows as (
    {rows}
),

final as (
    select
        id, -- A number.
    from rows
)

select * from final
"""


def models(folder: Path, **queries: str) -> tuple[Model, ...]:
    """Models of the schema core, by name; a name that ends in _view is one, one that ends in _step is in between."""
    for name, rows in queries.items():
        path = folder / ("intermediate" if name.endswith("_step") else "core") / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        form = "-- form: view\n" if name.endswith("_view") else ""
        path.write_text(MODEL.format(rows=rows, form=form), encoding="utf-8")
    return read_models(folder)


@pytest.fixture
def run() -> Run:
    connection = duckdb.connect()
    prepare(connection)
    return Run(
        id="test",
        connection=connection,
        home=Home(Path()),
        source=NoSource(has_clock=False),
        universe=UNIVERSE,
        parameters=usual_parameters(),
        as_of=None,
        started_at=datetime(2024, 1, 1, tzinfo=UTC),
        code_version="test",
    )


def build(run: Run, built: Sequence[Model], selection: Sequence[str] | None = None) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [_models_asset(built, usual_parameters())],
        resources={"run": StepRunner(run, built)},
        selection=None if selection is None else [dg.AssetKey(["core", name]) for name in selection],
        raise_on_error=False,
    )


def reported(result: dg.ExecuteInProcessResult) -> list[str]:
    return [event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key]


def test_tables_are_reported_in_their_order_and_views_are_made_on_the_way(run: Run, tmp_path: Path) -> None:
    built = models(
        tmp_path,
        last="select id from core.middle_view",
        first="select 1 as id",
        middle_view="select id from core.first",
    )
    asset = _models_asset(built, usual_parameters())
    assert asset.asset_deps[dg.AssetKey(["core", "last"])] == {dg.AssetKey(["core", "first"])}
    result = build(run, built)
    assert (result.success, reported(result)) == (True, ["first", "last"])
    assert run.connection.execute("from core.last").fetchall() == [(1,)]


def test_a_part_of_the_tables_can_be_built(run: Run, tmp_path: Path) -> None:
    built = models(tmp_path, one="select 1 as id", two="select 2 as id")
    assert reported(build(run, built, ["two"])) == ["two"]
    assert run.connection.execute("select table_name from duckdb_tables() where schema_name = 'core'").fetchall() == [
        ("two",)
    ]


def test_steps_in_between_are_built_with_what_reads_them_and_never_reported(run: Run, tmp_path: Path) -> None:
    built = models(
        tmp_path,
        first="select 1 as id",
        near_step="select id from core.first",
        far_step="select id from intermediate.near_step",
        last="select id from intermediate.far_step",
        other_step="select no_such_column as id from core.first",
        other="select id from intermediate.other_step",
    )
    asset = _models_asset(built, usual_parameters())
    assert asset.asset_deps[dg.AssetKey(["core", "last"])] == {dg.AssetKey(["core", "first"])}
    assert len(asset.keys) == 3
    assert reported(build(run, built, ["first"])) == ["first"]
    run.connection.execute("insert into core.first values (2)")
    # What was selected and what leads to it is built; what others need is not, and assets not selected stay.
    assert reported(build(run, built, ["last"])) == ["last"]
    assert run.connection.execute("from core.last order by id").fetchall() == [(1,), (2,)]


@pytest.mark.slow
def test_what_is_selected_without_what_it_reads_says_what_to_build_first(run: Run, tmp_path: Path) -> None:
    built = models(
        tmp_path,
        first="select 1 as id",
        middle_step="select id from core.first",
        last="select id from intermediate.middle_step",
    )
    result = build(run, built, ["last"])
    assert (result.success, reported(result)) == (False, [])
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert "core.first: not built yet; materialise it before" in str(event.step_failure_data.error)
    assert reported(build(run, built, ["first"])) == ["first"]
    assert reported(build(run, built, ["last"])) == ["last"]


def test_a_broken_step_in_between_stops_what_reads_it(run: Run, tmp_path: Path) -> None:
    built = models(tmp_path, bad_step="select unnest([7, 7]) as id", after="select id from intermediate.bad_step")
    result = build(run, built)
    assert (result.success, reported(result)) == (False, [])
    assert run.connection.execute("select count(*) from duckdb_tables() where table_name = 'after'").fetchall() == [
        (0,)
    ]
    assert run.connection.execute(
        "select check_name, rows_failed from meta.checks where table_name = 'intermediate.bad_step' and not passed"
    ).fetchall() == [("grain_is_unique", 1)]


def test_a_table_that_breaks_its_grain_stops_those_that_read_it(run: Run, tmp_path: Path) -> None:
    built = models(tmp_path, bad="select unnest([7, 7]) as id", after="select id from core.bad")
    result = build(run, built)
    assert (result.success, reported(result)) == (False, ["bad"])
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.description) == (False, "1 duplicate rows for (id)")


def test_a_table_that_cannot_be_built_stops_the_step(run: Run, tmp_path: Path) -> None:
    built = models(tmp_path, a="select 1 as id", bad="select no_such_column as id from core.a")
    result = build(run, built)
    assert (result.success, reported(result)) == (False, ["a"])


def test_a_table_that_cannot_be_started_stops_the_step(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without room for another thread: the step fails with that reason and waits for nothing."""
    built = models(tmp_path, first="select 1 as id", second="select id from core.first")
    submit = ThreadPoolExecutor.submit

    def refused(pool: ThreadPoolExecutor, build: Callable[[str], None], name: str) -> Future[None]:
        if name == "core.second":
            raise RuntimeError("can't start new thread")
        return submit(pool, build, name)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refused)
    found: list[BaseException] = []

    builders = Builders(2, run.connection.cursor)

    def wait() -> None:
        try:
            list(_built_side_by_side(run, built, Fingerprints(run.connection, built, run.parameters), builders))
        except RuntimeError as error:
            found.append(error)

    # A step that waits for ever must not hold up the tests.
    waiting = Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(timeout=10)
    assert [str(error) for error in found] == ["can't start new thread"]


def unchanged(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """For each table that was not built anew: the run that built it."""
    return {
        event.asset_key.path[-1]: event.materialization.metadata["unchanged_since_run"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key and "unchanged_since_run" in event.materialization.metadata
    }


def test_only_what_would_be_different_is_built_anew(run: Run, tmp_path: Path) -> None:
    run.connection.execute("create table raw.numbers as select 1 as id")
    run.connection.execute("create table raw.others as select 7 as id")
    built = models(
        tmp_path,
        read="select id from raw.numbers",
        sign_view="select sign(id) as id from core.read",
        signs="select distinct id from core.sign_view",
        after="select id from core.signs",
        other="select id from raw.others",
    )
    assert unchanged(build(run, built)) == {}
    assert unchanged(build(run, built)) == dict.fromkeys(["read", "signs", "after", "other"], "test")
    # What reads a table that was built anew and came out the same is left alone.
    run.connection.execute("update raw.numbers set id = 5")
    assert unchanged(build(run, built)) == dict.fromkeys(["after", "other"], "test")
    assert run.connection.execute("from core.read").fetchall() == [(5,)]
    run.connection.execute("update raw.numbers set id = -5")
    assert unchanged(build(run, built)) == {"other": "test"}
    assert run.connection.execute("from core.after").fetchall() == [(-1,)]
    # Another query builds its table again, and --full builds every table again.
    (tmp_path / "core" / "other.sql").write_text(MODEL.format(rows="select 8 as id from raw.others", form=""))
    assert unchanged(build(run, read_models(tmp_path))) == dict.fromkeys(["read", "signs", "after"], "test")
    assert run.connection.execute("from core.other").fetchall() == [(8,)]
    assert unchanged(build(replace(run, is_full=True), built)) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [("1 as low, 2 as high", "1 as high, 2 as low"), ("1::decimal(3, 0) as low", "0.01::decimal(3, 2) as low")],
)
def test_a_table_with_other_columns_is_another_table(run: Run, before: str, after: str) -> None:
    contents = []
    for columns in (before, after):
        run.connection.execute(f"create or replace table core.named as select {columns}")
        contents.append(content(run.connection, "core.named"))
    assert contents[0] != contents[1]


@pytest.mark.slow
def test_other_code_makes_and_judges_tables_anew(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = models(tmp_path, one="select 1 as id")
    build(run, built)
    code = tmp_path / "models.py"
    code.write_text("# another check\n", encoding="utf-8")
    monkeypatch.setattr("assets.models.fingerprints._BUILDER", (code,))
    assert unchanged(build(run, built)) == {}


def test_another_library_makes_statistics_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    built = read_models()
    builds = Fingerprints(run.connection, (), run.parameters)
    monkeypatch.setattr(builds, "_content", dict.fromkeys(name for model in built for name in model.upstream))
    before = {model.full_name: builds.inputs(model) for model in built}
    monkeypatch.setattr("numpy.__version__", "another")
    changed = {model.full_name for model in built if builds.inputs(model) != before[model.full_name]}
    assert changed == {model.full_name for model in built if model.statistic} != set()


def test_the_verdicts_on_an_unchanged_table_are_given_again(run: Run, tmp_path: Path) -> None:
    built = models(tmp_path, one="select 1 as id")
    build(run, built)
    result = build(replace(run, id="later"), built)
    assert unchanged(result) == {"one": "test"}
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
    verdicts = "select check_name, passed, rows_checked from meta.checks where run_id = ? order by all"
    later = run.connection.execute(verdicts, ["later"]).fetchall()
    assert later == run.connection.execute(verdicts, ["test"]).fetchall() != []


def test_a_broken_table_is_built_anew_until_it_is_sound(run: Run, tmp_path: Path) -> None:
    run.connection.execute("create table raw.numbers as select unnest([7, 7]) as id")
    built = models(tmp_path, bad="select id from raw.numbers", after="select id from core.bad")
    assert not build(run, built).success
    assert not build(run, built).success
    assert run.connection.execute("from reference.builds").fetchall() == []


def test_a_table_whose_file_is_gone_is_dropped(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    built = models(tmp_path, kept="select 1 as id", gone="select 2 as id", gone_view="select id from core.gone")
    build(run, built)
    for name in ("gone", "gone_view"):
        (tmp_path / "core" / f"{name}.sql").unlink()
    # Stored tables that no model makes stay, also in a schema of models.
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "more.sql").write_text(MODEL.format(rows="select 3 as id", form=""))
    build(run, read_models(tmp_path))
    tables = "select table_name from duckdb_tables() where schema_name = 'core' union all select view_name "
    tables += "from duckdb_views() where schema_name = 'core'"
    assert run.connection.execute(tables).fetchall() == [("kept",)]
    noted = "select table_name from reference.builds order by all"
    assert run.connection.execute(noted).fetchall() == [("core.kept",), ("meta.more",)]
    assert run.connection.execute("select count(*) > 0 from meta.checks").fetchall() == [(True,)]
    assert "dropping core.gone: no SQL file defines it any more" in caplog.text
