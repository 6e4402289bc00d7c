"""The step that builds the models: what it reports, how it builds a part, and that it stops where one is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import dagster as dg
import duckdb
import pytest
from bench import UNIVERSE, NoSource, usual_parameters

from assets.graph import _models_asset
from assets.models import Model, read_models
from assets.run import Run
from assets.steps import Doing, _built_side_by_side
from assets.warehouse import Home, prepare

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
        [_models_asset(built)],
        resources={"run": Doing(run, built)},
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
    asset = _models_asset(built)
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


def test_steps_in_between_are_built_with_what_reads_them_and_reported_by_nobody(run: Run, tmp_path: Path) -> None:
    built = models(
        tmp_path,
        first="select 1 as id",
        near_step="select id from core.first",
        far_step="select id from intermediate.near_step",
        last="select id from intermediate.far_step",
        other_step="select no_such_column as id from core.first",
        other="select id from intermediate.other_step",
    )
    asset = _models_asset(built)
    assert asset.asset_deps[dg.AssetKey(["core", "last"])] == {dg.AssetKey(["core", "first"])}
    assert len(asset.keys) == 3
    assert reported(build(run, built, ["first"])) == ["first"]
    run.connection.execute("insert into core.first values (2)")
    # What was selected and what leads to it is built; what others need is not, and assets not selected stay.
    assert reported(build(run, built, ["last"])) == ["last"]
    assert run.connection.execute("from core.last order by id").fetchall() == [(1,), (2,)]


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
    assert "core.first: not there yet; materialise it before" in str(event.step_failure_data.error)
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
    assert (check.passed, check.description) == (False, "1 rows: not so that id tell rows apart")


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

    def wait() -> None:
        try:
            list(_built_side_by_side(run, built))
        except RuntimeError as error:
            found.append(error)

    # A step that waits for ever must not hold up the tests.
    waiting = Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(timeout=10)
    assert [str(error) for error in found] == ["can't start new thread"]
