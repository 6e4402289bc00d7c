"""The Parquet export: every published table as files that Polars, Spark and others read without DuckDB.

    parquet/manifest.json                             source, snapshot, and a hash of each part
    parquet/<schema>/<table>.parquet                  one file per table
    parquet/core/bars/asset_class=../year=../         the bars, in Hive partitions

Here: which files an export has, which of them are reused, and how all change at once. `parquet` is a link to a folder
that never changes. The next export is a new folder next to it, and replacing the link is one step. A reader that
resolves the link once reads one state, which stays until the export after the next. A reader that goes through the link
for each file gets complete files, but of two states if a run ends in between. A part whose rows did not change is a
hard link to the old file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from assets.contracts.queries import query
from assets.contracts.table import literal
from assets.publish.snapshots import Snapshot, combined, read_snapshot, table_columns, table_hash
from assets.warehouse.connection import EXPORT_MEMORY_LIMIT, sync

MANIFEST = "manifest.json"

# Raise it when the same rows would be written in another way, so that files of the old way are not reused.
FORMAT = 1

# The lightest compression takes a fifth less time than the default one, for a tenth more space. Bloom filters find
# single values, and so do sorted rows.
_FORMAT = "parquet, compression zstd, compression_level 1, write_bloom_filter false"
# Of each partition. All partitions are open at once, so DuckDB's half a million rows do not fit into the memory for 20
# years of 5,000 symbols. The files are not larger with fewer.
_ROWS_IN_MEMORY = 16_384

# All published schemas, in the order of the data.
_SCHEMAS = ("raw", "core", "marts", "meta")

# A day's run changes few of these many rows, so they are partitioned by class and year.
_PARTITIONED = "core.bars"

# Parquet would store such large integers as floating-point numbers. Ours are counts, which fit into 64 bits.
_NARROWER = {"HUGEINT": "bigint", "UHUGEINT": "ubigint"}

_README = """# {banner}Parquet export of Cascade

The tables of `cascade.duckdb` as of {as_of}, source {source}, snapshot {snapshot_id}; compressed with zstd, instants in
UTC. `meta/columns.parquet` has the meaning and the unit of every column; `manifest.json` lists the files.

    polars.scan_parquet("marts/breakouts.parquet")
    polars.scan_parquet("core/bars/**/*.parquet", hive_partitioning=True)   # asset_class and year are in the path
    spark.read.parquet("core/bars")
    duckdb -c "from read_parquet('core/bars/**/*.parquet', hive_partitioning = true)"

