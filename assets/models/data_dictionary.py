"""The description of the published file: its tables and columns, and which columns each is computed from.

Here: the rows of meta.columns, meta.lineage and meta.column_lineage, and docs/data-dictionary.md, made from the same
descriptions. The unit of a number is in brackets in its description ("[fraction]"), or follows from its name if the
name means the same in every table; those names are listed here. Run as a program, the module prints the dictionary
(`make docs`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import duckdb
import pandas as pd

from assets.config.parameters import Parameters, load_parameters
from assets.contracts.stored import PUBLISHED_SCHEMAS, STORED_TABLES
from assets.models.create import describe, run_model
from assets.models.lineage import published_lineage
from assets.models.sql_files import Model, read_models
from assets.warehouse.connection import prepare, replace_rows, transaction

_NUMBER = re.compile(r"^(u?(tiny|small|big|huge)?int(eger)?|double|float|decimal.*)(\[\])?$")
_IN_BRACKETS = re.compile(r"\[([^\],]+)")

# Units of the names that mean the same in every table. The first pattern that matches counts.
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
    """The unit of a column's numbers. None: the column has no numbers, or numbers without a unit.

    Args:
        name: The column's name.
        type_: Its SQL type, in lower case.
        description: Its description.

    Returns:
        The unit.
    """
    if not _NUMBER.match(type_):
        return None
    if written := _IN_BRACKETS.search(description):
        return written[1].strip()
    return next((unit for pattern, unit in _UNIT_OF_NAME if pattern.match(name)), None)


def published_columns(
    connection: duckdb.DuckDBPyConnection, schemas: Sequence[str], models: Iterable[Model]
) -> Iterator[PublishedColumn]:
    """Every column of the tables in the database, then those of the macros.

    Args:
        connection: A connection to the database.
        schemas: The schemas, in the order in which they are listed.
        models: The models, with the numbers in their descriptions.

    Yields:
        The columns, sorted by schema and table.
    """
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


def write_catalog(connection: duckdb.DuckDBPyConnection, schemas: Sequence[str], parameters: Parameters) -> None:
    """Write meta.columns, meta.lineage and meta.column_lineage.

    Args:
        connection: A connection to the warehouse.
        schemas: The published schemas.
        parameters: The numbers of parameters.yaml, which descriptions name.
    """
    models = [model.worded(parameters) for model in read_models()]
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
    computed_from = [
        (name, column, *source)
        for name, own in sorted(lineage.items())
        for column, sources in own.columns.items()
        for source in sorted(sources, key=str)
    ]
    tables: dict[str, tuple[Sequence[str], list[tuple[object, ...]]]] = {
        "meta.columns": (PublishedColumn._fields, [*published_columns(connection, schemas, models)]),
        "meta.lineage": (("table_name", "upstream", "columns", "steps"), [*read]),
        "meta.column_lineage": (("table_name", "column_name", "upstream", "upstream_column"), [*computed_from]),
    }
    with transaction(connection):
        for name, (columns, rows) in tables.items():
            replace_rows(connection, name, pd.DataFrame(rows, columns=list(columns)))


_HEADING = """# Data dictionary

Every table of the published file. Generated from the contracts and the SQL models (`make docs`); do not edit.
Dates are DATE, instants TIMESTAMP WITH TIME ZONE in UTC, returns and shares fractions (0.25 is 25 %).
"""


def build_empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every stored table and every model, without data."""
    prepare(connection)
    connection.execute("set timezone = 'UTC'")
    connection.execute("insert into reference.clock values ('2000-01-01', '2000-01-02')")
    for model in read_models():
        run_model(connection, model, load_parameters())


def dictionary(connection: duckdb.DuckDBPyConnection) -> str:
    """The dictionary of the published schemas of a database, as Markdown."""
    return "\n".join((_HEADING, *_tables(connection)))


def _tables(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    meanings = dict(
        connection.execute("select schema_name || '.' || table_name, comment from duckdb_tables()").fetchall()
    )
    parameters = load_parameters()
    models = [model.worded(parameters) for model in read_models()]
    macros = {model.full_name: model.description for model in models if model.form == "macro"}
    columns = published_columns(connection, PUBLISHED_SCHEMAS, models)
    for name, described in groupby(columns, key=lambda column: column.table_name):
        title = f"{name}(as_of_at)" if name in macros else name
        yield f"## {title}\n\n{macros.get(name) or meanings[name]}\n"
        yield "| column | type | unit | meaning |\n|---|---|---|---|"
        for column in described:
            yield f"| {column.column_name} | {column.type} | {column.unit or ''} | {column.description} |"
        yield ""


if __name__ == "__main__":
    with duckdb.connect() as memory:
        build_empty(memory)
        sys.stdout.write(dictionary(memory))
