"""The run of Cascade as a Dagster resource, with the fields of the launchpad.

Here: the resource, and marking runs as failed whose process has ended. Opening the warehouse is in `work`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from assets.contracts.expectations import warm_up
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.graph import key
from assets.sources.base import ASSET_CLASSES, AssetClass
from assets.steps import StepRunner
from pipelines.settings import Settings, planned
from pipelines.work import opened

# The tag of a run in Dagster's history that names its process.
PROCESS_TAG = "cascade/pid"
# The job that runs every step.
EVERYTHING_JOB = "everything"


class CascadeRun(dg.ConfigurableResource[StepRunner]):
    """One run of Cascade. Everything left empty is taken from the environment, else from the defaults."""

    source: str = Field(default="", description="demo (synthetic), files or live. Empty: CASCADE_SOURCE, else demo.")
    path: str = Field(default="", description="Folder of the source files. Empty: CASCADE_PATH.")
    home: str = Field(default="", description="Folder to write to. Empty: CASCADE_HOME, else data/<source>.")
    as_of: str = Field(default="", description="A past day (YYYY-MM-DD) whose state is rebuilt into a file of its own.")
    full: bool = Field(default=False, description="Ask for whole histories instead of what may have changed.")
    symbols: list[str] = Field(
        default=[], description="Ask for these instruments and series only, and for all of them."
    )
    accept: bool = Field(
        default=False, description="Store what the named symbols deliver although it contradicts what is stored."
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[StepRunner]:
        """The run, with the warehouse locked and open until it ends."""
        dagster_run = context.run
        run_id = dagster_run.run_id if dagster_run else "no-run"
        if context.instance and dagster_run:
            context.instance.add_run_tags(run_id, {PROCESS_TAG: str(os.getpid())})
        if not self.as_of:
            warm_up()
        settings = Settings(self.source, self.path, self.home, self.as_of, self.full, tuple(self.symbols), self.accept)
        with (
            opened(planned(settings), run_id) as run,
            StepRunner(run, prefetched=fetched_classes(dagster_run)) as runner,
        ):
            yield runner


def fetched_classes(dagster_run: dg.DagsterRun | None) -> tuple[AssetClass, ...]:
    """The asset classes that a Dagster run fetches one after the other; none if it runs single steps only."""
    if dagster_run is None or dagster_run.step_keys_to_execute:
        return ()
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
