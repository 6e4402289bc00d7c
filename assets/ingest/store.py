"""From a source into the raw tables: ask, stage, screen, compare, validate, and store what changed.

Here: one asset class at a time, inside one transaction. A row is refused (to meta.quarantine, with its reason), or it
is the same as what is stored (nothing happens), or it becomes a new version. Nothing stored is changed or removed.
What is asked for is decided in `fetch_plan`, how a vendor is asked in the source, what a row must satisfy in the
contracts, and whether a delivery agrees with what is stored in `history_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import takewhile
from time import perf_counter
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from assets.config import calendars
from assets.contracts.expectations import RuleOutcome, validate
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.table import Table
from assets.ingest import fetch_plan, history_checks
from assets.ingest.row_checks import screen, staging, stored
from assets.sources.base import AssetClass, FetchRequest, FetchResult
from assets.warehouse.connection import transaction
from assets.warehouse.run import Run, log

# Frames are handed to the database in batches: small enough to stay far from the memory of a whole history.
BATCH_ROWS = 250_000


class ContractBroken(Exception):
    """Rows that passed the screen still break their contract, so the class is not stored."""

    def __init__(self, outcomes: list[RuleOutcome]) -> None:
        broken = [outcome for outcome in outcomes if outcome.rows_failed]
        super().__init__("; ".join(f"{o.table_name}: {o.rule_name} fails on {o.rows_failed} rows" for o in broken))
        self.outcomes = outcomes


class _Unreadable(NamedTuple):
    """A row that a source could not even give a key, and the table that it was meant for."""

    table_name: str
    id: str
    payload: str
    reason: str


@dataclass
class Ingested:
    """What became of one asset class.

    `rows_delivered` and `rows_refused` per id; `continued` per raw table, the ids whose source still is what it was,
    with or without more at the end; `failures` per id; `usable`, the ids of which the class's first table has at least
    one good row; `rows_new` (first versions) and `rows_restated` (later versions) per raw table; `refusals` as (table,
    id, date, reason), first of all those the database knows; `vanished`, the stored (id, day) that a delivery lacked
    for the first time.
    """

    asset_class: AssetClass
    rows_delivered: dict[str, int] = field(default_factory=dict)
    rows_refused: dict[str, int] = field(default_factory=dict)
    continued: dict[str, set[str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    usable: list[str] = field(default_factory=list)
    rows_new: dict[str, int] = field(default_factory=dict)
    rows_restated: dict[str, int] = field(default_factory=dict)
    refusals: list[tuple[str, str, date | None, str]] = field(default_factory=list)
    vanished: list[tuple[str, str]] = field(default_factory=list)
    outcomes: list[RuleOutcome] = field(default_factory=list)

    def fail(self, id_: str, reason: str) -> None:
        """Note why an id has nothing, or not everything, to show for this run."""
        self.failures[id_] = _joined(self.failures.get(id_), reason)


@dataclass
class _Staged:
    """What the deliveries said beside their rows: each id's origin, what nobody could read, and the states to note."""

    origins: dict[str, str] = field(default_factory=dict)
    unreadable: list[_Unreadable] = field(default_factory=list)
    states: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetched:
    """What a source has delivered of a class, in the temporary tables of the run's connection."""

    run: Run
    request: FetchRequest
    result: Ingested
    staged: _Staged


def ingest(run: Run, asset_class: AssetClass) -> Ingested:
    """Fetch one asset class and store what changed. Raises what `fetch` and `store` raise."""
    return store(fetch(run, asset_class))


def fetch(run: Run, asset_class: AssetClass, is_stopped: Callable[[], bool] = lambda: False) -> Fetched:
    """Ask for one asset class. Vendors are waited for here, before anybody else has to wait.

    `is_stopped` says when nobody wants the rest. Raises SourceError when the source cannot be read at all.
    """
    for name in TABLES_OF_CLASS[asset_class]:
        run.connection.execute(_staging_ddl(RAW_TABLE[name]))
    run.connection.execute("create or replace temp table covered (table_name varchar, id varchar, first_day date)")
    request, result, staged = fetch_plan.request(run, asset_class), Ingested(asset_class), _Staged()
    deliveries = takewhile(lambda _: not is_stopped(), run.source.fetch(request))
    _stage(run, request, deliveries, result, staged)
    return Fetched(run, request, result, staged)


