"""The steps of a run: which module does what, and what each step reports.

Here: what a step calls, in which order its events come, and why a run failed; judging stored tables again; and the
steps of a historical view, which are one asset. `graph` turns the steps into Dagster assets, and Dagster runs them.
What a step does is in the module that it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self

from assets.contracts.expectations import ValidationError
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.ingest.delivery_checks import CONTRACT, judge_contracts, judge_delivery, judge_stored
from assets.ingest.prefetch import Prefetch
from assets.ingest.reference import (
    ClockError,
    require_current_clock,
    write_clock,
    write_releases,
    write_sessions,
    write_universe,
)
from assets.ingest.stage import ClassResult
from assets.ingest.store import ContractBroken, already_stored, ingest
from assets.models.build import build, judge, require_built, require_up_to_date
from assets.models.fingerprints import content, digest
from assets.models.sql_files import Model, read_models
from assets.publish.frozen_forecasts import freeze
from assets.publish.parquet_export import ParquetExportError, export_parquet
from assets.publish.published_file import publish
from assets.report.page import write_report
from assets.sources.base import ASSET_CLASSES, AssetClass, SourceError
from assets.warehouse import run_log
from assets.warehouse.connection import resting
from assets.warehouse.home import WarehouseBusy
from assets.warehouse.results import NAMED, Check, CheckGroup, CheckSpec, StepEvent, StepFailed, TableBuilt
from assets.warehouse.run import Run, log

# The tables that the first and the last steps stand for in reports.
UNIVERSE = "reference.universe"
CLOCK_TABLES = ("reference.clock", "reference.releases")
PUBLISHED, PARQUET, REPORT = "publish.cascade_duckdb", "publish.parquet", "publish.report_html"
HISTORICAL_VIEW = "publish.cascade_asof"
EVERYTHING_IS_FRESH = CheckSpec(
    "everything_is_fresh",
    "Every instrument and series was delivered and is as recent as its calendar expects.",
)


# Each class is stored on its own, so that one that cannot be fetched does not keep the others away.
STEPS = ("universe", "sessions", *ASSET_CLASSES, "clock", "models", "publish", "exports")
# A historical view is one file: it has no exports.
HISTORICAL_STEPS = STEPS[:-1]


@dataclass
class StepRunner:
    """Runs the steps of one run.

    Attributes:
        run: What the steps work with.
        models: The models that the step `models` builds.
        prefetched: The classes that this run fetches, in that order. The next one is fetched while one is stored.
        may_pass: Whether a step failed for a reason that has nothing to do with the data and may pass.
    """

    run: Run
    models: Sequence[Model] = field(default_factory=read_models)
    prefetched: tuple[AssetClass, ...] = ()
    may_pass: bool = field(init=False, default=False)
    _prefetch: Prefetch | None = field(init=False, default=None)

    def events(self, step: str, selected: Set[str] | None = None) -> Iterator[StepEvent]:
        """Run one step.

        Args:
            step: One of `STEPS`.
            selected: The tables that the step `models` builds; None for all.

        Yields:
            What the step reports, as it happens.

        Raises:
            StepFailed: The step could not do its work.
        """
        try:
            with self.run.locks.step(step) as began_at:
                run = replace(self.run, started_at=began_at or self.run.started_at)
                for event in self._reported(run, step, selected):
                    self.may_pass |= isinstance(event, Check) and not event.passed and event.may_pass
                    yield event
        except WarehouseBusy:
            self.may_pass = True
            raise

    def _reported(self, run: Run, step: str, selected: Set[str] | None) -> Iterator[StepEvent]:
        if step in ASSET_CLASSES:
            return fetch(run, step, self._ingest)
        if step == "models":
            return build(run, self.models, selected)
        if step == "publish":
            return publishing(run, self.models)
        return _OTHER_STEPS[step](run)

    def verdicts(self, step: str, wanted: Set[tuple[str, str]]) -> Iterator[Check | CheckGroup]:
        """Judge stored tables again. Nothing is fetched, stored or built.

        Args:
            step: The step that makes the tables.
            wanted: The checks, each as (table, name).

        Yields:
            The verdict of each of the checks.

        Raises:
            StepFailed: A table was never built.
        """
        with self.run.locks.step(step):
            tables = {table for table, _ in wanted}
            judged: Iterator[Check | CheckGroup]
            if step in ASSET_CLASSES:
                judged = judge_stored(self.run, step, {table for table, name in wanted if name == CONTRACT.name})
            elif step == "models":
                judged = judge(self.run, self.models, tables)
            else:
                judged = iter([freshness(self.run)])
            for verdict in judged:
                if (verdict.table_name, verdict.name) in wanted:
                    run_log.note_checks(self.run, verdict.checks if isinstance(verdict, CheckGroup) else [verdict])
                    yield verdict

    def historical_view(self) -> TableBuilt:
        """Run the steps of a historical view, from the universe to the published file.

        Returns:
            The published file.

        Raises:
            StepFailed: A step failed, or a check that must hold does not.
        """
        broken: list[str] = []
        for step in HISTORICAL_STEPS:
            # As in any other run, a class that cannot be fetched does not keep the others away.
            if broken and step not in ASSET_CLASSES:
                break
            said = len(broken)
            try:
                for event in self.events(step):
                    if isinstance(event, TableBuilt):
                        built = event
                    elif reason := event.broken:
                        broken.append(f"{event.table_name.rpartition('.')[2]}: {reason}")
            except StepFailed as error:
                # If a check has failed, it has said why.
                if len(broken) == said:
                    broken.append(f"{step}: {error}")
        if broken:
            raise StepFailed("; ".join(dict.fromkeys(broken)))
        return replace(built, table_name=HISTORICAL_VIEW, facts={**built.facts, "as_of": str(self.run.as_of)})

    def _ingest(self, run: Run, asset_class: AssetClass) -> ClassResult:
        # What another run may store in the meantime decides what the next class is asked for.
        if not run.locks.is_exclusive:
            return ingest(run, asset_class)
        if self._prefetch is None:
            self._prefetch = Prefetch(run, self.prefetched)
        return self._prefetch.ingest(asset_class)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop fetching what is no longer needed."""
        if self._prefetch is not None:
            self._prefetch.close()


