"""The commands about kept versions of the published file: snapshots, diff.

Here: arguments and what is printed. Not here: which snapshots are kept and what changed (assets/publish).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

import click

from assets.warehouse.home import Home
from pipelines.cli.console import Console
from pipelines.cli.options import NOT_PUBLISHED, fail, home_option, run_command, source_option
from pipelines.settings import home_folder

if TYPE_CHECKING:
    from assets.publish.snapshot_diff import SnapshotDiff, TableDiff
    from assets.publish.snapshots import Snapshot


@click.command()
@source_option
@home_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per snapshot, for scripts.")
def snapshots(source: str, home: str, as_json: bool) -> None:
    """List the published files that were kept, newest first.

    Cite the id of a snapshot with a result. Each snapshot is a file in the folder snapshots/, with a manifest. The same
    content hash means the same data. The parameter snapshots_kept says how many are kept.
    """
    from assets.publish.snapshots import list_snapshots

    where = Home(home_folder(source, home))
    with _errors():
        found = list_snapshots(where)
    if not found:
        fail(f"{where.snapshots} has no snapshots; create one with: {run_command(where, source, None)}", NOT_PUBLISHED)
    if as_json:
        for snapshot in found:
            click.echo(json.dumps(snapshot.as_dict(), default=_as_text))
        return
    console = Console()
    _banner(console, *found)
    console.line(f"{where.snapshots}", style="bold")
    console.table(
        ["snapshot", "published", "as of", "content hash", "version", "MB"],
        [
            (
                snapshot.snapshot_id,
                snapshot.published_at,
                snapshot.as_of,
                snapshot.content_hash,
                snapshot.code_version,
                round((where.folder / snapshot.path).stat().st_size / 1e6, 1),
            )
            for snapshot in found
        ],
    )


@click.command()
@click.argument("a")
@click.argument("b", default="latest")
@source_option
@home_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def diff(a: str, b: str, source: str, home: str, as_json: bool) -> None:
    """Show what changed between two snapshots.

    It lists changed verdicts, changed breakouts, and the changed rows of each table. A and B are each one of: an id or
    the start of one; a day, which means the newest snapshot as of that day, or else published on it; a file; latest. B
    is latest unless given.

    \b
    cascade diff 2026-08-20 latest
    cascade diff 20260820T2215 data/files/cascade-asof-2020-12-31.duckdb
    """
    from assets.publish.snapshot_diff import compare_snapshots
    from assets.publish.snapshots import find_snapshot

    where = Home(home_folder(source, home))
    with _errors():
        difference = compare_snapshots(find_snapshot(where, a), find_snapshot(where, b))
    if as_json:
        click.echo(json.dumps(asdict(difference), default=_as_text))
    else:
        _show(Console(), difference)


def _show(console: Console, difference: SnapshotDiff) -> None:
    _banner(console, difference.one, difference.other)
    for label, snapshot in (("from", difference.one), ("to", difference.other)):
        console.line(
            f"{label:<4} {snapshot.snapshot_id}, as of {snapshot.as_of}, by Cascade {snapshot.code_version}", "bold"
        )
    if difference.is_empty:
        console.line("No table has changed.")
        return
    for title, subject, changes in (
        ("Changed verdicts", "claim", difference.verdicts),
        ("New, removed and changed breakouts", "breakout", difference.breakouts),
    ):
        if changes:
            rows = [(change.subject, change.old, change.new) for change in changes]
            console.table([subject, "before", "after"], rows, title=title)
        else:
            console.line(f"{title}: none.")
    console.table(
        ["table", "added", "removed", "changed", "columns"],
        [
            (table.table_name, table.rows_added, table.rows_removed, table.rows_changed, _columns(table))
            for table in difference.tables
        ],
        title="Changed rows",
    )
    for title, tables in (("New tables", difference.tables_added), ("Removed tables", difference.tables_removed)):
        if tables:
            console.line(f"{title}: {', '.join(tables)}")
    examples = [
        (table.table_name, change.key, change.column, change.old, change.new)
        for table in difference.tables
        for change in table.changed
    ]
    if examples:
        console.table(["table", "row", "column", "before", "after"], examples, title="Examples of changed values")


def _columns(table: TableDiff) -> str | None:
    changes = [
        *(f"+{column}" for column in table.columns_added),
        *(f"-{column}" for column in table.columns_removed),
        *table.types_changed,
    ]
    return ", ".join(changes) or None


def _banner(console: Console, *shown: Snapshot) -> None:
    from pipelines.cli.summary import SYNTHETIC

    if any(snapshot.is_synthetic for snapshot in shown):
        console.line(SYNTHETIC, style="bold yellow")


def _as_text(value: date) -> str:
    """A date or a timestamp as text: JSON has no type for either."""
    return value.isoformat()


@contextmanager
def _errors() -> Iterator[None]:
    """End the command if a snapshot cannot be found or read."""
    from assets.publish.snapshots import SnapshotError

    try:
        yield
    except SnapshotError as error:
        fail(str(error), NOT_PUBLISHED)