def store(fetched: Fetched) -> Ingested:
    """Store what changed.

    Raises ContractBroken when validation finds what the screen did not; the warehouse is as it was before then.
    """
    run, request, result, staged = fetched.run, fetched.request, fetched.result, fetched.staged
    connection = run.connection
    tables = [RAW_TABLE[name] for name in TABLES_OF_CLASS[result.asset_class]]
    with run.locks.storing(), transaction(connection):
        captured_at = run.started_at if run.source.has_clock else _last_day(connection, run, tables)
        for table in tables:
            screen(run, table)
        _compare(run, request, tables, captured_at, result, staged)
        verdicts = [validate(_changed_rows(connection, table, captured_at), table) for table in tables]
        for table in tables:
            _store(connection, table, captured_at, result)
            _quarantine(connection, table, captured_at, result)
        _quarantine_unreadable(connection, staged.unreadable, captured_at, result)
        result.usable = _usable_ids(connection, tables[0], result)
        _name_the_lost(connection, tables, staged.unreadable, result)
        _name_the_missing(run, request, tables, result, staged)
        _remember_deliveries(connection, result, staged.origins)
        _remember_states(run, result, staged.states)
        for table in tables:
            for leftover in (staging(table), stored(table), _changes(table)):
                connection.execute(f"drop table {leftover}")
        connection.execute("drop table covered")
        # The verdicts come from another process; until they are in, nothing is committed.
        result.outcomes = [outcome for verdict in verdicts for outcome in verdict()]
        if any(outcome.rows_failed for outcome in result.outcomes):
            raise ContractBroken(result.outcomes)
    run.source.stored(result.asset_class)
    return result


def already_stored(run: Run, asset_class: AssetClass) -> Ingested:
    """What a run that may not fetch has to work with: rows per id in the raw tables, nothing new."""
    result = Ingested(asset_class)
    for name in TABLES_OF_CLASS[asset_class]:
        table = RAW_TABLE[name]
        result.rows_new[table.full_name] = result.rows_restated[table.full_name] = 0
        for id_, rows in run.connection.execute(
            f"select {table.key[0]}, count(*) from {table.full_name} group by all order by all"
        ).fetchall():
            result.rows_delivered[id_] = result.rows_delivered.get(id_, 0) + rows
            if name == TABLES_OF_CLASS[asset_class][0]:
                result.usable.append(id_)
    return result


def _changes(table: Table) -> str:
    return f"temp.changed_{table.name}"


def _staging_ddl(table: Table) -> str:
    """The table's own columns, all nullable, with the row's origin and the reason for refusing it, if any."""
    columns = ", ".join(f"{c.name} {c.type}" for c in table.columns if c.name in table.own_columns)
    return f"create or replace temp table staged_{table.name} ({columns}, source varchar, refused_for varchar)"