def _rows(run: Run, full_name: str) -> int:
    return int(run.connection.execute(f"select count(*) from {full_name}").fetchall()[0][0])


def _table(run: Run, full_name: str, **facts: int) -> TableBuilt:
    fingerprint, rows = content(run.connection, full_name)
    return TableBuilt(full_name, {"source": run.source_name, **facts}, rows, content=fingerprint)


# --- reference ----------------------------------------------------------------------------------------------------


def universe(run: Run) -> Iterator[StepEvent]:
    """Write the universe, claims and parameter files into tables."""
    log.info("universe")
    rows = write_universe(run)
    fingerprint = digest(content(run.connection, name)[0] for name in rows)
    yield TableBuilt(UNIVERSE, {"source": run.source_name, **rows}, sum(rows.values()), content=fingerprint)


def sessions(run: Run) -> Iterator[StepEvent]:
    """Write the calendars of the exchange and of the crypto market."""
    log.info("calendars")
    write_sessions(run)
    yield _table(run, "reference.sessions")


def clock(run: Run) -> Iterator[StepEvent]:
    """Set the instant as of which tables are built, and when each macro value became public."""
    try:
        as_of = write_clock(run)
    except ClockError as error:
        raise StepFailed(str(error)) from error
    run_log.note_as_of(run)
    log.info("as of %s", as_of)
    write_releases(run)
    for name in CLOCK_TABLES:
        yield _table(run, name)


# --- ingest -------------------------------------------------------------------------------------------------------


