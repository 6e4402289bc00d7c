"""Fetching one asset class into staging tables.

Here: requesting a class from the source, putting what arrives into temporary tables of the run's connection, and
`ClassResult`, which collects what became of the class. What to request is decided in `fetch_plan`. Whether a row is
accepted is decided in `row_checks` and `history_checks`. Storing is in `store`.

The temporary tables, one set per raw table:

    temp.staged_*           the delivered rows, with their origin and `rejected_because`
    temp.stored_*           the latest stored version of the rows that the delivery covers, for comparison
    temp.delivered_ranges   per delivered id, the first day that the delivery covers
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import takewhile
from time import perf_counter
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from assets.contracts.expectations import RuleOutcome
from assets.contracts.queries import query
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.table import Table
from assets.sources.base import AssetClass, FetchRequest, FetchResult
from assets.warehouse.results import same_reasons
from assets.warehouse.run import Run, log, progress

# Frames are appended in batches of this many rows, so that memory does not grow with the length of the histories.
BATCH_ROWS = 250_000


class Rejection(NamedTuple):
    """A row that was not stored. `table_name` and `id` are those that it was meant for."""

    table_name: str
    id: str
    day: date | None
    reason: str


class Unparsed(NamedTuple):
    """A row that the source could not parse. `table_name` and `id` are those that it was meant for."""

    table_name: str
    id: str
    payload: str
    reason: str


@dataclass
class ClassResult:
    """What became of one asset class in a run.

    Attributes:
        asset_class: The class.
        rows_delivered: Delivered rows per id.
        rows_rejected: Rejected rows per id.
        continued: Per raw table, the ids whose origin is unchanged or has only grown since the last run.
        failures: Per id, why nothing, or not everything, was stored.
        may_pass: The ids that failed only because the source could not be reached or did not answer.
        usable: The ids with at least one good row in the first raw table of the class.
        rows_new: First versions stored, per raw table.
        rows_restated: Later versions stored, per raw table.
        rejections: Every rejected row, including those that earlier runs rejected for the same reason.
        vanished: Stored (id, day) that a delivery lacked for the first time.
        outcomes: The verdicts of validation.
    """

    asset_class: AssetClass
    rows_delivered: dict[str, int] = field(default_factory=dict)
    rows_rejected: dict[str, int] = field(default_factory=dict)
    continued: dict[str, set[str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    may_pass: set[str] = field(default_factory=set)
    usable: list[str] = field(default_factory=list)
    rows_new: dict[str, int] = field(default_factory=dict)
    rows_restated: dict[str, int] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    vanished: list[tuple[str, str]] = field(default_factory=list)
    outcomes: list[RuleOutcome] = field(default_factory=list)

    def fail(self, id_: str, reason: str, may_pass: bool = False) -> None:
        """Add a reason why an id has nothing, or not everything, new in this run.

        Args:
            id_: The id.
            reason: The reason.
            may_pass: Whether the source might deliver it a little later.
        """
        if may_pass and (id_ not in self.failures or id_ in self.may_pass):
            self.may_pass.add(id_)
        else:
            self.may_pass.discard(id_)
        self.failures[id_] = _joined(self.failures.get(id_), reason)


@dataclass(frozen=True)
class Fetched:
    """A class as it was fetched, in the staging tables of `run.connection`.

    Attributes:
        run: The run, with the connection that holds the staging tables.
        request: What was requested.
        result: Filled in step by step, from fetching to storing.
        origins: Per delivered id, where its rows came from.
        unparsed: The rows that the source could not parse.
        states: Per origin, the id and the state to remember once everything from the origin is stored.
        rescaled: The ids whose prices came on a new scale and were fetched again, each with the ratio to the stored
            prices.
    """

    run: Run
    request: FetchRequest
    result: ClassResult
    origins: dict[str, str] = field(default_factory=dict)
    unparsed: list[Unparsed] = field(default_factory=list)
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    rescaled: dict[str, float] = field(default_factory=dict)

    @property
    def tables(self) -> list[Table]:
        """The raw tables of the class; prices or observations come first."""
        return [RAW_TABLE[name] for name in TABLES_OF_CLASS[self.request.asset_class]]


def staging(table: Table) -> str:
    """The name of the table that holds the delivered rows."""
    return f"temp.staged_{table.name}"


def stored(table: Table) -> str:
    """The name of the table that holds the latest stored version of the rows that the delivery covers."""
    return f"temp.stored_{table.name}"


def fetch(run: Run, request: FetchRequest, is_stopped: Callable[[], bool] = lambda: False) -> Fetched:
    """Fetch one asset class into staging tables. The slow part, waiting for vendors, happens here.

    Args:
        run: The run; its connection gets the staging tables. The warehouse itself is not used.
        request: What to fetch of which class.
        is_stopped: Checked after each result; when it returns True the rest is not fetched.

    Returns:
        The class, ready to be stored.

    Raises:
        SourceError: The source cannot be read at all.
    """
    fetched = Fetched(run, request, ClassResult(request.asset_class))
    for table in fetched.tables:
        columns = ", ".join(f"{c.name} {c.type}" for c in table.columns if c.name in table.own_columns)
        run.connection.execute(
            f"create or replace temp table staged_{table.name} ({columns}, source varchar, rejected_because varchar)"
        )
    run.connection.execute("create or replace temp table delivered_ranges (table_name varchar, id varchar, since date)")
    stage(fetched, takewhile(lambda _: not is_stopped(), run.source.fetch(request)), request)
    return fetched


def fetch_again(fetched: Fetched, ids: frozenset[str]) -> None:
    """Replace what was delivered of some ids by their full histories. Raises SourceError.

    Like `fetch`, this uses the staging tables only.
    """
    run = fetched.run
    for id_ in ids:
        for table in fetched.tables:
            run.connection.execute(f"delete from {staging(table)} where {table.key[0]} = ?", [id_])
        run.connection.execute("delete from temp.delivered_ranges where id = ?", [id_])
        fetched.result.rows_delivered.pop(id_, None)
    request = FetchRequest(fetched.request.asset_class, only=ids)
    stage(fetched, run.source.fetch(request), request)


def stage(fetched: Fetched, deliveries: Iterable[FetchResult], request: FetchRequest) -> None:
    """Put deliveries into the staging tables, and count them in `fetched.result`.

    An id may be delivered more than once, for instance its prices and its market values.

    Args:
        fetched: Where the rows and counts go.
        deliveries: What the source yields.
        request: What it yields that for.
    """
    connection = fetched.run.connection
    waiting: dict[str, list[tuple[str, pd.DataFrame]]] = {table.name: [] for table in fetched.tables}
    rows_waiting = dict.fromkeys(waiting, 0)
    ranges: list[tuple[str, str, date | None]] = []
    failures: dict[str, str] = {}
    for delivery in _with_progress(deliveries, request.asset_class):
        if not _count(fetched, delivery):
            continue
        for name, frame in delivery.tables.items():
            ranges.append((name, delivery.id, delivery.since or request.since.get(delivery.id)))
            waiting[name].append((delivery.origin, frame))
            rows_waiting[name] += len(frame)
            if rows_waiting[name] >= BATCH_ROWS:
                _append(connection, RAW_TABLE[name], waiting[name])
                rows_waiting[name] = 0
        if delivery.failure:
            fetched.result.fail(delivery.id, delivery.failure, delivery.may_pass)
            failures[delivery.id] = _joined(failures.get(delivery.id), delivery.failure)
    for name, frames in waiting.items():
        _append(connection, RAW_TABLE[name], frames)
    if ranges:
        frame = pd.DataFrame(ranges, columns=["table_name", "id", "since"]).astype({"since": "datetime64[s]"})
        with registered(connection, "new_ranges", frame):
            connection.execute("insert into temp.delivered_ranges from new_ranges")
    for ids, reason in same_reasons(failures):
        log.warning("%s failed: %s", ids, reason)


def read_stored(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Put the latest stored version of everything that the delivery covers into temp.stored_*.

    The row before the first covered day comes along, for comparison: the column `is_covered` is false for it.
    """
    day = table.date_column
    statement = query(
        "checks/stored_rows",
        stored_rows=stored(table),
        staged_rows=staging(table),
        raw_table=table.full_name,
        columns=", ".join(f"stored.{column.name}" for column in table.columns),
        id_column=table.key[0],
        # A table without a date is covered as a whole, and none of its rows comes before another.
        stored_day=f"stored.{day}" if day else "null::date",
        earlier_day=f"earlier.{day}" if day else "null::date",
        key=", ".join(table.key),
        is_same_key=" and ".join(f"newer.{name} = stored.{name}" for name in table.key),
    )
    connection.execute(statement, {"table_name": table.name})


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> Iterator[None]:
    """Let SQL read a frame by a name.

    Args:
        connection: The connection that may read it.
        name: The name in SQL.
        frame: The frame.

    Yields:
        Nothing. The name is valid until the block ends.
    """
    connection.register(name, frame)
    try:
        yield
    finally:
        connection.unregister(name)


