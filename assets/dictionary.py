"""The data dictionary: every published table and column as Markdown, from the same words as the database's comments.

Here: the text of docs/data-dictionary.md, made by building all tables from no data at all. Run as a program it prints
the text (make docs).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby

import duckdb

from assets.catalog import published_columns
from assets.config.parameters import load_parameters
from assets.contracts.stored import PUBLISHED_SCHEMAS
from assets.models import read_models, run_model
from assets.warehouse.connection import prepare

_HEADING = """# Data dictionary

Every table of the published file. Generated from the contracts and the SQL models (`make docs`); do not edit.
Dates are DATE, instants TIMESTAMP WITH TIME ZONE in UTC, returns and shares fractions (0.25 is 25 %).
"""


def build_empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every table, stored and derived, from no data."""
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
    models = read_models()
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
