"""The run as a Dagster resource: configured in the launchpad or on the command line, alive as long as the run.

Here: the lock and the connection are taken, the wall clock is read, and both end, in one place. What the choices mean
stands in `settings`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from assets import ledger, publish, validation
from assets.parameters import load_parameters
from assets.run import Run, log
from assets.universe import load_universe
from assets.warehouse import Home, writing
from pipelines.settings import build_source, code_version, home_folder, parse_as_of

# How long a run waits for another one that is writing.
WAIT_SECONDS = 600.0

# The tag of a run in Dagster's history that names its process.
PROCESS_TAG = "cascade/pid"


class CascadeRun(dg.ConfigurableResource[Run]):
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
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Run]:
        """The run, with the warehouse locked and open until it ends."""
        # A past day is made of what is stored; there is rarely anything to validate.
        if not self.as_of:
            validation.warm_up()
        source_name = self.source or os.environ.get("CASCADE_SOURCE") or "demo"
        path = self.path or os.environ.get("CASCADE_PATH", "")
        home = Home(home_folder(source_name, self.home or os.environ.get("CASCADE_HOME", "")))
        as_of = parse_as_of(self.as_of)
        source, universe = build_source(source_name, path, home, load_universe())
        run_id = context.run.run_id if context.run else "no-run"
        if context.instance and context.run:
            context.instance.add_run_tags(run_id, {PROCESS_TAG: str(os.getpid())})
        with writing(home, as_of, WAIT_SECONDS, log.warning) as connection:
            run = Run(
                id=run_id,
                connection=connection,
                home=home,
                source=source,
                universe=universe,
                parameters=load_parameters(),
                as_of=as_of,
                started_at=datetime.now(UTC),
                code_version=code_version(),
                is_full=self.full or bool(self.symbols),
                is_accepting=self.accept and bool(self.symbols),
                symbols=tuple(self.symbols),
            )
            publish.settle(run)
            ledger.open_run(run)
            try:
                yield run
            finally:
                publish.settle(run)
                ledger.close_run(connection, run_id)


def close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark as failed the runs in Dagster's history whose process was killed.

    Nobody else does it, and the queue, which lets one run go at a time, would wait for them for ever.
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
    except PermissionError:  # somebody else's
        return True
    return True
