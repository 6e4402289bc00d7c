"""The process that tells Dagster of the runs that the command line did: `python -m pipelines.recorder HOME`.

Here: a Dagster run of the same job and assets, with the same id and configuration, whose steps report what `telling`
has written down. It takes what the work leaves of the machine, and nothing waits for it. One recorder is at work in a
home, and tells of all its runs.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import dagster as dg

from assets.steps import Work
from assets.warehouse.home import Home
from pipelines.definitions import build_definitions
from pipelines.history import history
from pipelines.resources import PROCESS_TAG, RUN_TAG, CascadeRun
from pipelines.telling import recording, retelling, untold


def _retold(path: Path) -> dg.ResourceDefinition:
    """A run that another process does, with the configuration of one that Dagster does."""

    @contextmanager
    def from_its_beginning(_: dg.InitResourceContext) -> Iterator[Work]:
        with retelling(path) as work:
            yield work

    return dg.ResourceDefinition(from_its_beginning, config_schema=CascadeRun.to_config_schema())


def retell(instance: dg.DagsterInstance, path: Path) -> None:
    """Tell Dagster of one run, whole, whatever an interrupted recorder told of it before."""
    with retelling(path) as told:
        run_id, chosen = told.run_id, told.settings
    # Dagster takes no run twice: the one that an interrupted recorder left half told stays, as failed.
    dagsters_id = str(uuid4()) if instance.has_run(run_id) else run_id
    build_definitions(_retold(path)).resolve_job_def("everything").execute_in_process(
        instance=instance,
        run_id=dagsters_id,
        tags={PROCESS_TAG: str(os.getpid()), RUN_TAG: run_id},
        run_config={
            "resources": {
                "run": {
                    "config": {
                        "source": chosen.source,
                        "path": chosen.path,
                        "home": chosen.home,
                        "as_of": chosen.as_of,
                        "full": chosen.full,
                        "symbols": list(chosen.symbols),
                        "accept": chosen.accept,
                    }
                }
            },
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def main(where: Home) -> None:
    """Tell Dagster of every run of the home that it does not know of."""
    folder = where.folder / "dagster"
    while untold(folder) and (lock := recording(folder)):
        with lock, history(where) as instance:
            while paths := untold(folder):
                try:
                    retell(instance, paths[0])
                except (ValueError, KeyError, TypeError) as error:
                    # Another version's, or a line cut in two by a power cut: kept for whoever wants to look.
                    sys.stderr.write(f"{paths[0]} cannot be retold: {error!r}\n")
                    paths[0].rename(paths[0].with_suffix(".unreadable"))
                else:
                    paths[0].unlink()
        # Whoever found the lock taken until now relies on this recorder, so it looks once more.


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])))
