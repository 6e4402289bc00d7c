"""Creating the table, view or macro of one model, with its comments.

Here: running one SQL file. Which models are built, and in which order, is in `build`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import duckdb

from assets.config.parameters import Parameter
from assets.contracts.errors import first_line
from assets.contracts.table import Column, literal
from assets.models.sql_files import COMPUTED, Model, ModelError
from assets.warehouse.connection import describes_all, transaction

# The last select of every model, before its order by.
_LAST_SELECT = "select * from final"
_CTE = re.compile(r"^(?:with )?(\w+) as \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)


def run_model(
    connection: duckdb.DuckDBPyConnection, model: Model, parameters: Mapping[str, Parameter]
) -> tuple[int, list[Column]]:
    """Create a model's table, view or macro with its comments, in one transaction.

    Args:
        connection: A connection to the warehouse.
        model: The model.
        parameters: The numbers of parameters.yaml.

    Returns:
        The number of rows, 0 for a view or a macro, and the columns.

    Raises:
        ModelError: The SQL is wrong, a column has no comment, or rows of a table that is built in slices are missing.
    """
    model = model.worded(parameters)
    try:
        with transaction(connection):
            columns = create_model(connection, model, parameters)
            _comment(connection, model, columns)
    except (duckdb.ProgrammingError, duckdb.DataError) as error:
        raise ModelError(f"{model.sql_path}: {first_line(error)}") from error
    if model.form != "table":
        return 0, columns
    rows = connection.execute(f"select count(*) from {model.full_name}").fetchall()[0][0]
    return int(rows), columns


def create_model(
    connection: duckdb.DuckDBPyConnection, model: Model, parameters: Mapping[str, Parameter]
) -> list[Column]:
    """Replace a model's table, view or macro, without comments.

    Args:
        connection: A connection to the warehouse.
        model: The model.
        parameters: The numbers of parameters.yaml.

    Returns:
        The columns.

    Raises:
        ModelError: As in `run_model`.
    """
    name, query = model.full_name, model.sql(parameters)
    if model.form == "macro":
        connection.execute(f"create or replace macro {name}(as_of_at) as table {_without_ctes(query)}")
        return describe(connection, model)
    if model.statistic:
        connection.register(COMPUTED, model.statistic.compute(connection, parameters))
    parts = model.slices.conditions(connection) if model.slices else []
    if len(parts) > 1:
        _create_in_slices(connection, model, query, parts)
    else:
        connection.execute(f"create or replace {model.form} {name} as {query}")
    if model.statistic:
        connection.unregister(COMPUTED)
    return describe(connection, model)


def _without_ctes(query: str) -> str:
    """The query with each CTE in the places that read it. DuckDB 1.4.0 and 1.4.1 lose those of a stored macro."""
    plain = _LAST_SELECT
    for name, select in reversed(_CTE.findall(query)):
        plain = re.sub(rf"\b(from|join) {name}\b", rf"\1 (\n{select}) as {name}", plain)
    return plain


def _create_in_slices(
    connection: duckdb.DuckDBPyConnection, model: Model, query: str, conditions: Iterable[str]
) -> None:
    """Replace the table, and fill it slice by slice. Raises ModelError when rows are lost."""
    # DuckDB 1.5.5 loses rows that are inserted in the transaction that created their table from a query without rows.
    # With `limit 0` it does not, but that is undocumented, so the rows are counted.
    connection.execute(f"create or replace table {model.full_name} as from ({query}) limit 0")
    inserted = 0
    for condition in conditions:
        part = query.replace(_LAST_SELECT, f"{_LAST_SELECT} where {condition}")
        inserted += connection.execute(f"insert into {model.full_name} {part}").fetchall()[0][0]
    found = connection.execute(f"select count(*) from {model.full_name}").fetchall()[0][0]
    if found != inserted:
        raise ModelError(f"{model.sql_path}: {inserted} rows were written, but the table has {found}")


def _comment(connection: duckdb.DuckDBPyConnection, model: Model, columns: Iterable[Column]) -> None:
    """Write the descriptions as comments in the database. Columns of a macro cannot have comments.

    Intermediate tables, half of all, get none: only models read them, and their SQL describes them.
    """
    name, form = model.full_name, "macro table" if model.form == "macro" else model.form
    if model.schema == "intermediate" or (model.form != "table" and not describes_all(connection)):
        return
    described = [] if model.form == "macro" else columns
    # One call for all statements, because each call may wait for Python's other threads.
    connection.execute(
        f"comment on {form} {name} is {literal(model.description)};"
        + "".join(f"comment on column {name}.{c.name} is {literal(c.description)};" for c in described)
    )


def describe(connection: duckdb.DuckDBPyConnection, model: Model) -> list[Column]:
    """The columns of the built model with their descriptions. Raises ModelError when a column has no description."""
    rows = f"{model.full_name}('2000-01-01')" if model.form == "macro" else model.full_name
    types = {row[0]: row[1].lower() for row in connection.execute(f"describe from {rows}").fetchall()}
    undescribed = [name for name in types if name not in model.column_descriptions]
    if undescribed:
        raise ModelError(f"{model.sql_path}: no comment describes {', '.join(undescribed)}")
    return [Column(name, type_, model.column_descriptions[name]) for name, type_ in types.items()]