This folder never changes: the next run writes another one and points the link `parquet` to it, and the run after that
removes this one. To read one state, resolve the link once and read through the resolved path.
"""


class ParquetExportError(Exception):
    """The export cannot be put in place, so the old one stays. The message is one line and names the cure."""


@dataclass(frozen=True)
class ParquetExport:
    """A finished export: its path, how many parts (tables or partitions) were written and reused, its size in bytes."""

    path: Path
    parts_written: int
    parts_kept: int
    size: int


class _Part(NamedTuple):
    """A file, or the folder of one partition: its path within the export, its table, and what it holds."""

    path: str
    table: str
    rows: int
    hash: str


def export_parquet(published: Path, folder: Path) -> ParquetExport:
    """Write the tables of a published file as Parquet files, and point the link `folder` to them.

    After any error the old export is still there, and no file of the new one.

    Args:
        published: The published file.
        folder: The link.

    Returns:
        What was written. An export of this snapshot that exists already is left as it is.

    Raises:
        ParquetExportError: `folder` is not an export of Cascade, or the files do not hold the rows of the tables.
    """
    snapshot = read_snapshot(published)
    old = _Old.read(folder)
    new = folder.with_name(f".{folder.name}-{snapshot.snapshot_id}")
    if old.path is not None and old.path.resolve() == new.resolve():
        return ParquetExport(folder, 0, len(old.parts), _size(new))
    building = new.with_name(f"{new.name}.tmp")
    for leftover in (building, new):
        shutil.rmtree(leftover, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        with duckdb.connect(config={"threads": 1}) as connection:  # one thread keeps the order of the rows
            connection.execute(
                f"set memory_limit = '{EXPORT_MEMORY_LIMIT}'; set temp_directory = {literal(f'{building}.spill')}"
            )
            connection.execute(f"set partitioned_write_flush_threshold = {_ROWS_IN_MEMORY}; set timezone = 'UTC'")
            connection.execute(f"attach {literal(str(published))} as published (read_only)")
            parts, kept = _write_parts(connection, snapshot, building, old)
            _check(connection, building, parts)
        _describe(building, snapshot, parts)
        for path in (*building.rglob("*"), building):
            if path.is_dir() or path.stat().st_nlink == 1:  # reused files are on the disk already
                sync(path)
        building.rename(new)
        _point(folder, new, old)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    for other in folder.parent.glob(f".{folder.name}-*"):
        if other not in (new, old.path):
            shutil.rmtree(other, ignore_errors=True)
    return ParquetExport(folder, len(parts) - kept, kept, _size(new))


@dataclass(frozen=True)
class _Old:
    """The existing export: the folder behind the link, and the hashes of the parts that may be reused, by path."""

    path: Path | None
    parts: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> _Old:
        if not os.path.lexists(folder):
            return cls(None, {})
        path = folder.parent / folder.readlink() if folder.is_symlink() else folder
        manifest = path / MANIFEST
        if not folder.is_symlink() and not manifest.is_file():
            raise ParquetExportError(f"{folder} is not an export of Cascade; move it away and run again")
        try:
            written = json.loads(manifest.read_text(encoding="utf-8"))
            is_alike = (written["format"], written["duckdb_version"]) == (FORMAT, duckdb.__version__)
            parts = {part: facts["hash"] for part, facts in written["parts"].items()} if is_alike else {}
        except (OSError, ValueError, KeyError, TypeError):  # without a readable manifest, all is written again
            parts = {}
        return cls(path, parts)


def _write_parts(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, building: Path, old: _Old
) -> tuple[list[_Part], int]:
    """Write the parts that changed and link those that did not. Returns all parts, and how many were linked."""
    connection.execute("use published")
    metadata = _metadata(snapshot)
    parts: list[_Part] = []
    kept = 0
    for table, columns in table_columns(connection, _SCHEMAS).items():
        path = building / table.replace(".", "/")
        path.parent.mkdir(exist_ok=True)
        found = (
            _partitions(connection, columns)
            if table == _PARTITIONED
            else [_whole(connection, table, columns, snapshot)]
        )
        changed = [part for part in found if not _is_reused(part, building, old)]
        parts += found
        kept += len(found) - len(changed)
        if not changed:
            continue
        if table == _PARTITIONED:
            # The first time all partitions are new, and no list is needed.
            wanted = "" if len(changed) == len(found) else f"where (asset_class, year) in ({_listed(changed)})"
            selected = _selected(
                columns, f"({query('publish/bars_by_class_and_year')}) {wanted}", "asset_class", "year"
            )
            connection.execute(
                f"copy ({selected}) to {literal(str(path))} (format {_FORMAT}, "
                f"partition_by (asset_class, year), overwrite_or_ignore, {metadata})"
            )
        else:
            connection.execute(
                f"copy ({_selected(columns, table)}) to {literal(str(building / found[0].path))} "
                f"(format {_FORMAT}, {metadata})"
            )
    return parts, kept


def _whole(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str]], snapshot: Snapshot
) -> _Part:
    rows = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
    hash_ = snapshot.table_hashes.get(table) or table_hash(connection, table, columns)
    return _Part(f"{table.replace('.', '/')}.parquet", table, rows, hash_)


def _partitions(connection: duckdb.DuckDBPyConnection, columns: Sequence[tuple[str, str]]) -> list[_Part]:
    return [
        _Part(f"core/bars/asset_class={asset_class}/year={year}", _PARTITIONED, rows, combined(columns, rows, total))
        for asset_class, year, rows, total in connection.execute(
            "select asset_class, year, count(*), sum(hash(bar)) "
            f"from ({query('publish/bars_by_class_and_year')}) as bar group by all order by all"
        ).fetchall()
    ]


def _listed(partitions: Sequence[_Part]) -> str:
    """The partitions as a list of (class, year) in SQL."""
    values = [[part.partition("=")[2] for part in path.path.split("/")[2:]] for path in partitions]
    return ", ".join(f"('{asset_class}', {year})" for asset_class, year in values)


def _is_reused(part: _Part, building: Path, old: _Old) -> bool:
    """Link the files of an unchanged part into the new export. Returns whether that was possible."""
    if old.path is None or old.parts.get(part.path) != part.hash:
        return False
    source = old.path / part.path
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not files or not all(file.is_file() for file in files):
        return False
    for file in files:
        target = building / file.relative_to(old.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:  # a disk without hard links
            shutil.copyfile(file, target)
    return True


def _selected(columns: Sequence[tuple[str, str]], source: str, *more: str) -> str:
    """The query of the table's columns, in types that Parquet supports."""
    names = [f"{name}::{_NARROWER[type_]} as {name}" if type_ in _NARROWER else name for name, type_ in columns]
    return f"select {', '.join([*names, *more])} from {source}"


