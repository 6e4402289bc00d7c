"""Snapshots: published files that are kept when newer ones take their place, so that a result can be cited.

    snapshots/<id>.duckdb   the published file itself: a second name for it, so that keeping it costs next to nothing
    snapshots/<id>.json     its manifest: run, clock, code version, and a hash of what each table holds

Here: which files are kept, what is written down of each, and how one is found again. A snapshot is there once both of
its files are; the manifest comes first and goes last, so that a crash leaves at most a manifest that nobody counts and
the next run removes. What differs between two snapshots is told by `snapshot_diff`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import duckdb

from assets.sources.base import is_synthetic
from assets.warehouse.connection import open_published, replace_file, swap_in, sync, transaction
from assets.warehouse.home import Home, first_line
from assets.warehouse.run import Run, log

# What a run says of itself (meta) differs from run to run; a snapshot's hash is of what it says of the market.
HASHED_SCHEMAS = ("raw", "core", "marts")

# Where the newest published file is meant.
LATEST = "latest"


class SnapshotError(Exception):
    """There is no such snapshot, or it cannot be read. The message is one line and names the cure."""


@dataclass(frozen=True)
class Snapshot:
    """A published file: a row of meta.snapshots. `path` is seen from the home's folder."""

    snapshot_id: str
    run_id: str
    source: str
    published_at: datetime
    as_of: date
    code_version: str
    path: str
    content_hash: str
    table_hashes: Mapping[str, str]
    duckdb_version: str

    @property
    def is_synthetic(self) -> bool:
        """Whether no market made its numbers."""
        return is_synthetic(self.source)


_COLUMNS = tuple(Snapshot.__dataclass_fields__)


# --- what a file holds --------------------------------------------------------------------------------------------


def table_hash(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str]], rows: str | None = None
) -> str:
    """Hash of the rows of a table, in any order, and of its columns. `rows` is the query that has them, if not all."""
    counted = connection.execute(f"select count(*), sum(hash(r)) from ({rows or f'from {table}'}) as r").fetchall()[0]
    return combined(columns, *counted)


def combined(columns: Sequence[tuple[str, str]], rows: int, total: int | None) -> str:
    """One hash of the columns (name, type), the number of rows and the sum of the hashes of the rows."""
    return _short(f"{columns} {rows} {total}")


def table_columns(
    connection: duckdb.DuckDBPyConnection, schemas: Sequence[str], database: str | None = None
) -> dict[str, list[tuple[str, str]]]:
    """The tables of the schemas with their columns, name and type, in order."""
    tables: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
        "where database_name = coalesce(?, current_database()) and list_contains(?, schema_name) "
        "order by schema_name, table_name, column_index",
        [database, schemas],
    ).fetchall():
        tables.setdefault(table, []).append((column, type_))
    return tables


def _as_map(mapping: Mapping[str, str]) -> dict[str, list[str]]:
    """As DuckDB takes a map for a parameter."""
    return {"key": list(mapping.keys()), "value": list(mapping.values())}


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


# --- what is published --------------------------------------------------------------------------------------------


def note_snapshot(run: Run) -> Snapshot:
    """Enter what is about to be published into meta.snapshots, with the older snapshots that will stay beside it."""
    connection, now = run.connection, datetime.now(UTC)
    hashes = {
        table: table_hash(connection, table, columns)
        for table, columns in table_columns(connection, HASHED_SCHEMAS).items()
    }
    snapshot_id = f"{now:%Y%m%dT%H%M%SZ}-{run.id[:8]}"
    new = Snapshot(
        snapshot_id=snapshot_id,
        run_id=run.id,
        source=run.source.name,
        published_at=now,
        as_of=connection.execute("select as_of from reference.clock").fetchall()[0][0],
        code_version=run.code_version,
        path=_path(snapshot_id) if run.as_of is None else run.published.name,
        content_hash=_short(json.dumps(hashes, sort_keys=True)),
        table_hashes=hashes,
        duckdb_version=duckdb.__version__,
    )
    # A look at the past is a file of its own, which is never kept and keeps no others. The newest in a file is the file
    # itself, so one that a clock which was ahead has dated later is left out.
    kept = list_snapshots(run.home)[: snapshots_kept(run)] if run.as_of is None else []
    older = [snapshot for snapshot in kept if snapshot.published_at < now]
    with transaction(connection):
        connection.execute("delete from meta.snapshots")
        for snapshot in (new, *older):
            fields = {**asdict(snapshot), "table_hashes": _as_map(snapshot.table_hashes)}
            named = ", ".join(f"? as {name}" for name in fields)
            connection.execute(f"insert into meta.snapshots by name select {named}", list(fields.values()))
    return new


