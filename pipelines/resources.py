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

from assets import ledger, validation
from assets.parameters import load_parameters
from assets.run import Run, log
from assets.universe import load_universe
from assets.warehouse import Home, writing
from pipelines.settings import build_source, code_version, home_folder, parse_as_of

# How long a run waits for another one that is writing.
WAIT_SECONDS = 600.0


class CascadeRun(dg.ConfigurableResource[Run]):
    """One run of Cascade. Everything left empty is taken from the environment, else from the defaults."""

    source: str = Field(default="", description="demo (synthetic), files or live. Empty: CASCADE_SOURCE, else demo.")
    path: str = Field(default="", description="Folder of the source files. Empty: CASCADE_PATH.")
    home: str = Field(default="", description="Folder to write to. Empty: CASCADE_HOME, else data/<source>.")
    as_of: str = Field(default="", description="A past day (YYYY-MM-DD) whose state is rebuilt into a file of its own.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Run]:
        """The run, with the warehouse locked and open until it ends."""
        validation.warm_up()
        source_name = self.source or os.environ.get("CASCADE_SOURCE") or "demo"
        path = self.path or os.environ.get("CASCADE_PATH", "")
        home = Home(home_folder(source_name, self.home or os.environ.get("CASCADE_HOME", "")))
        as_of = parse_as_of(self.as_of)
        source, universe = build_source(source_name, path, home, load_universe())
        run_id = context.run.run_id if context.run else "no-run"
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
            )
            ledger.open_run(run)
            try:
                yield run
            finally:
                ledger.close_run(connection, run_id)
