"""What changed between two published files: verdicts, breakouts, rows and columns.

Here: comparing two published files by the keys in meta.columns. Two numbers are equal if they differ only in the last
digits, as sums do that were added up in another order. The run log and the columns that repeat the file's day differ in
any two files, so they are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from assets.contracts.errors import first_line
from assets.contracts.queries import query
from assets.contracts.table import literal
from assets.publish.snapshots import Snapshot, SnapshotError, read_snapshot

# The order in which tables are listed.
_SCHEMAS = ("marts", "core", "raw", "meta")
_RUN_LOG = ("meta.runs", "meta.checks", "meta.snapshots")
_FILE_DAY = "as_of"
# Two numbers differ if their difference is more than this share of the larger one.
TOLERANCE = 1e-9
# How many rows of a table, and how many of their values, are shown. Counts are always complete.
EXAMPLES = 3
# How many verdicts and breakouts are listed.
LISTED = 20


@dataclass(frozen=True)
class Change:
    """A value that changed: the row's key as text, the column, and both values."""

    key: str
    column: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class StateChange:
    """A verdict or a status that changed. None: the claim or breakout is not in that file."""

    subject: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class TableDiff:
    """What changed in one table: counts, the keys of some rows with some of their values, and columns."""

    table_name: str
    rows_added: int
    rows_removed: int
    rows_changed: int
    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[Change]
    columns_added: Sequence[str]
    columns_removed: Sequence[str]
    types_changed: Sequence[str]


@dataclass(frozen=True)
class SnapshotDiff:
    """What changed from one file to the other. Of verdicts and breakouts, the first ones; `tables` counts all."""

    one: Snapshot
    other: Snapshot
    verdicts: Sequence[StateChange]
    breakouts: Sequence[StateChange]
    tables: Sequence[TableDiff]
    tables_added: Sequence[str]
    tables_removed: Sequence[str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.tables or self.tables_added or self.tables_removed)


class _Column(NamedTuple):
    name: str
    type: str
    is_key: bool


_Tables = Mapping[str, Mapping[str, _Column]]


def compare_snapshots(one: Path, other: Path) -> SnapshotDiff:
    """Compare two published files. Raises SnapshotError for a file that was not published by Cascade."""
    snapshots = read_snapshot(one), read_snapshot(other)
    if one.resolve() == other.resolve():
        return SnapshotDiff(*snapshots, [], [], [], [], [])
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        try:
            for name, path in (("one", one), ("other", other)):
                connection.execute(f"attach {literal(str(path))} as {name} (read_only)")
        except duckdb.Error as error:
            raise SnapshotError(f"{one} and {other} cannot be compared: {first_line(error)}") from error
        tables = _tables(connection, "one"), _tables(connection, "other")
        return SnapshotDiff(
            *snapshots,
            verdicts=list(_verdicts(connection, *tables)),
            breakouts=list(_breakouts(connection, *tables)),
            tables=list(_changed_tables(connection, snapshots, *tables)),
            tables_added=sorted(tables[1].keys() - tables[0].keys()),
            tables_removed=sorted(tables[0].keys() - tables[1].keys()),
        )


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, dict[str, _Column]]:
    tables: dict[str, dict[str, _Column]] = {}
    for table, *column in connection.execute(query("report/described_columns", file=database)).fetchall():
        tables.setdefault(table, {})[column[0]] = _Column(*column)
    order = sorted(tables, key=lambda name: (_SCHEMAS.index(name.partition(".")[0]), name))
    return {name: tables[name] for name in order if name not in _RUN_LOG}


def _changed_tables(
    connection: duckdb.DuckDBPyConnection, snapshots: tuple[Snapshot, Snapshot], one: _Tables, other: _Tables
) -> Iterator[TableDiff]:
    one_hashes, other_hashes = (snapshot.table_hashes for snapshot in snapshots)
    is_comparable = snapshots[0].duckdb_version == snapshots[1].duckdb_version
    for name in other:
        if name not in one:
            continue
        if is_comparable and name in one_hashes and one_hashes[name] == other_hashes.get(name):
            continue
        difference = _table(connection, name, one[name], other[name])
        if any(value for field, value in vars(difference).items() if field != "table_name"):
            yield difference