def _stage(
    run: Run, request: FetchRequest, deliveries: Iterable[FetchResult], result: Ingested, staged: _Staged
) -> None:
    """Put every delivery into the staging tables, with a row for each delivery in `result`.

    An id may be delivered more than once, say its prices and its market values.
    """
    names = TABLES_OF_CLASS[result.asset_class]
    waiting: dict[str, list[tuple[str, pd.DataFrame]]] = {name: [] for name in names}
    rows_waiting = dict.fromkeys(names, 0)
    covered: list[tuple[str, str, date | None]] = []
    for delivery in _counted(deliveries, result.asset_class):
        id_ = delivery.id
        staged.origins[id_] = _joined(staged.origins.get(id_), delivery.origin)
        if delivery.is_continuation:
            for name in delivery.tables:
                result.continued.setdefault(name, set()).add(id_)
            if not any(map(len, delivery.tables.values())) and not delivery.rejected and not delivery.failure:
                continue
        if delivery.state is not None and delivery.failure is None:
            staged.states[delivery.origin] = (id_, delivery.state)
        table_name = RAW_TABLE[next(iter(delivery.tables), names[0])].full_name
        staged.unreadable += [_Unreadable(table_name, id_, r.payload, r.reason) for r in delivery.rejected]
        rows = len(delivery.rejected)
        for name, frame in delivery.tables.items():
            covered.append((name, id_, delivery.since or request.since.get(id_)))
            waiting[name].append((delivery.origin, frame))
            rows_waiting[name] += len(frame)
            rows += len(frame)
            if rows_waiting[name] >= BATCH_ROWS:
                _append(run.connection, RAW_TABLE[name], waiting[name])
                rows_waiting[name] = 0
        result.rows_delivered[id_] = result.rows_delivered.get(id_, 0) + rows
        if delivery.failure:
            result.fail(id_, delivery.failure)
            log.warning("%s failed: %s", id_, delivery.failure)
    for name, frames in waiting.items():
        _append(run.connection, RAW_TABLE[name], frames)
    if covered:
        frame = pd.DataFrame(covered, columns=["table_name", "id", "first_day"])
        with _registered(run.connection, "delivered", frame.astype({"first_day": "datetime64[s]"})):
            run.connection.execute("insert into temp.covered from delivered")


def _joined(before: str | None, more: str) -> str:
    return f"{before}; {more}" if before else more


def _counted(deliveries: Iterable[FetchResult], asset_class: AssetClass) -> Iterator[FetchResult]:
    """Says of each delivery which one it is and, where the source knows how many there are, how long the rest takes."""
    began = perf_counter()
    for number, delivery in enumerate(deliveries, start=1):
        left = ""
        if delivery.of is not None:
            seconds = (perf_counter() - began) / number * max(delivery.of - number, 0)
            left = f" of {delivery.of}, about {timedelta(seconds=round(seconds))} left"
        log.info("%s: %d%s, delivered %s", asset_class, number, left, delivery.id)
        yield delivery


def _append(connection: duckdb.DuckDBPyConnection, table: Table, deliveries: list[tuple[str, pd.DataFrame]]) -> None:
    """Put frames, each with its origin, into the staging table. They are not waiting any more then."""
    if not deliveries:
        return
    # A column that none of them has is unknown in all.
    batch = pd.concat([frame for _, frame in deliveries], ignore_index=True).reindex(columns=table.own_columns)
    origins = pd.Index([origin for origin, _ in deliveries]).unique()
    places = np.repeat(origins.get_indexer([origin for origin, _ in deliveries]), [len(f) for _, f in deliveries])
    batch["source"] = pd.Categorical.from_codes(places, origins)
    columns = ", ".join((*table.own_columns, "source"))
    with _registered(connection, "batch", batch):
        connection.execute(f"insert into {staging(table)} by name select {columns} from batch")
    deliveries.clear()


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> Iterator[None]:
    """Let SQL read a frame by a name."""
    connection.register(name, frame)
    try:
        yield
    finally:
        connection.unregister(name)


def _last_day(connection: duckdb.DuckDBPyConnection, run: Run, tables: list[Table]) -> datetime:
    """When a delivery without a clock was complete: at the end of the last day that there is anything about.

    That day may be stored already, as a source sends only what is new.
    """
    table, day = tables[0], tables[0].date_column
    row = connection.execute(
        f"select max({day}) from (select {day} from {staging(table)} union all select {day} from {table.full_name}) "
        f"where {day} <= ?",
        [run.started_at.date()],
    ).fetchone()
    # The day of today is not over: what is delivered of it was seen now.
    return min(calendars.end_of_day(row[0]), run.started_at) if row and row[0] else run.started_at


