"""The data dictionary: every published table and column as Markdown, from the same words as the database's comments.

Here: the text of docs/data-dictionary.md, made by building all tables from no data at all. Run as a program it prints
the text (make docs).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import duckdb

from assets.models import describe, read_models, run_model
from assets.parameters import load_parameters
from assets.publish import PUBLISHED_SCHEMAS
from assets.warehouse import prepare

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
    for schema in PUBLISHED_SCHEMAS:
        tables = connection.execute(
            "select table_name, comment from duckdb_tables() where schema_name = ? order by table_name", [schema]
        ).fetchall()
        for table, comment in tables:
            yield f"## {schema}.{table}\n\n{comment}\n\n| column | type | meaning |\n|---|---|---|"
            for name, type_, meaning in connection.execute(
                "select column_name, lower(data_type), comment from duckdb_columns() "
                "where schema_name = ? and table_name = ? order by column_index",
                [schema, table],
            ).fetchall():
                yield f"| {name} | {type_} | {meaning} |"
            yield ""
    for model in read_models():
        if model.form == "macro":
            yield f"## {model.full_name}(as_of_at)\n\n{model.description}\n\n| column | type | meaning |\n|---|---|---|"
            for column in describe(connection, model):
                yield f"| {column.name} | {column.type} | {column.description} |"
            yield ""


if __name__ == "__main__":
    with duckdb.connect() as memory:
        build_empty(memory)
        sys.stdout.write(dictionary(memory))
