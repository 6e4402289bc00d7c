"""Opening and closing the warehouse for a run.

Here: what happens before and after the steps: the lock, the connection, the start time and the run log. Settings are
explained in `settings`, the steps are in `assets.steps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from assets.publish import published_file
from assets.warehouse import run_log
from assets.warehouse.connection import writing
from assets.warehouse.run import Run, log
from pipelines.settings import Plan, code_version

# How long a run waits for another one that is writing.
WAIT_SECONDS = 600.0


@contextmanager
def opened(plan: Plan, run_id: str) -> Iterator[Run]:
    """Open the warehouse for a run. Until it ends no other run begins, but it gives up the file while a vendor answers.

    Raises WarehouseError if the warehouse cannot be used.
    """
    with writing(plan.home, plan.as_of, WAIT_SECONDS, log.warning) as (connection, locks):
        run = Run(
            id=run_id,
            connection=connection,
            home=plan.home,
            source=plan.source,
            universe=plan.universe,
            parameters=plan.parameters,
            as_of=plan.as_of,
            started_at=datetime.now(UTC),
            code_version=code_version(),
            is_full=plan.settings.full or bool(plan.settings.symbols),
            is_accepting=plan.settings.accept and bool(plan.settings.symbols),
            symbols=plan.settings.symbols,
            locks=locks,
        )
        with locks.storing():
            locks.begin(run_id)
            published_file.settle(run)
            run_log.open_run(run)
        try:
            yield run
        finally:
            with locks.storing():
                published_file.settle(run)
                run_log.close_run(connection, run_id)
