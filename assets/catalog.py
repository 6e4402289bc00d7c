"""What the published file says of itself: meta.columns, meta.lineage and meta.column_lineage.

Here: every published column with type, unit and meaning, taken from the database as it is, and the lineage as rows. The
unit of a number stands in brackets in its description ("[fraction]"), or follows from a name that means the same in
every table; which names those are is written here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import duckdb
import pandas as pd

from assets.contracts.stored import STORED_TABLES
from assets.lineage import published_lineage
from assets.models import Model, describe, read_models
from assets.warehouse.connection import replace_rows, transaction

_NUMBER = re.compile(r"^(u?(tiny|small|big|huge)?int(eger)?|double|float|decimal.*)(\[\])?$")
_IN_BRACKETS = re.compile(r"\[([^\],]+)")

# Units of the names that mean the same wherever they stand; the first that fits counts.
_UNIT_OF_NAME = tuple(
    (re.compile(f"^(?:{name})$"), unit)
    for name, unit in (
        (r".*_musd", "USD millions"),
        (r".*_usd", "USD"),
        (r".*_pct", "%"),
        (r".*_days", "days"),
        (r".*sessions.*|missing_in_a_row|aggregation|closes_below_\d+", "sessions"),
        (r"open|high|low|close|adj_close|signal_price|signal_low|return_price", "currency of the instrument"),
        (r"volume", "shares (equity) or USD (crypto)"),
        (r"[pq]_value|min_p", "probability"),
        (r"share_.*|hit_rate|percentile|excess_.*|leave_one_out_.*", "fraction"),
        (r"correlation.*|beta_.*|ratio", "ratio"),
        (r"zscore_.*", "standard deviations"),
        (r"rows_.*", "rows"),
        (r"n_episodes.*", "episodes"),
        (r"n|n_.*|turn_ons", "cases"),
        (r"members|known|new_highs_.*|new_lows_.*", "members"),
        (r"lag|best_lag", "blocks"),
    )
)


class PublishedColumn(NamedTuple):
    """A column of a published table or table macro: a row of meta.columns."""

    table_name: str
    column_name: str
    position: int
    type: str
    unit: str | None
    is_key: bool
    description: str


def unit_of(name: str, type_: str, description: str) -> str | None:
    """The unit of a column's numbers; None for what is no number, and for numbers that only name or count off."""
    if not _NUMBER.match(type_):
        return None
    if written := _IN_BRACKETS.search(description):
        return written[1].strip()
    return next((unit for pattern, unit in _UNIT_OF_NAME if pattern.match(name)), None)


def published_columns(
    connection: duckdb.DuckDBPyConnection, schemas: Sequence[str], models: Iterable[Model]
) -> Iterator[PublishedColumn]:
    """Every column of the tables of the schemas as the database has them, then those of the models that are macros."""
    by_name = {model.full_name: model for model in models}
    keys = {name: model.grain for name, model in by_name.items()}
    keys |= {table.full_name: table.row_key for table in STORED_TABLES}
    for table, name, position, type_, description in connection.execute(
        "select schema_name || '.' || table_name, column_name, column_index, lower(data_type), comment "
        "from duckdb_columns() where database_name = current_database() and list_contains(?, schema_name) "
        "order by list_position(?, schema_name), table_name, column_index",
        [schemas, schemas],
    ).fetchall():
        unit = unit_of(name, type_, description or "")
        yield PublishedColumn(table, name, position, type_, unit, name in keys.get(table, ()), description or "")
    for full_name, model in sorted(by_name.items()):
        if model.form == "macro" and model.schema in schemas:
            for position, column in enumerate(describe(connection, model), start=1):
                yield PublishedColumn(
                    full_name,
                    column.name,
                    position,
                    column.type,
                    unit_of(column.name, column.type, column.description),
                    column.name in model.grain,
                    column.description,
                )


def write_catalog(connection: duckdb.DuckDBPyConnection, schemas: Sequence[str]) -> None:
    """Bring the three tables up to what the schemas hold and to what their SQL says."""
    models = read_models()
    lineage = published_lineage(models, schemas)
    read = [
        (
            name,
            upstream,
            sorted(source.column for source in own.reads if source.table == upstream and source.column is not None),
            sorted(own.steps.get(upstream, ())),
        )
        for name, own in sorted(lineage.items())
        for upstream in sorted({source.table for source in own.reads})
    ]
    made_of = [
        (name, column, *source)
        for name, own in sorted(lineage.items())
        for column, sources in own.columns.items()
        for source in sorted(sources, key=str)
    ]
    tables: dict[str, tuple[Sequence[str], list[tuple[object, ...]]]] = {
        "meta.columns": (PublishedColumn._fields, [*published_columns(connection, schemas, models)]),
        "meta.lineage": (("table_name", "upstream", "columns", "steps"), [*read]),
        "meta.column_lineage": (("table_name", "column_name", "upstream", "upstream_column"), [*made_of]),
    }
    with transaction(connection):
        for name, (columns, rows) in tables.items():
            replace_rows(connection, name, pd.DataFrame(rows, columns=list(columns)))