def _table(
    connection: duckdb.DuckDBPyConnection, name: str, one: Mapping[str, _Column], other: Mapping[str, _Column]
) -> TableDiff:
    common = [column for column in other if column in one]
    retyped = [column for column in common if one[column].type != other[column].type]
    key = [column for column in common if other[column].is_key]
    compared = [column for column in common if column not in (*key, *retyped) and (column != _FILE_DAY)]
    changed = " or ".join(_differs(other[column]) for column in compared) or "false"
    on = " and ".join(f"one.{column} is not distinct from other.{column}" for column in key) or "true"
    both = (
        f"(select *, true as is_there from one.{name}) as one "
        f"full outer join (select *, true as is_there from other.{name}) as other on {on}"
    )
    kinds = {
        "added": "one.is_there is null",
        "removed": "other.is_there is null",
        "changed": f"one.is_there and other.is_there and ({changed})",
    }
    found = connection.execute(
        f"select {', '.join(f'count(*) filter (where {which})' for which in kinds.values())} from {both}"
    ).fetchall()[0]
    counts = dict(zip(kinds, found, strict=True))
    # The newest first, if the key has a day.
    days = [column for column in key if other[column].type.startswith(("DATE", "TIMESTAMP"))]
    order = ", ".join(
        [f"coalesce(other.{c}, one.{c}) desc" for c in days]
        + [f"coalesce(other.{c}, one.{c})" for c in key if c not in days]
    )
    keys = f"concat_ws(', ', {', '.join(f'coalesce(other.{c}, one.{c})::varchar' for c in key)})" if key else "''"

    def some(kind: str, selected: str) -> list[tuple[Any, ...]]:
        """The first rows that were added, removed or changed."""
        if not counts[kind]:
            return []
        return connection.execute(
            f"select {selected} from {both} where {kinds[kind]} order by {order or '1'} limit {EXAMPLES}"
        ).fetchall()

    values = ", ".join(
        f"if({_differs(other[c])}, ['{c}', one.{c}::varchar, other.{c}::varchar], null)" for c in compared
    )
    return TableDiff(
        name,
        rows_added=counts["added"],
        rows_removed=counts["removed"],
        rows_changed=counts["changed"],
        added=[text for (text,) in some("added", keys)],
        removed=[text for (text,) in some("removed", keys)],
        changed=[
            Change(text, *value)
            for text, values_ in some("changed", f"{keys}, [{values}]")
            for value in [value for value in values_ if value is not None][:EXAMPLES]
        ],
        columns_added=[column for column in other if column not in one],
        columns_removed=[column for column in one if column not in other],
        types_changed=[f"{column}: {one[column].type} to {other[column].type}" for column in retyped],
    )


def _differs(column: _Column) -> str:
    """The condition under which a column of two rows differs."""
    one, other = f"one.{column.name}", f"other.{column.name}"
    if column.type not in ("DOUBLE", "FLOAT"):
        return f"{one} is distinct from {other}"
    apart = f"abs({one} - {other}) > {TOLERANCE} * greatest(abs({one}), abs({other}))"
    return f"coalesce({apart}, ({one} is null) <> ({other} is null))"


def _verdicts(connection: duckdb.DuckDBPyConnection, one: _Tables, other: _Tables) -> Iterator[StateChange]:
    """The claims whose verdicts changed."""
    if "marts.claims" not in one or "marts.claims" not in other:
        return
    changed = connection.execute(query("report/changed_verdicts"), {"listed": LISTED}).fetchall()
    for claim_id, claim, old, new in changed:
        yield StateChange(f"{claim_id}. {claim}", old, new)


def _breakouts(connection: duckdb.DuckDBPyConnection, one: _Tables, other: _Tables) -> Iterator[StateChange]:
    """The breakouts that were added or removed or whose status changed."""
    if "marts.breakouts" not in one or "marts.breakouts" not in other:
        return
    for row in connection.execute(query("report/changed_breakouts"), {"listed": LISTED}).fetchall():
        yield StateChange(*row)
