"""Checks of whole symbols: does a delivery agree with what is stored?

Here: what only history can tell. A symbol is rejected as a whole, and its stored data kept, if its delivery lacks
stored rows or looks like another instrument, another unit, or a split of only a part of the history. Single stored rows
that a delivery lacks are recorded in meta.vanished. Single rows were checked before, in `row_checks`. Nothing is stored
in the raw tables here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import duckdb

from assets.config.parameters import Parameters
from assets.contracts.queries import query
from assets.contracts.table import Table
from assets.ingest.row_checks import check_rows
from assets.ingest.stage import Fetched, fetch_again, staging, stored
from assets.warehouse.results import same_reasons
from assets.warehouse.run import log

# How many instruments one statement compares. More take more memory, fewer more scans.
_IDS_AT_ONCE = 1_000

# Units that vendors confuse: pence and pounds, single shares and thousands.
UNITS = (100, 1000)


class PriceOverlap(NamedTuple):
    """How the delivered prices of an instrument relate to the stored ones of the same sessions.

    Attributes:
        bars: Sessions that are both delivered and stored.
        ratio: Median of delivered over stored price.
        agreeing: Bars that share this ratio.
        differing: Bars that are far from the stored ones.
        differing_ratio: Median ratio of the differing bars; None if there are none.
        differing_agreeing: Differing bars that share that ratio.
        is_adjusted: True if only total-return closes could be compared, whose past dividends move as well.
    """

    bars: int
    ratio: float
    agreeing: int
    differing: int
    differing_ratio: float | None
    differing_agreeing: int
    is_adjusted: bool

    def is_rescaled(self, parameters: Parameters) -> bool:
        """Whether nearly all prices changed by one factor: a split, or another unit."""
        return (
            self.bars >= parameters["split_rows"].value
            and self.agreeing >= parameters["split_agreement"].value * self.bars
            and max(self.ratio, 1 / self.ratio) >= 1 + parameters["split_smallest"].value
        )

    def contradiction(self, parameters: Parameters) -> str | None:
        """Why the prices cannot continue the stored ones; None if they can."""
        if self.differing < parameters["split_rows"].value or self.is_rescaled(parameters):
            return None
        if not self.is_adjusted and self.differing_agreeing >= parameters["split_agreement"].value * self.differing:
            times = f"{self.differing_ratio:.4g} times the stored ones"
            return f"a split of only a part of the history? {self.differing} of {self.bars} prices are {times}"
        if self.differing > self.bars / 2:
            return (
                f"another instrument? {self.differing} of {self.bars} prices differ from the stored ones "
                f"(about {self.ratio:.4g} times them)"
            )
        return None


def fetch_rescaled(fetched: Fetched) -> None:
    """Fetch the full history of the instruments that a split put on a new scale, so that both scales never meet.

    A vendor may take long to answer, so this comes before the transaction that stores, and gives up the warehouse.

    Raises:
        SourceError: The source cannot be read.
        WarehouseError: The warehouse was not free in time afterwards.
    """
    run, bars = fetched.run, fetched.tables[0]
    if not bars.is_bars or not _has_rows(run.connection, stored(bars)):
        return
    overlaps = _price_overlaps(run.connection, bars, run.parameters)
    fetched.rescaled.update(
        (id_, overlap.ratio)
        for id_, overlap in overlaps.items()
        if overlap.is_rescaled(run.parameters) and id_ in fetched.request.since
    )
    if fetched.rescaled:
        log.info("%s: prices are on a new scale, fetching the full history", ", ".join(sorted(fetched.rescaled)))
        with run.locks.waiting(run.connection):
            fetch_again(fetched, frozenset(fetched.rescaled))
        for table in fetched.tables:
            check_rows(run, table)


def check_history(fetched: Fetched, captured_at: datetime) -> None:
    """Reject the symbols whose delivery contradicts what is stored, and record what vanished from the others.

    With --accept nothing is rejected.

    Args:
        fetched: The class, its rows checked by `row_checks`.
        captured_at: The capture time that the class will be stored with.
    """
    run, result = fetched.run, fetched.result
    reasons: dict[str, str] = {}
    known = [table for table in fetched.tables if _has_rows(run.connection, stored(table))]
    # If the histories on a new scale could not be fetched, nothing is delivered that could be compared.
    if fetched.tables[0].is_bars and (fetched.tables[0] in known or fetched.rescaled):
        reasons |= _price_contradictions(fetched)
    for table in known:
        if table.has_one_row_a_day:
            reasons |= _lost_histories(run.connection, table, run.parameters)
    if run.is_accepting:
        reasons = {}
    for id_, reason in reasons.items():
        result.fail(id_, f"rejected, stored data kept: {reason} (use --symbol {id_} --accept to store it anyway)")
    for ids, reason in same_reasons(reasons):
        log.warning("%s rejected, stored data kept: %s", ids, reason)
    _reject_symbols(run.connection, fetched.tables, reasons)
    for table in known:
        if table.date_column:
            result.vanished += _record_vanished(run.connection, table, captured_at, reasons.keys())


def _has_rows(connection: duckdb.DuckDBPyConnection, table_name: str) -> bool:
    return bool(connection.execute(f"select 1 from {table_name} limit 1").fetchall())


def _price_contradictions(fetched: Fetched) -> dict[str, str]:
    """The instruments whose prices do not continue the stored ones, each with the reason."""
    run, bars, parameters = fetched.run, fetched.tables[0], fetched.run.parameters
    overlaps = _price_overlaps(run.connection, bars, parameters)
    incomplete = {
        id_: f"the prices are {ratio:.4g} times the stored ones, and the full history on that scale was not delivered"
        for id_, ratio in fetched.rescaled.items()
        if id_ not in overlaps or not overlaps[id_].is_rescaled(parameters)
    }
    rescaled = {id_: overlap.ratio for id_, overlap in overlaps.items() if overlap.is_rescaled(parameters)}
    splits = next((table for table in fetched.tables if table.name == "equity_actions"), None)
    contradictions = {id_: overlap.contradiction(parameters) for id_, overlap in overlaps.items()}
    return {
        **_unit_changes(run.connection, rescaled, splits, parameters["split_rounding"].value),
        **{id_: reason for id_, reason in contradictions.items() if reason is not None},
        **incomplete,
    }


def _price_overlaps(
    connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters
) -> dict[str, PriceOverlap]:
    """Per instrument with delivered and stored bars of the same sessions, how their prices relate."""
    statement = query("checks/price_overlaps", staged_rows=staging(table), stored_rows=stored(table))
    values = {name: parameters[name].value for name in ("split_rounding", "foreign_difference")}
    return {id_: PriceOverlap(*numbers) for id_, *numbers in _in_batches(connection, table, statement, values)}


def _in_batches(
    connection: duckdb.DuckDBPyConnection, table: Table, statement: str, values: Mapping[str, Any]
) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement that takes the delivered instruments from $first_id to $last_id, over all of them.

    A median needs all its rows in memory, and 20 years of 5,000 symbols would not fit.
    """
    ids = connection.execute(f"select distinct instrument_id from {staging(table)} order by 1").fetchall()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        batch = ids[start : start + _IDS_AT_ONCE]
        limits = {"first_id": batch[0][0], "last_id": batch[-1][0]}
        yield from connection.execute(statement, {**values, **limits}).fetchall()


