"""The steps of a run, in their order, and what each has to say of what it did.

Here: which module does what in a run, what a step reports (tables made, checks and their verdicts), when the run stops,
and in which order models are built. Nothing here knows who listens: the command line prints, `graph` tells Dagster.
What a step does is in the module that it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.ingest.delivery_checks import CONTRACT, judge_contracts, judge_delivery
from assets.ingest.prefetch import Prefetch
from assets.ingest.reference import write_clock, write_releases, write_sessions, write_universe
from assets.ingest.store import ContractBroken, Ingested, already_stored, ingest
from assets.models.build import build
from assets.models.sql_files import Model, read_models
from assets.publish.frozen_forecasts import freeze
from assets.publish.parquet_export import ParquetExportError, export_parquet
from assets.publish.published_file import publish
from assets.report.page import write_report
from assets.sources.base import ASSET_CLASSES, AssetClass, SourceError
from assets.warehouse import run_log
from assets.warehouse.connection import resting
from assets.warehouse.results import NAMED, Check, CheckGroup, CheckSpec, StepEvent, StepFailed, TableBuilt
from assets.warehouse.run import Run, log

# The tables that the first and the last steps stand for in reports.
UNIVERSE = "reference.universe"
CLOCK_TABLES = ("reference.clock", "reference.releases")
PUBLISHED, PARQUET, REPORT = "publish.cascade_duckdb", "publish.parquet", "publish.report_html"
EVERYTHING_IS_FRESH = CheckSpec(
    "everything_is_fresh",
    "Every instrument and series was delivered and is as recent as its calendar expects.",
)


class Work(Protocol):
    """Whoever does the steps, or tells what was done."""

    def reports(self, step: str, selected: Set[str] | None = None) -> Iterator[StepEvent]:
        """What a step reports, as it comes. `selected` names the tables to build (None: all).

        Raises StepFailed when the step has failed.
        """
        ...


@dataclass
class StepRunner:
    """Does the steps of a run, here and now.

    `is_whole` says that all steps will be asked for, in their order: then the next class is fetched while one is
    stored. Whoever says so closes it.
    """

    run: Run
    models: Sequence[Model] = field(default_factory=read_models)
    is_whole: bool = False
    _ahead: Prefetch | None = field(init=False, default=None)

    def reports(self, step: str, selected: Set[str] | None = None) -> Iterator[StepEvent]:
        """See `Work`. The steps are those of `everything`."""
        with self.run.locks.step(step) as began_at:
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
        if not (self.is_whole and run.locks.is_exclusive):
            return ingest(run, asset_class)
        if self._ahead is None:
            self._ahead = Prefetch(run, ASSET_CLASSES)
        return self._ahead.ingest(asset_class)


# Each class is stored on its own, so that one which cannot be had does not keep the others away.
BEFORE, AFTER = ("universe", "sessions"), ("clock", "models", "publish", "exports")
STEPS = (*BEFORE, *ASSET_CLASSES, *AFTER)


def everything(work: Work) -> Iterator[tuple[str, StepEvent]]:
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


def _blocks(report: StepEvent) -> str | None:
    """Why nothing that follows may be built, or None."""
    if isinstance(report, CheckGroup):
        return report.broken
    if isinstance(report, Check) and not report.passed and report.severity == "ERROR":
        return report.detail or report.name
    return None


def _rows(run: Run, full_name: str) -> int:
    return int(run.connection.execute(f"select count(*) from {full_name}").fetchall()[0][0])


def _made(run: Run, full_name: str, **facts: int) -> TableBuilt:
    return TableBuilt(full_name, {"source": run.source_name, **facts}, _rows(run, full_name))


# --- reference ----------------------------------------------------------------------------------------------------


def universe(run: Run) -> Iterator[StepEvent]:
    """Write the universe, claims and parameter files into tables."""
    log.info("universe")
    rows = write_universe(run)
    yield TableBuilt(UNIVERSE, {"source": run.source_name, **rows}, sum(rows.values()))


def sessions(run: Run) -> Iterator[StepEvent]:
    """The exchange's and the crypto market's calendar."""
    log.info("calendars")
    write_sessions(run)
    yield _made(run, "reference.sessions")


def clock(run: Run) -> Iterator[StepEvent]:
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
) -> Iterator[StepEvent]:
    """Fetch one class, refuse bad rows with their reason, store what changed."""
    log.info("%s: fetching", asset_class)
    try:
        result = ingested(run, asset_class) if run.may_fetch else already_stored(run, asset_class)
    except SourceError as error:
        raise StepFailed(str(error)) from error
    except ContractBroken as error:
        raise StepFailed(f"after quarantine the contract is still broken: {error}") from error
    run_log.note_rows(run, sum(result.rows_new.values()), sum(result.rows_restated.values()))
    rules, checks = judge_contracts(result), judge_delivery(run, result)
    run_log.note_checks(run, [*rules, *checks])
    for name in TABLES_OF_CLASS[asset_class]:
        full_name = RAW_TABLE[name].full_name
        yield _made(run, full_name, rows_new=result.rows_new[full_name], rows_restated=result.rows_restated[full_name])
        if RAW_TABLE[name].rules:
            yield CheckGroup(CONTRACT.name, full_name, tuple(rule for rule in rules if rule.table_name == full_name))
    yield from checks


# --- publish ------------------------------------------------------------------------------------------------------


def publishing(run: Run) -> Iterator[StepEvent]:
    """The one file that readers query, swapped in at once."""
    log.info("publishing")
    troubles = run_log.troubles(run)
    verdict = EVERYTHING_IS_FRESH.verdict(
        PUBLISHED, _rows(run, "meta.freshness"), len(troubles), "; ".join(troubles[:NAMED])
    )
    run_log.note_checks(run, [verdict])
    # Every table is built and sound by now: what is about to be said in public is what is frozen.
    frozen = freeze(run)
    published = publish(run, "published_with_failures" if troubles else "published")
    yield TableBuilt(
        PUBLISHED,
        {
            "source": run.source_name,
            "path": str(published.path),
            "tables": published.tables,
            "rows": published.rows,
            "megabytes": round(published.size / 1e6, 1),
            "forecasts_frozen": frozen,
        },
    )
    yield verdict


def exports(run: Run) -> Iterator[StepEvent]:
    """The Parquet mirror and the report, made from the published file alone, at the same time.

    A look at the past is one file, and leaves them as they are. Raises StepFailed when one cannot be written; what was
    there before then stays.
    """
    if run.as_of is not None:
        for name in (PARQUET, REPORT):
            yield TableBuilt(name, {"source": run.source_name, "left_alone": "a look at the past is a file of its own"})
        return
    log.info("report and Parquet mirror")
    published = run.published
    with resting(run.connection), ThreadPoolExecutor(max_workers=1) as other:
        mirroring = other.submit(export_parquet, published, run.home.parquet)
        report = write_report(published, run.home.report(run.as_of))
        try:
            mirror = mirroring.result()
        except ParquetExportError as error:
            raise StepFailed(str(error)) from error
    facts: dict[str, int | float | str] = {
        "path": str(mirror.path),
        "parts_written": mirror.parts_written,
        "parts_kept": mirror.parts_kept,
        "megabytes": round(mirror.size / 1e6, 1),
    }
    yield TableBuilt(PARQUET, {"source": run.source_name, **facts})
    pictures = {f"preview of {table}": picture for table, picture in report.previews.items()}
    facts = {"path": str(report.path), "megabytes": round(report.size / 1e6, 1), **pictures}
    yield TableBuilt(REPORT, {"source": run.source_name, **facts})


_OTHER_STEPS = {
    "universe": universe,
    "sessions": sessions,
    "clock": clock,
    "publish": publishing,
    "exports": exports,
}