def _compare(
    run: Run, request: FetchRequest, tables: list[Table], captured_at: datetime, result: Ingested, staged: _Staged
) -> None:
    """Refuse the symbols whose delivery would spoil what is stored, and note what has vanished from the others."""
    connection, parameters = run.connection, run.parameters
    refused: dict[str, str] = {}
    known = [table for table in tables if connection.execute(f"select 1 from {stored(table)} limit 1").fetchall()]
    if tables[0].is_bars and tables[0] in known:
        refused |= _compare_prices(run, request, tables, result, staged)
    for table in known:
        if table.has_one_row_a_day:
            refused |= history_checks.fragments(connection, table, parameters)
    if run.is_accepting:
        refused = {}
    for id_, reason in refused.items():
        result.fail(id_, f"refused, and what is stored stays: {reason} (--symbol {id_} --accept takes it)")
        log.warning("%s refused: %s", id_, reason)
    history_checks.refuse_whole(connection, tables, refused)
    for table in known:
        if table.date_column:
            result.vanished += history_checks.note_vanished(connection, table, captured_at, list(refused))


def _compare_prices(
    run: Run, request: FetchRequest, tables: list[Table], result: Ingested, staged: _Staged
) -> dict[str, str]:
    """The instruments whose prices do not follow on those stored, each with the reason.

    Where a split put the prices on a new scale, the whole history is asked for: prices on both sides never meet.
    """
    connection, parameters, bars = run.connection, run.parameters, tables[0]
    overlaps = history_checks.overlaps(connection, bars, parameters)
    parts = frozenset(id_ for id_, o in overlaps.items() if o.is_rescaled(parameters) and id_ in request.since)
    lost: dict[str, str] = {}
    if parts:
        log.info("%s: asking for the whole history, as the prices are on a new scale", ", ".join(sorted(parts)))
        _take_back(connection, tables, parts, result)
        whole = replace(request, since={}, only=parts, seen={})
        _stage(run, whole, run.source.fetch(whole), result, staged)
        for table in tables:
            screen(run, table)
        factors = {id_: overlaps[id_].middle for id_ in parts}
        overlaps = history_checks.overlaps(connection, bars, parameters)
        lost = {
            id_: f"the prices are {factor:.4g} times those stored, and the whole history on that scale did not come"
            for id_, factor in factors.items()
            if id_ not in overlaps or not overlaps[id_].is_rescaled(parameters)
        }
    rescaled = {id_: overlap.middle for id_, overlap in overlaps.items() if overlap.is_rescaled(parameters)}
    splits = next((table for table in tables if table.name == "equity_actions"), None)
    doubts = {id_: overlap.doubt(parameters) for id_, overlap in overlaps.items()}
    return {
        **history_checks.unexplained(connection, rescaled, splits, parameters),
        **{id_: doubt for id_, doubt in doubts.items() if doubt is not None},
        **lost,
    }


def _take_back(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], ids: frozenset[str], result: Ingested
) -> None:
    """Forget what was delivered of some ids, since more of it is to come."""
    for id_ in ids:
        for table in tables:
            connection.execute(f"delete from {staging(table)} where {table.key[0]} = ?", [id_])
        connection.execute("delete from temp.covered where id = ?", [id_])
        result.rows_delivered.pop(id_, None)


def _usable_ids(connection: duckdb.DuckDBPyConnection, table: Table, result: Ingested) -> list[str]:
    """The ids that the class has good data of: delivered now, or stored and still in the source."""
    key = table.key[0]
    accepted = connection.execute(f"select distinct {key} from {staging(table)} where refused_for is null").fetchall()
    continued = connection.execute(
        f"select distinct {key} from {table.full_name} where list_contains(?, {key})",
        [sorted(result.continued.get(table.name, ()))],
    ).fetchall()
    return sorted({id_ for (id_,) in accepted + continued})


