"""The command prune: removes old runs from Dagster's history, and old snapshots.

Here: which runs are kept, and making the files of the history smaller. Not here: which snapshots are kept
(assets/publish/snapshots).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assets.config.parameters import load_parameters
from assets.warehouse.home import Home, WarehouseError
from assets.warehouse.lock import locked
from pipelines.cli.options import NOT_PUBLISHED, fail, home_option, source_option
from pipelines.settings import home_folder

if TYPE_CHECKING:
    import dagster as dg

# How long it waits for a run, whose events it must not hold up.
WAIT_SECONDS = 60.0


@click.command()
@source_option
@home_option
@click.option(
    "--runs", type=click.IntRange(0), default=100, show_default=True, metavar="N", help="Keep the newest N runs."
)
@click.option(
    "--snapshots",
    type=click.IntRange(0),
    metavar="N",
    help="Keep N snapshots besides that of the published file.  [default: parameter snapshots_kept]",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def prune(source: str, home: str, runs: int, snapshots: int | None, dry_run: bool) -> None:
    """Remove old runs from Dagster's history, and old snapshots.

    A run stays if it has not ended, or if it made the newest version of an asset or of one of its partitions. Stored
    data, the run log (meta.runs) and the published file stay as they are.
    """
    from assets.publish.snapshots import SnapshotError, keep_snapshot, older_snapshots
    from pipelines.dagster_home import dagster_instance

    where = Home(home_folder(source, home))
    history = where.folder / "dagster" / "history"
    if not history.exists():
        fail(f"{history} does not exist; there is nothing to remove", NOT_PUBLISHED)
    count = int(load_parameters()["snapshots_kept"].value) if snapshots is None else snapshots
    verb = "would remove" if dry_run else "removed"
    try:
        with (
            locked(where.run_lock, WAIT_SECONDS, click.echo),
            locked(where.lock, WAIT_SECONDS, click.echo),
            dagster_instance(where) as instance,
        ):
            older = older_snapshots(where) if where.published(None).exists() else []
            files = [where.folder / snapshot.path for snapshot in older[count:]]
            freed = _megabytes(files)
            if not dry_run:
                keep_snapshot(where, count)
            click.echo(f"{verb} {len(files)} of {len(older)} older snapshots: {freed:.1f} MB")
            old, count_before = _old_runs(instance, runs), instance.get_runs_count()
            logs = [path for run_id in old for path in history.glob(f"runs/{run_id}.db*")]
            freed, whole = _megabytes(logs), _megabytes(history.rglob("*"))
            if not dry_run:
                for run_id in old:
                    instance.delete_run(run_id)
                for path in logs:
                    path.unlink()
                _shrink(history)
                freed = whole - _megabytes(history.rglob("*"))
            click.echo(f"{verb} {len(old)} of {count_before} runs: {freed:.1f} of {whole:.1f} MB")
    except (WarehouseError, SnapshotError) as error:
        fail(str(error), NOT_PUBLISHED)


def _old_runs(instance: dg.DagsterInstance, count: int) -> list[str]:
    """The ids of the runs to remove: not the newest `count`, not those that go on, and not the last run of an asset."""
    needed = set()
    for key in instance.get_asset_keys():
        partitions: set[str | None] = set()
        cursor = None
        while True:
            # One record is enough unless the asset is partitioned.
            page = instance.fetch_materializations(key, limit=1000 if partitions else 1, cursor=cursor)
            for record in page.records:
                if record.partition_key not in partitions:
                    partitions.add(record.partition_key)
                    needed.add(record.run_id)
            if not page.has_more or partitions == {None}:
                break
            cursor = page.cursor
    old = [record.dagster_run for record in instance.get_run_records()[count:]]
    return [run.run_id for run in old if run.is_finished and run.run_id not in needed]


def _shrink(history: Path) -> None:
    """Give the space that was freed in the databases back to the disk."""
    for path in (history / "runs.db", history / "runs" / "index.db"):
        if path.exists():
            with closing(sqlite3.connect(path, timeout=WAIT_SECONDS)) as database:
                database.execute("vacuum")
                database.execute("pragma wal_checkpoint(truncate)")


def _megabytes(files: Iterable[Path]) -> float:
    return sum(path.stat().st_size for path in files) / 1e6