def _count(fetched: Fetched, delivery: FetchResult) -> bool:
    """Note a delivery in the result. Returns whether it has anything to stage or to report."""
    result, id_ = fetched.result, delivery.id
    fetched.origins[id_] = _joined(fetched.origins.get(id_), delivery.origin)
    if delivery.is_continuation:
        for name in delivery.tables:
            result.continued.setdefault(name, set()).add(id_)
        if not any(map(len, delivery.tables.values())) and not delivery.unparsed and not delivery.failure:
            return False
    if delivery.state is not None and delivery.failure is None:
        fetched.states[delivery.origin] = (id_, delivery.state)
    table_name = RAW_TABLE[next(iter(delivery.tables), fetched.tables[0].name)].full_name
    fetched.unparsed.extend(Unparsed(table_name, id_, r.payload, r.reason) for r in delivery.unparsed)
    rows = len(delivery.unparsed) + sum(map(len, delivery.tables.values()))
    result.rows_delivered[id_] = result.rows_delivered.get(id_, 0) + rows
    return True


def _joined(before: str | None, more: str) -> str:
    return f"{before}; {more}" if before else more


def _with_progress(deliveries: Iterable[FetchResult], asset_class: AssetClass) -> Iterator[FetchResult]:
    """Log each delivery with its number and, if the source knows the total, an estimate of the time left."""
    began = perf_counter()
    for number, delivery in enumerate(deliveries, start=1):
        left = ""
        if delivery.total is not None:
            seconds = (perf_counter() - began) / number * max(delivery.total - number, 0)
            left = f" of {delivery.total}, about {timedelta(seconds=round(seconds))} left"
        progress.info("%s: %d%s, delivered %s", asset_class, number, left, delivery.id)
        yield delivery


def _append(connection: duckdb.DuckDBPyConnection, table: Table, deliveries: list[tuple[str, pd.DataFrame]]) -> None:
    """Put frames, each with its origin, into the staging table, and empty the list."""
    if not deliveries:
        return
    # A column that no frame has is unknown in every row.
    batch = pd.concat([frame for _, frame in deliveries], ignore_index=True).reindex(columns=table.own_columns)
    origins = pd.Index([origin for origin, _ in deliveries]).unique()
    places = np.repeat(origins.get_indexer([origin for origin, _ in deliveries]), [len(f) for _, f in deliveries])
    batch["source"] = pd.Categorical.from_codes(places, origins)
    columns = ", ".join((*table.own_columns, "source"))
    with registered(connection, "batch", batch):
        connection.execute(f"insert into {staging(table)} by name select {columns} from batch")
    deliveries.clear()
