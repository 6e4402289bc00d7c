"""Why a run failed, in one line, read from its events in Dagster.

Here: the one place that knows how Dagster writes down a failed check, a failed step and a run that never began.
"""

from typing import Any

import dagster as dg

from assets.graph import key
from assets.steps import HISTORICAL_VIEW

# The steps of a historical view are one step of Dagster, whose error names them.
_HISTORICAL_STEP = "__".join(key(HISTORICAL_VIEW).path)
_FAILED = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


def why_failed(instance: dg.DagsterInstance, run_id: str) -> tuple[str | None, bool]:
    """Why a run failed.

    Returns:
        The reasons in one line, None if its events have none, and whether something was raised: what a failed check
        says is about the data only.
    """
    broken: dict[str, str] = {}
    raised: dict[str, str] = {}
    run_error: str | None = None
    blocked: set[str | None] = set()
    for record in instance.get_records_for_run(run_id, of_type=_FAILED).records:
        event = record.event_log_entry.get_dagster_event()
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                blocked.add(event.step_key)
                reason = f"{check.asset_key.path[-1]}: {check.description or check.check_name}"
                broken[reason] = reason
        elif event.event_type is dg.DagsterEventType.STEP_FAILURE:
            # If a check of the step has blocked, it has said why.
            if event.step_key not in blocked:
                named = "" if event.step_key == _HISTORICAL_STEP else f"{event.step_key}: "
                raised[event.step_key or ""] = named + _described(event.step_failure_data.error)
        elif event.job_failure_data.error:
            run_error = _described(event.job_failure_data.error)
    reasons = [*broken, *raised.values()]
    if not reasons and run_error:
        return run_error, True
    return "; ".join(reasons) or None, bool(raised)


def _described(error: Any) -> str:
    """The error under those that Dagster wraps it in, as `describe_error` writes one."""
    while error and error.cause and str(error.cls_name).startswith("Dagster"):
        error = error.cause
    if error is None:
        return "it failed without an error"
    name, _, text = error.message.strip().splitlines()[0].partition(": ")
    is_own = name.startswith(("assets.", "pipelines.")) or error.cls_name == "Failure"
    return text if is_own else f"{error.cls_name}: {text}"
