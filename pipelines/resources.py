"""The run of Cascade as a Dagster resource, with the fields of the launchpad.

Here: the resource, what a failed run tells Dagster about trying again, and marking runs as failed whose process has
ended. Opening the warehouse is in `work`.
"""

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from assets.contracts.expectations import dismiss, warm_up
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.graph import key
from assets.sources.base import ASSET_CLASSES, AssetClass, shown_name
from assets.steps import StepRunner
from assets.warehouse.home import WarehouseBusy
from assets.warehouse.run import log
from pipelines.settings import Settings, planned
from pipelines.work import opened

# Tags of a run in Dagster's history: its process, which the UI hides, and its source.
PROCESS_TAG, SOURCE_TAG = ".dagster/cascade-pid", "source"
# The jobs that run every step, for the newest state and for a past day.
EVERYTHING_JOB, HISTORICAL_JOB = "everything", "historical_view"
# Dagster's tag with the partition of a run: the past day of a historical view. Ours shows it among the run's tags.
PARTITION_TAG, AS_OF_TAG = "dagster/partition", "as_of"
# How often a run is tried again if it fails for a reason that may pass. Schedules set it, and users may.
RETRIES_TAG = "cascade/retries"
# The pause before the second attempt; the third waits twice as long. CASCADE_RETRY_SECONDS replaces it.
RETRY_SECONDS = 300.0
# Dagster's tags: what its daemon does with a failed run, and which attempt a run is.
_MAX_RETRIES, _RETRY_STRATEGY, _RETRY_NUMBER = "dagster/max_retries", "dagster/retry_strategy", "dagster/retry_number"


class CascadeRun(dg.ConfigurableResource[StepRunner]):
    """One run of Cascade. Everything left empty is taken from the environment, else from the defaults."""

    source: str = Field(default="", description="demo (synthetic), files or live. Empty: CASCADE_SOURCE, else demo.")
    path: str = Field(default="", description="Folder of the source files. Empty: CASCADE_PATH.")
    home: str = Field(default="", description="Folder to write to. Empty: CASCADE_HOME, else data/<source>.")
    full: bool = Field(default=False, description="Ask for whole histories instead of what may have changed.")
    symbols: list[str] = Field(
        default=[], description="Ask for these instruments and series only, and for all of them."
    )
    accept: bool = Field(
        default=False, description="Store what the named symbols deliver although it contradicts what is stored."
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[StepRunner]:
        """The run, with its warehouse open (`work.opened`)."""
        dagster_run = context.run
        run_id = dagster_run.run_id if dagster_run else "no-run"
        given = dagster_run.tags if dagster_run else {}
        as_of = given.get(PARTITION_TAG, "")
        if context.instance and dagster_run:
            tags = {PROCESS_TAG: str(os.getpid()), **({AS_OF_TAG: as_of} if as_of else {})}
            # An attempt inherits the tags of the one before, but not why that one failed.
            tags |= {_MAX_RETRIES: "0"} if _RETRY_NUMBER in given else {}
            context.instance.add_run_tags(run_id, tags)
        if _RETRY_NUMBER in given:
            _wait_for_attempt(int(given[_RETRY_NUMBER]))
        may_pass = False
        try:
            if not as_of:
                warm_up()
            settings = Settings(self.source, self.path, self.home, as_of, self.full, tuple(self.symbols), self.accept)
            plan = planned(settings)
            if context.instance and dagster_run:
                context.instance.add_run_tags(run_id, {SOURCE_TAG: shown_name(plan.source)})
            with (
                opened(plan, run_id) as run,
                StepRunner(run, prefetched=fetched_classes(dagster_run)) as runner,
            ):
                yield runner
            may_pass = runner.may_pass
        except WarehouseBusy:
            may_pass = True
            raise
        finally:
            # A process that Dagster started with multiprocessing would wait for the worker for ever when it ends.
            if multiprocessing.parent_process() is not None:
                dismiss()
            if may_pass and context.instance and RETRIES_TAG in given:
                again = {_MAX_RETRIES: given[RETRIES_TAG], _RETRY_STRATEGY: "ALL_STEPS"}
                context.instance.add_run_tags(run_id, again)


def _wait_for_attempt(number: int) -> None:
    """Wait before a run is tried again. The warehouse is not open yet, so other runs may use it."""
    seconds = number * float(os.environ.get("CASCADE_RETRY_SECONDS", RETRY_SECONDS))
    log.info("attempt %d begins in %d seconds", number + 1, seconds)
    time.sleep(seconds)


def fetched_classes(dagster_run: dg.DagsterRun | None) -> tuple[AssetClass, ...]:
    """The asset classes that a Dagster run fetches one after the other; none if it runs single steps only."""
    if dagster_run is None or dagster_run.step_keys_to_execute:
        return ()
    if PARTITION_TAG in dagster_run.tags:
        return ASSET_CLASSES
    selection = dagster_run.asset_selection
    if selection is None:
        return ASSET_CLASSES if dagster_run.job_name == EVERYTHING_JOB else ()
    return tuple(c for c in ASSET_CLASSES if key(RAW_TABLE[TABLES_OF_CLASS[c][0]].full_name) in selection)


def close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark as failed the runs in Dagster's history whose process was killed.

    Dagster does not do it itself, and its queue, which lets one run go at a time, would wait for them for ever.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        pid = run.tags.get(PROCESS_TAG)
        if pid and not _is_alive(int(pid)):
            instance.report_run_failed(run, f"its process (PID {pid}) ended before the run did")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a process of another user
        return True
    return True
