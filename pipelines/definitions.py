"""The one wiring file: assets, jobs, schedules, the alerts and the run resource, put together for Dagster.

Nothing is defined here; it is only assembled. Nothing but the entry points imports this module.
"""

import dagster as dg

from assets.graph import build_assets
from pipelines.alerts import alerts
from pipelines.dagster_home import write_without_waiting
from pipelines.jobs import JOBS, SCHEDULES
from pipelines.resources import CascadeRun

write_without_waiting()


def build_definitions(run: CascadeRun | dg.ResourceDefinition) -> dg.Definitions:
    """All of it, for the run that steps are given."""
    # One process does one step after another: the warehouse has one writer, and a process per step costs ten times
    # more.
    return dg.Definitions(
        assets=build_assets(),
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[alerts],
        resources={"run": run},
        executor=dg.in_process_executor,
    )


defs = build_definitions(CascadeRun())
