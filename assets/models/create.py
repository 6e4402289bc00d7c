"""Creating the table, view or macro of one model, with its comments.

Here: what one SQL file becomes in the database. Which models are built, and in which order, is in `build`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from assets.config.parameters import Parameter
from assets.contracts.table import Column, literal
from assets.models.sql_files import COMPUTED, Model, ModelError
from assets.warehouse.connection import describes_all, transaction
from assets.warehouse.home import first_line

# Where every query ends, but for its order.
_LAST_SELECT = "select * from final"


def run_model(
    connection: duckdb.DuckDBPyConnection, model: Model, parameters: Mapping[str, Parameter]
) -> tuple[int, list[Column]]:
    """Build the table anew, with its comments. Returns its number of rows (0 unless it is one) and its columns.

    Raises ModelError when the columns and the comments that describe them are not the same, or the SQL is wrong.
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
    """Put the table, view or macro in place of the old one. Returns its columns. Raises what `run_model` does."""
    name, query = model.full_name, model.sql(parameters)
    if model.form == "macro":
        connection.execute(f"create or replace macro {name}(as_of_at) as table {query}")
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


def _create_in_slices(
    connection: duckdb.DuckDBPyConnection, model: Model, query: str, conditions: Iterable[str]
) -> None:
    """Put the table in place of the old one, slice by slice. Raises ModelError when rows are lost on the way."""
    # DuckDB 1.5.5 loses what is inserted within the transaction that created a table of a query that found nothing,
    # but not where it looked for nothing. That is not relied on: the rows are counted.
    connection.execute(f"create or replace table {model.full_name} as from ({query}) limit 0")
    inserted = 0
    for condition in conditions:
        part = query.replace(_LAST_SELECT, f"{_LAST_SELECT} where {condition}")
        inserted += connection.execute(f"insert into {model.full_name} {part}").fetchall()[0][0]
    found = connection.execute(f"select count(*) from {model.full_name}").fetchall()[0][0]
    if found != inserted:
        raise ModelError(f"{model.sql_path}: of {inserted} rows that were written, {found} are there")


def _comment(connection: duckdb.DuckDBPyConnection, model: Model, columns: Iterable[Column]) -> None:
    """Put the descriptions where every client of the database shows them. Columns of a macro cannot have any.

    Intermediate tables, half of all, are read by models only: their SQL says what they are.
    """
    name, form = model.full_name, "macro table" if model.form == "macro" else model.form
    if model.schema == "intermediate" or (model.form != "table" and not describes_all(connection)):
        return
    described = [] if model.form == "macro" else columns
    # Statements sent together wait once, not each, for whatever else Python is doing.
    connection.execute(
        f"comment on {form} {name} is {literal(model.description)};"
        + "".join(f"comment on column {name}.{c.name} is {literal(c.description)};" for c in described)
    )


def describe(connection: duckdb.DuckDBPyConnection, model: Model) -> list[Column]:
    """The columns of the built table with their descriptions. Raises ModelError as `run_model` does."""
    rows = f"{model.full_name}('2000-01-01')" if model.form == "macro" else model.full_name
    types = {row[0]: row[1].lower() for row in connection.execute(f"describe from {rows}").fetchall()}
    undescribed = [name for name in types if name not in model.column_descriptions]
    if undescribed:
        raise ModelError(f"{model.sql_path}: no comment describes {', '.join(undescribed)}")
    return [Column(name, type_, model.column_descriptions[name]) for name, type_ in types.items()]