def fetch(
    run: Run, asset_class: AssetClass, ingested: Callable[[Run, AssetClass], ClassResult] = ingest
) -> Iterator[StepEvent]:
    """Fetch one class, reject bad rows with the reason, store what changed.

    Args:
        run: The run.
        asset_class: The class to fetch.
        ingested: How the class is fetched and stored.

    Yields:
        The raw tables of the class, and the verdicts on them.

    Raises:
        StepFailed: The source cannot be read, or stored rows would break their contract.
    """
    log.info("%s: fetching", asset_class)
    try:
        result = ingested(run, asset_class) if run.may_fetch else already_stored(run, asset_class)
    except (SourceError, ValidationError) as error:
        raise StepFailed(str(error)) from error
    except ContractBroken as error:
        raise StepFailed(f"after quarantine the contract is still broken: {error}") from error
    run_log.note_rows(run, sum(result.rows_new.values()), sum(result.rows_restated.values()))
    rules, checks = judge_contracts(result.outcomes), judge_delivery(run, result)
    run_log.note_checks(run, [*rules, *checks])
    for name in TABLES_OF_CLASS[asset_class]:
        full_name = RAW_TABLE[name].full_name
        yield _table(run, full_name, rows_new=result.rows_new[full_name], rows_restated=result.rows_restated[full_name])
        if RAW_TABLE[name].rules:
            yield CheckGroup(CONTRACT.name, full_name, tuple(rule for rule in rules if rule.table_name == full_name))
    yield from checks


# --- publish ------------------------------------------------------------------------------------------------------


def publishing(run: Run, models: Sequence[Model]) -> Iterator[StepEvent]:
    """Publish the file that readers query.

    Raises StepFailed if the tables were not built from the raw data that are stored now.
    """
    log.info("publishing")
    try:
        require_current_clock(run)
    except ClockError as error:
        raise StepFailed(str(error)) from error
    require_up_to_date(run, models)
    run_log.note_as_of(run)
    verdict = freshness(run)
    run_log.note_checks(run, [verdict])
    # All tables are built and checked by now, so the forecasts that are published are the ones that are frozen.
    frozen = freeze(run)
    published = publish(run, "published" if verdict.passed else "published_with_failures")
    yield TableBuilt(
        PUBLISHED,
        {
            "source": run.source_name,
            "path": str(published.path),
            "tables": published.tables,
            "megabytes": round(published.size / 1e6, 1),
            "forecasts_frozen": frozen,
        },
        published.rows,
        content=published.content_hash,
    )
    yield verdict


def freshness(run: Run) -> Check:
    """Whether everything was delivered and is recent. Raises StepFailed if meta.freshness was never built."""
    require_built(run, ["meta.freshness"])
    troubles = run_log.troubles(run)
    return EVERYTHING_IS_FRESH.verdict(
        PUBLISHED, _rows(run, "meta.freshness"), len(troubles), "; ".join(troubles[:NAMED])
    )


def exports(run: Run) -> Iterator[StepEvent]:
    """Write the Parquet files and the report from the published file, at the same time.

    Raises StepFailed if one cannot be written; the old one is kept.
    """
    log.info("report and Parquet files")
    published = run.published
    with resting(run.connection), ThreadPoolExecutor(max_workers=1) as other:
        exporting = other.submit(export_parquet, published, run.home.parquet)
        report = write_report(published, run.home.report(run.as_of))
        try:
            export = exporting.result()
        except ParquetExportError as error:
            raise StepFailed(str(error)) from error
    facts: dict[str, int | float | str] = {
        "path": str(export.path),
        "parts_written": export.parts_written,
        "parts_kept": export.parts_kept,
        "megabytes": round(export.size / 1e6, 1),
    }
    yield TableBuilt(PARQUET, {"source": run.source_name, **facts})
    pictures = {f"preview of {table}": picture for table, picture in report.previews.items()}
    facts = {"path": str(report.path), "megabytes": round(report.size / 1e6, 1), **pictures}
    yield TableBuilt(REPORT, {"source": run.source_name, **facts})


_OTHER_STEPS = {
    "universe": universe,
    "sessions": sessions,
    "clock": clock,
    "exports": exports,
}
