"""The Dagster definitions: assets, jobs, schedules, the alert sensor and the run resource, put together.

Here: the wiring only. Not here: any definition. Only entry points import this module.
"""

import dagster as dg

from assets.graph import build_assets
from pipelines.alerts import alerts
from pipelines.dagster_home import write_without_waiting
from pipelines.jobs import JOBS, SCHEDULES
from pipelines.resources import CascadeRun

write_without_waiting()


def build_definitions(run: CascadeRun | dg.ResourceDefinition) -> dg.Definitions:
    """The definitions, with `run` as the resource that the steps use."""
    # One process does the steps one after another: the warehouse has one writer, and a process per step takes ten times
    # as long.
    return dg.Definitions(
        assets=build_assets(),
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[alerts],
        resources={"run": run},
        executor=dg.in_process_executor,
    )


defs = build_definitions(CascadeRun())