def _unit_changes(
    connection: duckdb.DuckDBPyConnection, factors: Mapping[str, float], splits: Table | None, rounding: float
) -> dict[str, str]:
    """The rescaled instruments whose factor is that of a unit and is explained by no delivered split."""
    known: list[tuple[str, float]] = []
    if splits is not None:
        known = connection.execute(
            f"select instrument_id, value from {staging(splits)} where kind = 'split' and rejected_because is null"
        ).fetchall()
    reasons = {}
    for id_, factor in factors.items():
        is_unit = any(abs(max(factor, 1 / factor) / unit - 1) <= rounding for unit in UNITS)
        if is_unit and not any(id_ == name and abs(ratio * factor - 1) <= rounding for name, ratio in known):
            reasons[id_] = f"another unit? every price is {factor:.4g} times the stored one, and no split explains it"
    return reasons


def _lost_histories(connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters) -> dict[str, str]:
    """The ids whose delivery ends earlier than the stored rows or lacks many of them, each with the reason."""
    rows = connection.execute(
        query(
            "checks/lost_rows",
            staged_rows=staging(table),
            stored_rows=stored(table),
            id_column=table.key[0],
            date_column=str(table.date_column),
            is_final=_is_final(table) if table.is_bars else "true",
        ),
        {"lost_share": parameters["lost_share"].value},
    ).fetchall()
    return {
        id_: f"it ends on {last_delivered}, but {last_stored} is stored"
        if last_delivered < last_stored
        else f"{lost} of {known} stored rows are missing from it"
        for id_, last_stored, last_delivered, lost, known in rows
    }


def _is_final(table: Table) -> str:
    """SQL that is true for a stored bar that was captured after its session closed."""
    return (
        "stored.captured_at >= (select sessions.closes_at from reference.sessions as sessions "
        f"where sessions.calendar = '{table.calendar}' and sessions.session_date = stored.{table.date_column})"
    )


def _reject_symbols(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], reasons: Mapping[str, str]) -> None:
    """Reject everything that was delivered of some ids, in every table of the class."""
    for id_, reason in reasons.items():
        for table in tables:
            connection.execute(
                f"update {staging(table)} set rejected_because = ? "
                f"where {table.key[0]} = ? and rejected_because is null",
                [reason, id_],
            )


def _record_vanished(
    connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime, excepted: Collection[str]
) -> list[tuple[str, str]]:
    """Add the stored rows that the delivery lacks to meta.vanished, once each. Returns the (id, day) that are new.

    What the `excepted` ids lack is no news: they were rejected as a whole.
    """
    statement = query(
        "checks/vanished_rows",
        staged_rows=staging(table),
        stored_rows=stored(table),
        id_column=table.key[0],
        date_column=str(table.date_column),
        is_same_key=" and ".join(f"staged.{name} = stored.{name}" for name in table.key),
    )
    connection.execute(
        statement, {"table_name": table.full_name, "captured_at": captured_at, "excepted": list(excepted)}
    )
    connection.execute("insert into meta.vanished by name from temp.vanished_rows")
    vanished = connection.execute("select id, session_date::varchar from temp.vanished_rows").fetchall()
    connection.execute("drop table temp.vanished_rows")
    return sorted(vanished)
