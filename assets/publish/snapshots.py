"""Snapshots: published files that are kept when newer ones take their place, so that you can cite a result.

    snapshots/<id>.duckdb   a hard link to the published file, which takes no space until that file is replaced
    snapshots/<id>.json     its manifest: run, clock, code version, and a hash of each table's content

Here: which files are kept, their manifests, and how one is found again. A snapshot exists if both of its files do. The
manifest is written first and removed last, so a crash leaves at most a manifest without a file, which is not listed and
which the next run removes. Comparing two snapshots is in `snapshot_diff`.
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
from typing import Any

import duckdb

from assets.contracts.errors import first_line
from assets.sources.base import is_synthetic
from assets.warehouse.connection import open_published, replace_file, swap_in, sync, transaction
from assets.warehouse.home import Home
from assets.warehouse.run import Run, log

# A snapshot's hash covers the market data. The schema meta, which describes the run, differs in every run.
HASHED_SCHEMAS = ("raw", "core", "marts")

# The name of the newest published file where a snapshot is named.
LATEST = "latest"


class SnapshotError(Exception):
    """A snapshot does not exist or cannot be read. The message is one line and names the cure."""


@dataclass(frozen=True)
class Snapshot:
    """A published file: a row of meta.snapshots. `path` is relative to the home's folder."""

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
        """Whether its numbers are generated."""
        return is_synthetic(self.source)

    def as_dict(self) -> dict[str, Any]:
        """Its fields and is_synthetic, as in its manifest."""
        return {**asdict(self), "is_synthetic": self.is_synthetic}


_COLUMNS = tuple(Snapshot.__dataclass_fields__)


# --- content of a file --------------------------------------------------------------------------------------------


def table_hash(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str]], rows: str | None = None
) -> str:
    """The hash of a table's columns and of its rows, in any order.

    Args:
        connection: A connection to the database.
        table: The table, with its schema.
        columns: Name and type of each column, in order.
        rows: A query that selects the rows. None: all rows of the table.

    Returns:
        16 hexadecimal digits.
    """
    counted = connection.execute(f"select count(*), sum(hash(r)) from ({rows or f'from {table}'}) as r").fetchall()[0]
    return combined(columns, *counted)


def combined(columns: Sequence[tuple[str, str]], rows: int, total: int | None) -> str:
    """Hash a table whose rows are already hashed.

    Args:
        columns: Name and type of each column, in order.
        rows: The number of rows.
        total: The sum of the hashes of the rows; None if there are no rows.

    Returns:
        16 hexadecimal digits.
    """
    return _short(f"{columns} {rows} {total}")


def table_columns(
    connection: duckdb.DuckDBPyConnection, schemas: Sequence[str], database: str | None = None
) -> dict[str, list[tuple[str, str]]]:
    """The tables of some schemas, each with the name and type of its columns, in order.

    Args:
        connection: A connection.
        schemas: The names of the schemas.
        database: An attached database. None: the current one.

    Returns:
        The columns by the table's full name, sorted by schema and table.
    """
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
    """A mapping in the form that DuckDB accepts as a parameter of type MAP."""
    return {"key": list(mapping.keys()), "value": list(mapping.values())}


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


# --- publishing ---------------------------------------------------------------------------------------------------