def snapshots_kept(run: Run) -> int:
    """How many older snapshots stay."""
    return int(run.parameters["snapshots_kept"].value)


def read_snapshot(path: Path) -> Snapshot:
    """What a published file says of itself. Raises SnapshotError for a file that says nothing."""
    try:
        with open_published(path) as reader:
            row = reader.execute(
                f"select {', '.join(_COLUMNS)} from meta.snapshots order by published_at desc limit 1"
            ).fetchone()
    except duckdb.Error as error:
        raise SnapshotError(f"{path} is not a published file of Cascade: {first_line(error)}") from error
    if row is None:
        raise SnapshotError(f"{path} does not say which snapshot it is")
    return Snapshot(*row)


# --- what is kept -------------------------------------------------------------------------------------------------


def keep_snapshot(home: Home, count: int) -> None:
    """Give the published file a second name below snapshots/, and let the oldest go until `count` older ones are left.

    To be called before another file takes its place and after; where nothing is to be done, nothing is. A file that an
    earlier Cascade published, or that cannot be read, is not kept: it cannot say what it is.
    """
    published = home.published(None)
    if not published.exists():
        return
    try:
        current = read_snapshot(published)
    except SnapshotError as error:
        log.warning("not kept as a snapshot: %s", error)
        return
    folder = home.snapshots
    folder.mkdir(exist_ok=True)
    target = home.folder / current.path
    if not target.exists():
        _write_manifest(folder / f"{current.snapshot_id}.json", current)
        _link(published, target)
        sync(folder)
    older = [snapshot for snapshot in list_snapshots(home) if snapshot.snapshot_id != current.snapshot_id]
    for snapshot in older[count:]:
        (home.folder / snapshot.path).unlink(missing_ok=True)
        (folder / f"{snapshot.snapshot_id}.json").unlink(missing_ok=True)
    for manifest in folder.glob("*.json"):
        if not manifest.with_suffix(".duckdb").exists():
            manifest.unlink()
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()


def list_snapshots(home: Home) -> list[Snapshot]:
    """The snapshots that are there, the newest first. Raises SnapshotError for a manifest that cannot be read."""
    found = []
    for manifest in home.snapshots.glob("*.json"):
        if manifest.with_suffix(".duckdb").exists():
            # One that a run removes just now is not there any more.
            with suppress(FileNotFoundError):
                found.append(_read_manifest(manifest))
    return sorted(found, key=lambda snapshot: (snapshot.published_at, snapshot.snapshot_id), reverse=True)


def find_snapshot(home: Home, named: str) -> Path:
    """The file that is meant: `latest`, a path, an id or its beginning, or a day (the newest as of it, else of it).

    Raises SnapshotError when there is none, or more than one.
    """
    if named == LATEST:
        if not home.published(None).exists():
            raise SnapshotError(f"{home.published(None)} is not there yet; run first")
        return home.published(None)
    if "/" in named or named.endswith(".duckdb"):
        if not Path(named).expanduser().exists():
            raise SnapshotError(f"{named} is not there")
        return Path(named).expanduser()
    snapshots = list_snapshots(home)
    try:
        day = date.fromisoformat(named)
    except ValueError:
        fitting = [snapshot for snapshot in snapshots if snapshot.snapshot_id.startswith(named)]
        if len(fitting) > 1:
            raise SnapshotError(f"{named} begins the id of {len(fitting)} snapshots; write more of it") from None
    else:
        fitting = [s for s in snapshots if s.as_of == day] or [s for s in snapshots if s.published_at.date() == day]
    if not fitting:
        raise SnapshotError(f"there is no snapshot {named}; cascade snapshots lists those that there are")
    return home.folder / fitting[0].path


def _path(snapshot_id: str) -> str:
    return f"snapshots/{snapshot_id}.duckdb"


def _write_manifest(path: Path, snapshot: Snapshot) -> None:
    fields = {**asdict(snapshot), "is_synthetic": snapshot.is_synthetic}
    text = json.dumps(fields, indent=1, default=lambda value: value.isoformat()) + "\n"
    replace_file(path, text.encode())


def _read_manifest(path: Path) -> Snapshot:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return replace(
            Snapshot(**{name: fields[name] for name in _COLUMNS}),
            published_at=datetime.fromisoformat(fields["published_at"]),
            as_of=date.fromisoformat(fields["as_of"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{path} is no manifest; remove it, and the snapshot beside it is not counted") from error


def _link(source: Path, target: Path) -> None:
    """A second name for the file; where the disk cannot have that, a copy that is whole before it has its name."""
    try:
        os.link(source, target)
    except OSError:
        new = target.with_name(target.name + ".tmp")
        shutil.copyfile(source, new)
        swap_in(new, target)
