"""Building the models: which are out of date, in which order, and two at a time.

Here: the step of a run that turns SQL files into tables, judging built tables again, and which tables are assets.
`sql_files` reads the files, `create` makes one table, `checks` checks it, and `fingerprints` finds the tables that are
up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from graphlib import TopologicalSorter
from queue import SimpleQueue
from threading import Lock
from time import perf_counter
from typing import NamedTuple

from assets.config.parameters import Parameters
from assets.contracts.stored import PUBLISHED_SCHEMAS, STORED_TABLES
from assets.contracts.table import Column
from assets.models.checks import check_model, data_checks
from assets.models.create import describe, run_model
from assets.models.fingerprints import Fingerprints, definition, digest, forget_build
from assets.models.sql_files import Model
from assets.warehouse import run_log
from assets.warehouse.home import Builders
from assets.warehouse.results import NAMED, Check, CheckGroup, StepEvent, StepFailed, TableBuilt
from assets.warehouse.run import Run, log

# The check that combines all checks of a model's table.
SOUND = "is_sound"


def is_asset(model: Model) -> bool:
    """Whether a model is an asset. Intermediate tables are not: dozens of them would hide the published ones."""
    return model.form == "table" and model.schema in PUBLISHED_SCHEMAS


def assets_read(model: Model, models: Mapping[str, Model]) -> set[str]:
    """The assets and stored tables that a model reads, directly or through intermediate models."""
    read: set[str] = set()
    for name in model.upstream:
        upstream = models.get(name)
        read |= {name} if upstream is None or is_asset(upstream) else assets_read(upstream, models)
    return read


def code_version(names: Set[str], models: Mapping[str, Model], parameters: Parameters) -> str:
    """The fingerprint of what defines some assets: their SQL, and that of the intermediate models that they read.

    Args:
        names: The assets.
        models: All models by name, each after those that it reads.
        parameters: The numbers that are filled into the SQL.

    Returns:
        A hash that changes if a run would build one of the tables again although no data changed.
    """
    return digest(part for model in _with_steps(names, models) for part in definition(model, parameters))


def build(run: Run, models: Sequence[Model], selected: Set[str] | None = None) -> Iterator[StepEvent]:
    """Build tables, with the intermediate models that they read, each after those that it reads.

    A table that is up to date is kept, unless the run is full.

    Args:
        run: The run.
        models: All models, each after those that it reads.
        selected: The tables to build. None: all assets.

    Yields:
        Each table that was built or kept, with its checks.

    Raises:
        StepFailed: A table that the selected ones read was never built, or a table failed its checks. Tables that read
            a failed one are not built.
    """
    by_name = {model.full_name: model for model in models}
    wanted = {name for name, model in by_name.items() if is_asset(model)} if selected is None else selected
    if missing := _missing(run, wanted, by_name):
        raise StepFailed(
            f"{', '.join(missing)}: not built yet; materialise it before the tables that read it, or together with them"
        )
    steps = _with_steps(wanted, by_name)
    checks: list[Check] = []
    try:
        with run.locks.building(run.connection) as builders:
            if run.is_full:
                run.connection.execute("delete from reference.builds")
            _drop_what_no_file_defines(run, models)
            builds = Fingerprints(run.connection, steps, run.parameters)
            for built in _built_side_by_side(run, steps, builds, builders):
                checks += built.checks
                yield from built.reports
                if built.broken:
                    raise StepFailed(built.broken)
    finally:
        run_log.note_checks(run, checks)


def judge(run: Run, models: Sequence[Model], names: Set[str]) -> Iterator[CheckGroup | Check]:
    """Check built tables again, as they are stored.

    Args:
        run: The run.
        models: All models.
        names: The tables to check.

    Yields:
        The verdicts on each table.

    Raises:
        StepFailed: One of the tables was never built.
    """
    require_built(run, names)
    for model in (model for model in models if model.full_name in names):
        verdicts = _verdicts(run, model, describe(run.connection, model.worded(run.parameters)))
        group = CheckGroup(SOUND, model.full_name, tuple(verdicts))
        if group.broken:
            # The next run builds the table again instead of keeping it.
            forget_build(run.connection, model.full_name)
        yield group
        yield from data_checks(run, model.full_name)


def require_built(run: Run, names: Iterable[str]) -> None:
    """Raises StepFailed if one of the tables does not exist."""
    if missing := sorted(set(names) - _existing(run)):
        raise StepFailed(f"{', '.join(missing)}: not built yet; materialise it first")


def require_up_to_date(run: Run, models: Sequence[Model]) -> None:
    """Check that every table was built from the rows and the clock that are stored now.

    Raises:
        StepFailed: Some do not, so publishing would mix states. The message names the assets to materialise.
    """
    if stale := Fingerprints(run.connection, models, run.parameters).out_of_date(models):
        by_name = {model.full_name: model for model in models}
        assets = sorted({name for name in stale if is_asset(by_name[name])})
        named = ", ".join(assets[:NAMED]) + (f" and {len(assets) - NAMED} more" if len(assets) > NAMED else "")
        raise StepFailed(f"not built from the data that are stored now: {named}; materialise them first")


def _drop_what_no_file_defines(run: Run, models: Sequence[Model]) -> None:
    """Drop the tables and views of models whose files were removed. Otherwise they would still be published."""
    defined = {model.full_name for model in models} | {table.full_name for table in STORED_TABLES}
    schemas = sorted({model.schema for model in models})
    for kind in ("view", "table"):
        for schema, name in run.connection.execute(
            f"select schema_name, {kind}_name from duckdb_{kind}s() where not internal "
            "and database_name = current_database() and list_contains(?, schema_name) order by all",
            [schemas],
        ).fetchall():
            if f"{schema}.{name}" not in defined:
                log.warning("dropping %s.%s: no SQL file defines it any more", schema, name)
                run.connection.execute(f'drop {kind} {schema}."{name}"')
                forget_build(run.connection, f"{schema}.{name}")


def _with_steps(selected: Set[str], models: Mapping[str, Model]) -> list[Model]:
    """The selected assets, the intermediate models that they read, and the macros that read only selected assets."""
    wanted = {
        name
        for name, model in models.items()
        if name in selected or (model.form == "macro" and assets_read(model, models) <= selected)
    }
    for name, model in reversed(list(models.items())):
        if name in wanted:
            wanted |= {up for up in model.upstream if up in models and not is_asset(models[up])}
    return [model for name, model in models.items() if name in wanted]


class _Built(NamedTuple):
    """A built model: what to report, every verdict, and which checks failed (None: all passed)."""

    reports: list[StepEvent]
    checks: list[Check]
    broken: str | None


def _missing(run: Run, selected: Set[str], models: Mapping[str, Model]) -> list[str]:
    """The tables that the selected assets read, that are not selected themselves, and that do not exist yet."""
    return sorted({read for name in selected for read in assets_read(models[name], models)} - selected - _existing(run))


def _existing(run: Run) -> set[str]:
    """The tables of the warehouse."""
    tables = "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
    return {name for (name,) in run.connection.execute(tables).fetchall()}


def _built_side_by_side(
    run: Run, models: Sequence[Model], builds: Fingerprints, builders: Builders
) -> Iterator[_Built]:
    """Build models two at a time, each after those that it reads, and yield each when it is done.

    Planning, much of the work of a small query, uses one core, so building two models takes the time of one and a half.
    Models that read a failed table are not built.
    """
    by_name = {model.full_name: model for model in models}
    order = TopologicalSorter({name: by_name.keys() & set(model.upstream) for name, model in by_name.items()})
    order.prepare()
    finished: SimpleQueue[_Built | BaseException] = SimpleQueue()
    in_turn = Lock()

    def build(name: str) -> None:
        # Every error, also one of starting the next model, is passed on and raised by the loop below. After the loop
        # has ended, nothing reads it.
        try:
            with builders.connection() as connection:
                built = _built(replace(run, connection=connection), by_name[name], builds)
            finished.put(built)
            if not built.broken:
                with in_turn:
                    order.done(name)
                    start_ready()
        except BaseException as error:
            finished.put(error)

    def start_ready() -> None:
        for ready in order.get_ready():
            threads.submit(build, ready)

    threads = ThreadPoolExecutor(max_workers=builders.number)
    try:
        with in_turn:
            start_ready()
        for _ in models:
            built = finished.get()
            if isinstance(built, BaseException):
                raise built
            yield built
    finally:
        threads.shutdown(cancel_futures=True)


def _built(run: Run, model: Model, builds: Fingerprints) -> _Built:
    """Build and check one model, unless it is up to date."""
    started = perf_counter()
    inputs = builds.inputs(model)
    build = builds.unchanged(model, inputs)
    columns: Sequence[Column]
    if build is not None:
        rows, verdicts = build.rows, list(build.verdicts)
        columns = describe(run.connection, model.worded(run.parameters)) if is_asset(model) else ()
    else:
        forget_build(run.connection, model.full_name)
        rows, columns = run_model(run.connection, model, run.parameters)
        log.info("%s", model.full_name)
        verdicts = _verdicts(run, model, columns)
    broken = [verdict.detail for verdict in verdicts if not verdict.passed]
    if build is None and not broken:
        builds.note(run.connection, model, inputs, run.id)
    warnings = list(data_checks(run, model.full_name))
    reports: list[StepEvent] = []
    if is_asset(model):
        facts: dict[str, int | float | str] = {"source": run.source_name, "seconds": round(perf_counter() - started, 3)}
        if build is not None:
            facts["unchanged_since_run"] = build.run_id
        content = None if broken else builds.content_of(model)
        reports.append(TableBuilt(model.full_name, facts, rows, tuple(columns), content))
        reports.append(CheckGroup(SOUND, model.full_name, tuple(verdicts)))
    reports += warnings
    reason = f"{model.full_name}: {'; '.join(map(str, broken))}" if broken else None
    return _Built(reports, [*verdicts, *warnings], reason)


def _verdicts(run: Run, model: Model, columns: Sequence[Column]) -> list[Check]:
    return [
        Check(
            check.name,
            model.full_name,
            check.rows_failed == 0,
            "ERROR",
            check.rows_checked,
            check.rows_failed,
            check.detail,
        )
        for check in check_model(run.connection, model, columns)
    ]