def note_snapshot(run: Run) -> Snapshot:
    """Write meta.snapshots: what is about to be published, and the older snapshots that are kept."""
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
    # A historical view is a separate file: it is not kept, and lists no snapshots. The newest snapshot in a file must
    # be the file itself, so a snapshot that was dated later, by a clock that was ahead, is left out.
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
    """The number of older snapshots that are kept."""
    return int(run.parameters["snapshots_kept"].value)


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot that a published file is. Raises SnapshotError for any other file."""
    try:
        with open_published(path) as reader:
            row = reader.execute(
                f"select {', '.join(_COLUMNS)} from meta.snapshots order by published_at desc limit 1"
            ).fetchone()
    except duckdb.Error as error:
        raise SnapshotError(f"{path} is not a published file of Cascade: {first_line(error)}") from error
    if row is None:
        raise SnapshotError(f"{path} has no row in meta.snapshots")
    return Snapshot(*row)


# --- keeping ------------------------------------------------------------------------------------------------------


def keep_snapshot(home: Home, count: int) -> None:
    """Keep the published file below snapshots/, and remove the oldest snapshots until `count` older ones are left.

    Call it before and after another file takes the published file's place; a second call changes nothing. A file that
    cannot be read, or that an old version of Cascade published, is not kept.
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
    for snapshot in older_snapshots(home)[count:]:
        (home.folder / snapshot.path).unlink(missing_ok=True)
        (folder / f"{snapshot.snapshot_id}.json").unlink(missing_ok=True)
    for manifest in folder.glob("*.json"):
        if not manifest.with_suffix(".duckdb").exists():
            manifest.unlink()
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()


def older_snapshots(home: Home) -> list[Snapshot]:
    """The existing snapshots except that of the published file, the newest first. Raises SnapshotError."""
    current = read_snapshot(home.published(None)).snapshot_id
    return [snapshot for snapshot in list_snapshots(home) if snapshot.snapshot_id != current]


def list_snapshots(home: Home) -> list[Snapshot]:
    """The existing snapshots, the newest first. Raises SnapshotError for a manifest that cannot be read."""
    found = []
    for manifest in home.snapshots.glob("*.json"):
        if manifest.with_suffix(".duckdb").exists():
            # A run may be removing this one.
            with suppress(FileNotFoundError):
                found.append(_read_manifest(manifest))
    return sorted(found, key=lambda snapshot: (snapshot.published_at, snapshot.snapshot_id), reverse=True)


def find_snapshot(home: Home, named: str) -> Path:
    """Find a snapshot by what a user typed.

    Args:
        home: The home.
        named: `latest`, a path, an id or its beginning, or a day: the newest snapshot as of it, else published on it.

    Returns:
        The path of the file.

    Raises:
        SnapshotError: No snapshot or more than one has that name.
    """
    if named == LATEST:
        if not home.published(None).exists():
            raise SnapshotError(f"{home.published(None)} does not exist yet; run first")
        return home.published(None)
    if "/" in named or named.endswith(".duckdb"):
        if not Path(named).expanduser().exists():
            raise SnapshotError(f"{named} does not exist")
        return Path(named).expanduser()
    snapshots = list_snapshots(home)
    try:
        day = date.fromisoformat(named)
    except ValueError:
        fitting = [snapshot for snapshot in snapshots if snapshot.snapshot_id.startswith(named)]
        if len(fitting) > 1:
            raise SnapshotError(
                f"{len(fitting)} snapshots have ids that begin with {named}; write more of the id"
            ) from None
    else:
        fitting = [s for s in snapshots if s.as_of == day] or [s for s in snapshots if s.published_at.date() == day]
    if not fitting:
        raise SnapshotError(f"there is no snapshot {named}; `cascade snapshots` lists all of them")
    return home.folder / fitting[0].path


def _path(snapshot_id: str) -> str:
    return f"snapshots/{snapshot_id}.duckdb"


def _write_manifest(path: Path, snapshot: Snapshot) -> None:
    text = json.dumps(snapshot.as_dict(), indent=1, default=lambda value: value.isoformat()) + "\n"
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
        raise SnapshotError(f"{path} is not a manifest; remove it, and the snapshot next to it is ignored") from error


def _link(source: Path, target: Path) -> None:
    """Hard-link a file; on a disk without hard links, copy it and give the finished copy its name."""
    try:
        os.link(source, target)
    except OSError:
        new = target.with_name(target.name + ".tmp")
        shutil.copyfile(source, new)
        swap_in(new, target)