def _changed_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime
) -> duckdb.DuckDBPyRelation:
    """The accepted rows that differ from the last stored version, each with the version it would become.

    A bar that was stored before its session was over becomes a new version when it is seen again afterwards, even with
    the same values: that is what makes it final. A row that merely knows less than the stored one is no change.
    """
    same_key = " and ".join(f"staged.{name} is not distinct from stored.{name}" for name in table.key)
    differs = " or ".join(
        f"(staged.{name} is not null and staged.{name} is distinct from stored.{name})"
        if table.is_bars
        else f"staged.{name} is distinct from stored.{name}"
        for name in table.value_columns
    )
    sessions = ""
    if table.is_bars:
        differs += " or (stored.captured_at < sessions.closes_at and $captured_at >= sessions.closes_at)"
        sessions = (
            f"left join reference.sessions as sessions on sessions.calendar = '{table.calendar}' "
            f"and sessions.session_date = stored.{table.date_column}"
        )
    statement = f"""
        create or replace temp table changed_{table.name} as
        select staged.* exclude (refused_for), coalesce(stored.version, 0) + 1 as version
        from {staging(table)} as staged
        left join {stored(table)} as stored on {same_key}
        {sessions}
        where staged.refused_for is null and (stored.version is null or {differs or "false"})
        order by {", ".join(f"staged.{name}" for name in table.key)}
        """
    connection.execute(statement, {"captured_at": captured_at} if table.is_bars else None)
    return connection.table(_changes(table))


def _store(connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime, result: Ingested) -> None:
    connection.execute(
        f"insert into {table.full_name} by name select *, ?::timestamptz as captured_at from {_changes(table)}",
        [captured_at],
    )
    row = connection.execute(
        f"select count(*) filter (version = 1), count(*) filter (version > 1) from {_changes(table)}"
    ).fetchone()
    result.rows_new[table.full_name], result.rows_restated[table.full_name] = row or (0, 0)


def _quarantine(connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime, result: Ingested) -> None:
    """Keep the refused rows of a table; those that were refused for the same reason before are there already."""
    day = table.date_column or "null::date"
    payload = ", ".join(f"{name} := {name}" for name in table.own_columns)
    refused = f"""
        select distinct
            '{table.full_name}' as table_name,
            coalesce({table.key[0]}, '') as id,
            {day} as session_date,
            refused_for as reason,
            to_json(struct_pack({payload}))::varchar as payload
        from {staging(table)}
        where refused_for is not null
    """
    for id_, rows in connection.execute(
        f"select coalesce({table.key[0]}, ''), count(*) from {staging(table)} where refused_for is not null group by 1"
    ).fetchall():
        result.rows_refused[id_] = result.rows_refused.get(id_, 0) + rows
    result.refusals += connection.execute(
        f"select table_name, id, session_date, reason from ({refused}) order by all"
    ).fetchall()
    _add_to_quarantine(connection, refused, captured_at)


def _quarantine_unreadable(
    connection: duckdb.DuckDBPyConnection,
    unreadable: list[_Unreadable],
    captured_at: datetime,
    result: Ingested,
) -> None:
    if not unreadable:
        return
    frame = pd.DataFrame(unreadable, columns=_Unreadable._fields)
    with _registered(connection, "unreadable", frame):
        _add_to_quarantine(
            connection,
            "select distinct table_name, id, null::date as session_date, reason, payload from unreadable",
            captured_at,
        )
    for row in unreadable:
        result.rows_refused[row.id] = result.rows_refused.get(row.id, 0) + 1
        result.refusals.append((row.table_name, row.id, None, row.reason))


def _name_the_lost(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], unreadable: list[_Unreadable], result: Ingested
) -> None:
    """An id of which a table accepted nothing of what was delivered has failed, whatever else arrived of it."""
    for table in tables:
        # Rows without a readable date never got as far as the staging table.
        refused = {row.id: row.reason for row in unreadable if row.table_name == table.full_name}
        for id_, rows, bad, reason in connection.execute(
            f"select coalesce({table.key[0]}, ''), count(*), count(refused_for), max(refused_for) "
            f"from {staging(table)} group by all"
        ).fetchall():
            refused.pop(id_, None)
            if rows == bad:
                refused[id_] = reason
        for id_, reason in sorted(refused.items()):
            if reason not in result.failures.get(id_, ""):
                result.fail(id_, f"every row for {table.full_name} was refused: {reason}")


