"""The steps of a run, in their order, and what each has to say of what it did.

Here: which module does what in a run, what a step reports (tables made, checks and their verdicts), when the run stops,
and in which order models are built. Nothing here knows who listens: the command line prints, `graph` tells Dagster.
What a step does is in the module that it calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from queue import SimpleQueue
from threading import Lock
from time import perf_counter
from typing import NamedTuple, Protocol

from assets.builds import Builds
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.stored import PUBLISHED_SCHEMAS, STORED_TABLES
from assets.contracts.table import Column
from assets.fetching import FetchingAhead
from assets.forecasts import freeze
from assets.ingest import ContractBroken, Ingested, already_stored, ingest
from assets.mirror import MirrorError, write_mirror
from assets.models import Model, check_model, describe, read_models, run_model
from assets.publish import publish
from assets.reference import write_clock, write_releases, write_sessions, write_universe
from assets.report.page import write_report
from assets.sources.base import ASSET_CLASSES, AssetClass, SourceError
from assets.warehouse import run_log
from assets.warehouse.connection import resting
from assets.warehouse.home import Builders
from assets.warehouse.results import Check, Made, Report, Rules, StepFailed
from assets.warehouse.run import Run, log

# The tables that the first and the last steps stand for in reports.
UNIVERSE = "reference.universe"
CLOCK_TABLES = ("reference.clock", "reference.releases")
PUBLISHED, MIRROR, REPORT = "publish.cascade_duckdb", "publish.parquet", "publish.report_html"
# The names of the two checks that gather the rules of a table.
CONTRACT = "contract"
SOUND = "is_sound"
# How many guilty rows or failed symbols a check's detail names; the rest is in meta.quarantine and meta.deliveries.
NAMED = 10


class Work(Protocol):
    """Whoever does the steps, or tells what was done."""

    def reports(self, step: str, selected: Set[str] | None = None) -> Iterator[Report]:
        """What a step reports, as it comes. `selected` names the tables to build (None: all).

        Raises StepFailed when the step has failed.
        """
        ...


@dataclass
class Doing:
    """Does the steps of a run, here and now.

    `is_whole` says that all steps will be asked for, in their order: then the next class is fetched while one is
    stored. Whoever says so closes it.
    """

    run: Run
    models: Sequence[Model] = field(default_factory=read_models)
    is_whole: bool = False
    _ahead: FetchingAhead | None = field(init=False, default=None)

    def reports(self, step: str, selected: Set[str] | None = None) -> Iterator[Report]:
        """See `Work`. The steps are those of `everything`."""
        with self.run.sharing.step(step) as began_at:
            run = replace(self.run, started_at=began_at or self.run.started_at)
            if step in ASSET_CLASSES:
                yield from fetch(run, step, self._ingest)
            elif step == "models":
                yield from build(run, self.models, selected)
            else:
                yield from _OTHER_STEPS[step](run)

    def close(self) -> None:
        """Stop what was begun and is not wanted any more."""
        if self._ahead is not None:
            self._ahead.close()

    def _ingest(self, run: Run, asset_class: AssetClass) -> Ingested:
        # What others may store meanwhile is what the next class is asked for by.
        if not (self.is_whole and run.sharing.is_exclusive):
            return ingest(run, asset_class)
        if self._ahead is None:
            self._ahead = FetchingAhead(run, ASSET_CLASSES)
        return self._ahead.ingest(asset_class)


# Each class is stored on its own, so that one which cannot be had does not keep the others away.
BEFORE, AFTER = ("universe", "sessions"), ("clock", "models", "publish", "beside")
STEPS = (*BEFORE, *ASSET_CLASSES, *AFTER)


def everything(work: Work) -> Iterator[tuple[str, Report]]:
    """Every step, with what it reports.

    Raises StepFailed as soon as what follows has nothing to stand on; its message has every reason, and its cause is
    the failure of a step, if it was not checks alone that blocked.
    """
    reasons: list[str] = []
    failed: StepFailed | None = None
    for step in STEPS:
        if reasons and step not in ASSET_CLASSES:
            break
        said = len(reasons)
        try:
            for report in work.reports(step):
                yield step, report
                if reason := _blocks(report):
                    reasons.append(f"{report.table_name.partition('.')[2]}: {reason}")
        except StepFailed as error:
            # A check of the step that blocked has said already why.
            if len(reasons) == said:
                reasons.append(f"{step}: {error}")
                failed = error
    if reasons:
        raise StepFailed("; ".join(dict.fromkeys(reasons))) from failed


def _blocks(report: Report) -> str | None:
    """Why nothing that follows may be built, or None."""
    if isinstance(report, Rules):
        return report.broken
    if isinstance(report, Check) and not report.passed and report.severity == "ERROR":
        return report.detail or report.name
    return None


def _rows(run: Run, full_name: str) -> int:
    return int(run.connection.execute(f"select count(*) from {full_name}").fetchall()[0][0])


def _source(run: Run) -> str:
    return run.source.name + (" (synthetic)" if run.source.is_synthetic else "")


def _made(run: Run, full_name: str, **facts: int) -> Made:
    return Made(full_name, {"source": _source(run), **facts}, _rows(run, full_name))


# --- reference ----------------------------------------------------------------------------------------------------


def universe(run: Run) -> Iterator[Report]:
    """Write the universe, claims and parameter files into tables."""
    log.info("universe")
    rows = write_universe(run)
    yield Made(UNIVERSE, {"source": _source(run), **rows}, sum(rows.values()))


def sessions(run: Run) -> Iterator[Report]:
    """The exchange's and the crypto market's calendar."""
    log.info("calendars")
    write_sessions(run)
    yield _made(run, "reference.sessions")


def clock(run: Run) -> Iterator[Report]:
    """The instant as of which everything derived is true, and when each macro value became public."""
    as_of = write_clock(run)
    run_log.note_as_of(run)
    log.info("as of %s", as_of)
    write_releases(run)
    for name in CLOCK_TABLES:
        yield _made(run, name)


# --- ingest -------------------------------------------------------------------------------------------------------


def fetch(
    run: Run, asset_class: AssetClass, ingested: Callable[[Run, AssetClass], Ingested] = ingest
) -> Iterator[Report]:
    """Fetch one class, refuse bad rows with their reason, store what changed."""
    log.info("%s: fetching", asset_class)
    try:
        result = ingested(run, asset_class) if run.may_fetch else already_stored(run, asset_class)
    except SourceError as error:
        raise StepFailed(str(error)) from error
    except ContractBroken as error:
        raise StepFailed(f"after quarantine the contract is still broken: {error}") from error
    run_log.note_rows(run, sum(result.rows_new.values()), sum(result.rows_restated.values()))
    rules, checks = _contract_checks(result), _ingest_checks(run, result)
    run_log.note_checks(run, [*rules, *checks])
    for name in TABLES_OF_CLASS[asset_class]:
        full_name = RAW_TABLE[name].full_name
        yield _made(run, full_name, rows_new=result.rows_new[full_name], rows_restated=result.rows_restated[full_name])
        if RAW_TABLE[name].rules:
            yield Rules(CONTRACT, full_name, tuple(rule for rule in rules if rule.table_name == full_name))
    yield from checks


def _contract_checks(result: Ingested) -> list[Check]:
    return [
        Check(
            outcome.rule_name,
            outcome.table_name,
            outcome.rows_failed == 0,
            "ERROR",
            outcome.rows_checked,
            outcome.rows_failed,
            outcome.reason if outcome.rows_failed else None,
        )
        for outcome in result.outcomes
    ]


def _ingest_checks(run: Run, result: Ingested) -> list[Check]:
    """What the delivery as a whole must satisfy."""
    first = RAW_TABLE[TABLES_OF_CLASS[result.asset_class][0]]
    checks: list[Check] = []
    delivered = sum(result.rows_delivered.values())
    refused = Counter(id_ for _, id_, _, _ in result.refusals)
    firsts = {id_: f"{id_} {day or ''}: {reason}" for _, id_, day, reason in reversed(result.refusals)}
    named = "; ".join(
        firsts[id_] + (f" (and {rows - 1} more rows)" if rows > 1 else "") for id_, rows in refused.most_common(NAMED)
    )
    more = f"; and rows of {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    checks.append(
        Check(
            "nothing_quarantined",
            first.full_name,
            not result.refusals,
            "WARN",
            delivered,
            len(result.refusals),
            f"{named}{more}" or None,
        )
    )
    failures = [f"{id_}: {why}" for id_, why in result.failures.items()]
    checks.append(
        Check(
            "every_symbol_delivered",
            first.full_name,
            not failures,
            "WARN",
            len(result.rows_delivered),
            len(failures),
            "; ".join(failures[:NAMED]) or None,
        )
    )
    vanished = [f"{id_} {day}" for id_, day in result.vanished]
    checks.append(
        Check(
            "nothing_vanished",
            first.full_name,
            not vanished,
            "WARN",
            delivered,
            len(vanished),
            ", ".join(vanished[:NAMED]) or None,
        )
    )
    # A class that never was there (a folder with prices only) is not lost; one that fails or was there before is. Where
    # only some symbols were asked for, all the others are as they are stored.
    is_lost = not run.symbols and not result.usable and (bool(result.rows_delivered) or _rows(run, first.full_name) > 0)
    checks.append(
        Check(
            "class_delivered",
            first.full_name,
            not is_lost,
            "ERROR",
            len(result.rows_delivered),
            int(is_lost),
            f"the source delivered nothing usable of the class {result.asset_class}" if is_lost else None,
        )
    )
    usable = set(result.usable)
    required = [
        i.id
        for i in run.universe.instruments
        if i.is_required and i.asset_class == result.asset_class and run.asks_for(i.id)
    ]
    missing = [id_ for id_ in required if id_ not in usable]
    reasons = "; ".join(f"{id_}: {result.failures.get(id_, 'not delivered')}" for id_ in missing)
    checks.append(
        Check("required_delivered", first.full_name, not missing, "ERROR", len(required), len(missing), reasons or None)
    )
    return checks


# --- models -------------------------------------------------------------------------------------------------------


def is_asset(model: Model) -> bool:
    """What is published is an asset. A step in between is made on the way: dozens of them would hide the rest."""
    return model.form == "table" and model.schema in PUBLISHED_SCHEMAS


def assets_read(model: Model, models: Mapping[str, Model]) -> set[str]:
    """The tables of other assets that a model is made of, with those behind the steps in between."""
    read: set[str] = set()
    for name in model.upstream:
        upstream = models.get(name)
        read |= {name} if upstream is None or is_asset(upstream) else assets_read(upstream, models)
    return read


def build(run: Run, models: Sequence[Model], selected: Set[str] | None = None) -> Iterator[Report]:
    """Build the selected tables with the steps on the way to them, each after those that it reads.

    A table that would be the same again is left as it is, unless everything is asked for anew. Raises StepFailed when
    something that they read was never built, and where a table is broken: what reads it is not built.
    """
    by_name = {model.full_name: model for model in models}
    wanted = {name for name, model in by_name.items() if is_asset(model)} if selected is None else selected
    if missing := _missing(run, wanted, by_name):
        raise StepFailed(f"{', '.join(missing)}: not there yet; materialise it before, or together with, what reads it")
    steps = _with_steps(wanted, by_name)
    checks: list[Check] = []
    try:
        with run.sharing.building(run.connection) as builders:
            if run.is_full:
                run.connection.execute("delete from reference.builds")
            _drop_what_no_file_defines(run, models)
            builds = Builds(run.connection, steps, run.parameters)
            for built in _built_side_by_side(run, steps, builds, builders):
                checks += built.checks
                yield from built.reports
                if built.broken:
                    raise StepFailed(built.broken)
    finally:
        run_log.note_checks(run, checks)


def _drop_what_no_file_defines(run: Run, models: Sequence[Model]) -> None:
    """Drop the tables and views of models whose files are gone: as they were, they would be published for ever."""
    defined = {model.full_name for model in models} | {table.full_name for table in STORED_TABLES}
    schemas = sorted({model.schema for model in models})
    for kind in ("view", "table"):
        for schema, name in run.connection.execute(
            f"select schema_name, {kind}_name from duckdb_{kind}s() where not internal "
            "and database_name = current_database() and list_contains(?, schema_name) order by all",
            [schemas],
        ).fetchall():
            if f"{schema}.{name}" not in defined:
                log.warning("%s.%s is dropped: no file defines it any more", schema, name)
                run.connection.execute(f'drop {kind} {schema}."{name}"')
                run.connection.execute("delete from reference.builds where table_name = ?", [f"{schema}.{name}"])


def _with_steps(selected: Set[str], models: dict[str, Model]) -> list[Model]:
    """The selected assets, the steps on the way to them, and the macros that ask nothing else."""
    wanted = {
        name
        for name, model in models.items()
        if name in selected or (model.form == "macro" and assets_read(model, models) <= selected)
    }
    for name, model in reversed(models.items()):
        if name in wanted:
            wanted |= {up for up in model.upstream if up in models and not is_asset(models[up])}
    return [model for name, model in models.items() if name in wanted]


class _Built(NamedTuple):
    """What became of a model: what to report, every verdict, and what is broken."""

    reports: list[Report]
    checks: list[Check]
    broken: str | None


def _missing(run: Run, selected: Set[str], models: Mapping[str, Model]) -> list[str]:
    """The tables that the selected assets read, are not selected themselves, and were never built."""
    there = {
        f"{schema}.{table}"
        for schema, table in run.connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
    }
    return sorted({read for name in selected for read in assets_read(models[name], models)} - selected - there)


def _built_side_by_side(run: Run, models: Sequence[Model], builds: Builds, builders: Builders) -> Iterator[_Built]:
    """Build models two at a time, each after those that it reads, and tell of each when it is done.

    Much of a small query is planned on one core, so two are built in the time of one and a half. What reads a broken
    table is not built.
    """
    by_name = {model.full_name: model for model in models}
    order = TopologicalSorter({name: by_name.keys() & set(model.upstream) for name, model in by_name.items()})
    order.prepare()
    told: SimpleQueue[_Built | BaseException] = SimpleQueue()
    in_turn = Lock()

    def build(name: str) -> None:
        # Whatever is raised, also by starting the next one, is raised where it is waited for; when the run has given
        # up and nothing can be started any more, nobody waits.
        try:
            with builders.connection() as connection:
                built = _built(replace(run, connection=connection), by_name[name], builds)
            told.put(built)
            if not built.broken:
                with in_turn:
                    order.done(name)
                    start_ready()
        except BaseException as error:
            told.put(error)

    def start_ready() -> None:
        for ready in order.get_ready():
            threads.submit(build, ready)

    threads = ThreadPoolExecutor(max_workers=builders.number)
    try:
        with in_turn:
            start_ready()
        for _ in models:
            built = told.get()
            if isinstance(built, BaseException):
                raise built
            yield built
    finally:
        threads.shutdown(cancel_futures=True)


def _built(run: Run, model: Model, builds: Builds) -> _Built:
    """Build and check one model, unless it is as it should be."""
    started = perf_counter()
    inputs = builds.inputs(model)
    build = builds.unchanged(model, inputs)
    columns: Sequence[Column]
    if build is not None:
        rows, verdicts = build.rows, list(build.verdicts)
        columns = describe(run.connection, model) if is_asset(model) else ()
    else:
        builds.forget(run.connection, model)
        rows, columns = run_model(run.connection, model, run.parameters)
        log.info("%s", model.full_name)
        verdicts = _verdicts(run, model, columns)
    broken = [verdict.detail for verdict in verdicts if not verdict.passed]
    if build is None and not broken:
        builds.note(run.connection, model, inputs, run.id)
    facts = list(_data_checks(run, model.full_name))
    reports: list[Report] = []
    if is_asset(model):
        told: dict[str, int | float | str] = {"source": _source(run), "seconds": round(perf_counter() - started, 3)}
        if build is not None:
            told["unchanged_since_run"] = build.run_id
        reports.append(Made(model.full_name, told, rows, tuple(columns)))
        reports.append(Rules(SOUND, model.full_name, tuple(verdicts)))
    reports += facts
    reason = f"{model.full_name}: {'; '.join(map(str, broken))}" if broken else None
    return _Built(reports, [*verdicts, *facts], reason)


def _verdicts(run: Run, model: Model, columns: Sequence[Column]) -> list[Check]:
    return [
        Check(
            check.name,
            model.full_name,
            check.rows_failed == 0,
            "ERROR",
            check.rows_checked,
            check.rows_failed,
            None if check.rows_failed == 0 else f"{check.rows_failed} rows: not so that {check.description}",
        )
        for check in check_model(run.connection, model, columns)
    ]


# Facts about the data that a person should see and that stop nothing: per table the name of the check, what it asks,
# rows looked at, and the guilty ones as text.
DATA_CHECKS = {
    "core.pairs": [
        (
            "every_pair_has_its_legs",
            "Of every ratio in the universe file both legs have bars. One without is left out.",
            "select count(*) from reference.pairs",
            "select pair_id from reference.pairs except select pair_id from core.pairs order by pair_id",
        )
    ],
    "meta.freshness": [
        (
            f"{asset_class}_is_fresh",
            f"No {what} is older than its calendar expects: a weekend or a holiday makes nothing stale.",
            f"select count(*) from meta.freshness where asset_class = '{asset_class}'",
            "select id || ': last value of ' || last_session || ', expected ' || expected_session from meta.freshness "
            f"where status = 'stale' and asset_class = '{asset_class}' order by last_session, id",
        )
        for asset_class, what in (("equity", "index or fund"), ("crypto", "coin"), ("macro", "series"))
    ],
    "meta.gaps": [
        (
            "no_recent_gap",
            "No session of the last year is missing between two others. Gaps are asked for again, and stay gaps until "
            "a source fills them.",
            "select count(*) from core.bars",
            "select instrument_id || ' ' || session_date from meta.gaps cross join reference.clock "
            "where session_date > as_of - 366 order by session_date desc, instrument_id",
        )
    ],
}


def _data_checks(run: Run, table: str) -> Iterator[Check]:
    for name, _, counted, guilty in DATA_CHECKS.get(table, ()):
        rows = run.connection.execute(counted).fetchall()[0][0]
        named = [text for (text,) in run.connection.execute(guilty).fetchall()]
        more = f"; and {len(named) - NAMED} more" if len(named) > NAMED else ""
        yield Check(name, table, not named, "WARN", rows, len(named), "; ".join(named[:NAMED]) + more or None)


# --- publish ------------------------------------------------------------------------------------------------------


def publishing(run: Run) -> Iterator[Report]:
    """The one file that readers query, swapped in at once."""
    log.info("publishing")
    troubles = run_log.troubles(run)
    verdict = Check(
        "everything_is_fresh",
        PUBLISHED,
        not troubles,
        "WARN",
        _rows(run, "meta.freshness"),
        len(troubles),
        "; ".join(troubles[:NAMED]) or None,
    )
    run_log.note_checks(run, [verdict])
    # Every table is built and sound by now: what is about to be said in public is what is frozen.
    frozen = freeze(run)
    published = publish(run, "published_with_failures" if troubles else "published")
    yield Made(
        PUBLISHED,
        {
            "source": _source(run),
            "path": str(published.path),
            "tables": published.tables,
            "rows": published.rows,
            "megabytes": round(published.size / 1e6, 1),
            "forecasts_frozen": frozen,
        },
    )
    yield verdict


def beside(run: Run) -> Iterator[Report]:
    """The Parquet mirror and the report, made from the published file alone, at the same time.

    A look at the past is one file, and leaves them as they are. Raises StepFailed when one cannot be written; what was
    there before then stays.
    """
    if run.as_of is not None:
        for name in (MIRROR, REPORT):
            yield Made(name, {"source": _source(run), "left_alone": "a look at the past is a file of its own"})
        return
    log.info("report and Parquet mirror")
    published = run.published
    with resting(run.connection), ThreadPoolExecutor(max_workers=1) as other:
        mirroring = other.submit(write_mirror, published, run.home.mirror)
        report = write_report(published, run.home.report(run.as_of))
        try:
            mirror = mirroring.result()
        except MirrorError as error:
            raise StepFailed(str(error)) from error
    facts: dict[str, int | float | str] = {
        "path": str(mirror.path),
        "parts_written": mirror.parts_written,
        "parts_kept": mirror.parts_kept,
        "megabytes": round(mirror.size / 1e6, 1),
    }
    yield Made(MIRROR, {"source": _source(run), **facts})
    pictures = {f"preview of {table}": picture for table, picture in report.previews.items()}
    facts = {"path": str(report.path), "megabytes": round(report.size / 1e6, 1), **pictures}
    yield Made(REPORT, {"source": _source(run), **facts})


_OTHER_STEPS = {
    "universe": universe,
    "sessions": sessions,
    "clock": clock,
    "publish": publishing,
    "beside": beside,
}