def _check(connection: duckdb.DuckDBPyConnection, building: Path, parts: Sequence[_Part]) -> None:
    """Count the rows of all files, written and linked ones."""
    found: dict[str, int] = dict(
        connection.execute(
            "select if(file_name like '%/year=%', parse_dirpath(file_name), file_name), sum(num_rows)::bigint "
            f"from parquet_file_metadata({literal(f'{building}/**/*.parquet')}) group by all"
        ).fetchall()
    )
    for part in parts:
        rows = found.get(str(building / part.path), 0)
        if rows != part.rows:
            raise ParquetExportError(f"{part.path} has {rows} rows in the export but {part.rows} in the published file")


def _describe(building: Path, snapshot: Snapshot, parts: Sequence[_Part]) -> None:
    """Write the manifest and the README."""
    facts: dict[str, Any] = {
        "format": FORMAT,
        "snapshot_id": snapshot.snapshot_id,
        "source": snapshot.source,
        "is_synthetic": snapshot.is_synthetic,
        "as_of": snapshot.as_of.isoformat(),
        "published_at": snapshot.published_at.isoformat(),
        "code_version": snapshot.code_version,
        "content_hash": snapshot.content_hash,
        "duckdb_version": duckdb.__version__,
        "parts": {part.path: {"table": part.table, "rows": part.rows, "hash": part.hash} for part in parts},
    }
    (building / MANIFEST).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (building / "README.md").write_text(
        _README.format(
            banner="SYNTHETIC DATA, no market made these numbers: " if snapshot.is_synthetic else "",
            as_of=snapshot.as_of,
            source=snapshot.source,
            snapshot_id=snapshot.snapshot_id,
        ),
        encoding="utf-8",
    )


def _metadata(snapshot: Snapshot) -> str:
    """Metadata of every file, for readers who have only that file. Nothing in it changes from run to run."""
    source = snapshot.source + (" (synthetic)" if snapshot.is_synthetic else "")
    return f"kv_metadata {{source: '{source}', written_by: 'Cascade'}}"


def _point(folder: Path, new: Path, old: _Old) -> None:
    """Point the link to the new export. If a copied folder is in the link's place, `parquet` is gone for a moment."""
    if old.path == folder:
        set_aside = folder.with_name(f".{folder.name}-copied")
        shutil.rmtree(set_aside, ignore_errors=True)
        folder.rename(set_aside)
    link = folder.with_name(f".{folder.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(new.name)
    link.replace(folder)
    sync(folder.parent)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
