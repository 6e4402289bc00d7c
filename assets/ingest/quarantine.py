"""The quarantine: rejected rows go to meta.quarantine, as they arrived and with the reason.

Here: copying rejected rows from the staging tables, and rows that a source could not parse, to meta.quarantine. Why a
row is rejected is decided in `row_checks` and `history_checks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pandas as pd

from assets.contracts.queries import query
from assets.contracts.table import Table
from assets.ingest.stage import ClassResult, Rejection, Unparsed, registered, staging


def quarantine_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime, result: ClassResult
) -> None:
    """Keep the rejected rows of a staging table.

    Args:
        connection: The run's connection, within the transaction that stores the class.
        table: The raw table whose staging table is read.
        captured_at: When the rows arrived.
        result: Gets every rejection, including rows that are in quarantine already.
    """
    id_column, rows = table.key[0], staging(table)
    statement = query(
        "checks/rejected_rows",
        staged_rows=rows,
        id_column=id_column,
        day=table.date_column or "null::date",
        payload=f"struct_pack({', '.join(f'{name} := {name}' for name in table.own_columns)})",
    )
    connection.execute(statement, {"table_name": table.full_name})
    for id_, count in connection.execute(
        f"select coalesce({id_column}, ''), count(*) from {rows} where rejected_because is not null group by 1"
    ).fetchall():
        result.rows_rejected[id_] = result.rows_rejected.get(id_, 0) + count
    rejected = connection.execute(
        "select table_name, id, session_date, reason from temp.rejected_rows order by all"
    ).fetchall()
    result.rejections += [Rejection(*row) for row in rejected]
    _add("temp.rejected_rows", connection, captured_at)
    connection.execute("drop table temp.rejected_rows")


def quarantine_unparsed(
    connection: duckdb.DuckDBPyConnection, unparsed: Sequence[Unparsed], captured_at: datetime, result: ClassResult
) -> None:
    """Keep the rows that the source could not parse.

    Args:
        connection: The run's connection, within the transaction that stores the class.
        unparsed: The rows.
        captured_at: When they arrived.
        result: Gets every rejection, including rows that are in quarantine already.
    """
    if not unparsed:
        return
    frame = pd.DataFrame(unparsed, columns=Unparsed._fields).drop_duplicates().assign(session_date=pd.NaT)
    with registered(connection, "unparsed_rows", frame):
        _add("unparsed_rows", connection, captured_at)
    for row in unparsed:
        result.rows_rejected[row.id] = result.rows_rejected.get(row.id, 0) + 1
        result.rejections.append(Rejection(row.table_name, row.id, None, row.reason))


def _add(rejected_rows: str, connection: duckdb.DuckDBPyConnection, captured_at: datetime) -> None:
    """Add the rows of a table to the quarantine, except those that it has already."""
    connection.execute(query("checks/new_in_quarantine", rejected_rows=rejected_rows), {"captured_at": captured_at})
