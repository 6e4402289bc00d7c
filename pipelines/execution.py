"""One run from the command line: this process executes the Dagster job in the home's own instance.

Here: executing the job, and why a run failed, read from its events. What the job consists of is in `definitions`.
"""

import os
from dataclasses import asdict

import dagster as dg

from assets.config.calendars import FIRST_EQUITY_DAY
from assets.warehouse.home import WarehouseError, unwritable
from pipelines.dagster_home import dagster_instance
from pipelines.definitions import defs
from pipelines.failures import why_failed
from pipelines.resources import EVERYTHING_JOB, HISTORICAL_JOB, PROCESS_TAG
from pipelines.settings import Plan


def execute(plan: Plan, run_id: str) -> str | None:
    """Execute every step of a run.

    Args:
        plan: What is run, and where.
        run_id: The id of the run, in Dagster and in meta.runs.

    Returns:
        Why the run failed, in one line; None if it did not.
    """
    chosen = plan.settings
    config = {**asdict(chosen), "symbols": list(chosen.symbols)}
    day = config.pop("as_of") or None
    if plan.as_of is not None and plan.as_of < FIRST_EQUITY_DAY:
        return f"no data as of {plan.as_of}: no price is older than {FIRST_EQUITY_DAY}; choose a later day"
    try:
        with dagster_instance(plan.home) as instance:
            result = defs.resolve_job_def(HISTORICAL_JOB if day else EVERYTHING_JOB).execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=day,
                tags={PROCESS_TAG: str(os.getpid())},
                run_config={
                    "resources": {"run": {"config": config}},
                    # The terminal shows the progress; Dagster's own lines are in the log of the run.
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                raise_on_error=False,
            )
            return None if result.success else _why_failed(instance, run_id, plan)
    except WarehouseError as error:
        return str(error)


def _why_failed(instance: dg.DagsterInstance, run_id: str, plan: Plan) -> str:
    reason, is_raised = why_failed(instance, run_id)
    if reason is None:
        return "it did not finish; the Dagster UI has its log"
    # What a check says is about the data: a vendor's quota is not a full disk.
    return (unwritable(plan.home.folder, reason) if is_raised else None) or reason