def _name_the_missing(run: Run, request: FetchRequest, tables: list[Table], result: Ingested, staged: _Staged) -> None:
    """An id that used to be delivered and is not any more has failed, unless it ended or nobody wants it.

    Of ids that are named, each has that the universe lists in this class.
    """
    if request.only is not None:
        of_class = {i.id for i in run.universe.instruments if i.asset_class == result.asset_class}
        if result.asset_class == "macro":
            of_class |= {series.id for series in run.universe.series}
        for id_ in sorted((request.only & of_class) - staged.origins.keys()):
            result.fail(id_, "not delivered")
        return
    listed = {item.id for item in run.universe.instruments} | {s.id for s in run.universe.series}
    ended = {item.id for item in run.universe.instruments if item.valid_to is not None}
    for id_, origin in run.connection.execute(
        "select id, origin from meta.deliveries where asset_class = ? order by id", [result.asset_class]
    ).fetchall():
        is_wanted = id_ in listed or not run.source.has_clock
        if id_ not in staged.origins and is_wanted and id_ not in ended:
            staged.origins[id_] = origin
            result.rows_delivered[id_] = 0
            result.fail(id_, "not delivered any more; what is stored stays")


def _add_to_quarantine(connection: duckdb.DuckDBPyConnection, refused: str, captured_at: datetime) -> None:
    connection.execute(
        f"""
        insert into meta.quarantine by name
        select refused.*, ?::timestamptz as captured_at
        from ({refused}) as refused
        where not exists (
            select 1 from meta.quarantine as known
            where known.table_name = refused.table_name
                and known.id = refused.id
                and known.session_date is not distinct from refused.session_date
                and known.reason = refused.reason
                and known.payload = refused.payload
        )
        """,
        [captured_at],
    )


def _remember_deliveries(connection: duckdb.DuckDBPyConnection, result: Ingested, origins: Mapping[str, str]) -> None:
    frame = pd.DataFrame(
        [
            {
                "asset_class": result.asset_class,
                "id": id_,
                "origin": origins[id_],
                "rows_delivered": rows,
                "rows_quarantined": result.rows_refused.get(id_, 0),
                "failure": result.failures.get(id_),
            }
            for id_, rows in result.rows_delivered.items()
        ],
        columns=["asset_class", "id", "origin", "rows_delivered", "rows_quarantined", "failure"],
    )
    # What has nothing new, or was not asked for, keeps its row.
    with _registered(connection, "deliveries", frame.astype({"failure": "object"})):
        connection.execute(
            "delete from meta.deliveries where asset_class = ? and id in (select id from deliveries)",
            [result.asset_class],
        )
        connection.execute("insert into meta.deliveries by name select * from deliveries")
    # What is as it was when it was stored whole has nothing to complain of any more.
    healed = {id_ for ids in result.continued.values() for id_ in ids} - result.rows_delivered.keys()
    connection.execute(
        "update meta.deliveries set failure = null where asset_class = ? and list_contains(?, id)",
        [result.asset_class, sorted(healed)],
    )


def _remember_states(run: Run, result: Ingested, states: Mapping[str, tuple[str, str]]) -> None:
    """Note the states of the origins of which everything good is stored now, so that they are not read again."""
    if not states:
        return
    run.connection.execute(
        "delete from meta.source_states where asset_class = ? and list_contains(?, origin)",
        [result.asset_class, list(states)],
    )
    judged_by = fetch_plan.rules(run)
    whole = [
        {"asset_class": result.asset_class, "origin": origin, "state": state, "rules": judged_by}
        for origin, (id_, state) in states.items()
        if id_ not in result.failures
    ]
    if whole:
        with _registered(run.connection, "states", pd.DataFrame(whole)):
            run.connection.execute("insert into meta.source_states by name from states")
