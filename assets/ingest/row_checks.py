"""Checks of single rows: what is written to a staged row's `rejected_because` before anything is stored.

Here: rows that are wrong on their own (they break a rule of the contract, their date is not a session, their id belongs
to another class) or compared with their neighbours (duplicates, another unit, another adjustment base). Whether a whole
symbol must be rejected is decided in `history_checks`.
"""

from __future__ import annotations

import duckdb

from assets.config.parameters import Parameters
from assets.contracts.queries import query
from assets.contracts.raw import RAW_TABLE
from assets.contracts.table import Table, literal
from assets.ingest.stage import read_stored, staging, stored
from assets.warehouse.run import Run


def check_rows(run: Run, table: Table) -> None:
    """Write into each staged row of the table why it is rejected, if it is. Safe to repeat after more was staged."""
    _reject_by_contract(run, table)
    _reject_duplicates(run.connection, table)
    read_stored(run.connection, table)
    if table.is_bars:
        _reject_unit_errors(run.connection, table, run.parameters)
        _reject_adjustment_breaks(run.connection, table, run.parameters)


def _reject_by_contract(run: Run, table: Table) -> None:
    """Reject rows that are wrong on their own."""
    rows = staging(table)
    # NaN is greater than every number in SQL, so it becomes null before anything is compared. pandas means null by it.
    doubles = [c.name for c in table.columns if c.type == "double" and c.name in table.own_columns]
    if doubles:
        emptied = ", ".join(f"{name} = case when isnan({name}) then null else {name} end" for name in doubles)
        run.connection.execute(f"update {rows} set {emptied} where {' or '.join(f'isnan({name})' for name in doubles)}")
    rules = _rules(table)
    statement = query(
        "checks/row_rules",
        staged_rows=rows,
        is_broken=",\n".join(f"{condition} as breaks_{n}" for n, (condition, _) in enumerate(rules)),
        reasons=",\n".join(f"case when breaks_{n} then {literal(reason)} end" for n, (_, reason) in enumerate(rules)),
        any_broken=" or ".join(f"breaks_{n}" for n in range(len(rules))),
    )
    values = {"today": run.started_at.date(), "calendar": table.calendar}
    run.connection.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})


def _rules(table: Table) -> list[tuple[str, str]]:
    """What no row may be: SQL that is true for a bad row, which may use $today and $calendar, and the reason."""
    rules = [(rule.broken_when, rule.reason) for rule in table.rules]
    for column in table.columns:
        if column.name in table.own_columns and not column.is_nullable:
            rules.append((f"{column.name} is null", f"{column.name} is missing"))
    if table.date_column:
        rules.append((f"{table.date_column} > $today", "the date is in the future"))
    if table.is_bars:
        sessions = "select session_date from reference.sessions where calendar = $calendar"
        is_no_session = f"{table.date_column} <= $today and {table.date_column} not in ({sessions})"
        rules.append((is_no_session, "the date is not a session of the calendar"))
        listed = "select instrument_id from reference.instruments where calendar <> $calendar"
        for other in (other for other in RAW_TABLE.values() if other.is_bars and other is not table):
            is_of_other = (
                f"instrument_id in (select instrument_id from {other.full_name}) or instrument_id in ({listed})"
            )
            rules.append((is_of_other, f"the id belongs to {other.name.removesuffix('_bars')}"))
    return rules


def _reject_duplicates(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Reject the further copies of equal rows, and all rows with the same key that differ."""
    statement = query(
        "checks/duplicate_rows",
        staged_rows=staging(table),
        key=", ".join(table.key),
        values=", ".join(table.value_columns) or "1",
        is_same_key=" and ".join(f"repeated.{name} = staged.{name}" for name in table.key),
    )
    connection.execute(statement)


def _reject_unit_errors(connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters) -> None:
    """Reject bars whose price is a unit error (100 times, a hundredth) away from the bars around it."""
    values = {"unit_jump": parameters["unit_jump"].value}
    connection.execute(
        query("checks/price_levels", staged_rows=staging(table), stored_rows=stored(table)),
        values,
    )
    connection.execute(query("checks/unit_errors", staged_rows=staging(table)), values)
    connection.execute("drop table temp.price_levels")


def _reject_adjustment_breaks(connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters) -> None:
    """Reject bars whose total-return close is adjusted to another base than the bars before them."""
    connection.execute(
        query("checks/adjustment_breaks", staged_rows=staging(table)),
        {"base_tolerance": parameters["base_tolerance"].value},
    )
