"""From a source into the raw tables: stage, screen, validate, and store what changed.

Here: one asset class at a time, inside one transaction. A row is refused (to meta.quarantine, with its reason), or it
is the same as what is stored (nothing happens), or it becomes a new version. Nothing stored is changed or removed.
How a vendor is asked is the source's business, what a row must satisfy the contracts'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

import duckdb
import pandas as pd

from assets import calendars
from assets.contracts import RAW_TABLE, TABLES_OF_CLASS, Table
from assets.run import Run, log
from assets.sources.base import AssetClass, Delivery
from assets.validation import RuleOutcome, validate
from assets.warehouse import transaction

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

    `rows_delivered` and `rows_refused` per id; `failures` per id; `usable`, the ids of which the class's first table
    accepted at least one row; `rows_new` (first versions) and `rows_restated` (later versions) per raw table;
    `refusals` as (table, id, date, reason), first of all those the database knows.
    """

    asset_class: AssetClass
    rows_delivered: dict[str, int] = field(default_factory=dict)
    rows_refused: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    usable: list[str] = field(default_factory=list)
    rows_new: dict[str, int] = field(default_factory=dict)
    rows_restated: dict[str, int] = field(default_factory=dict)
    refusals: list[tuple[str, str, date | None, str]] = field(default_factory=list)
    outcomes: list[RuleOutcome] = field(default_factory=list)


def ingest(run: Run, asset_class: AssetClass, since: Mapping[str, date]) -> Ingested:
    """Fetch one asset class and store what changed.

    Raises SourceError when the source cannot be read at all and ContractBroken when validation finds what the screen
    did not; in both cases the warehouse is as it was before.
    """
    result = Ingested(asset_class)
    tables = [RAW_TABLE[name] for name in TABLES_OF_CLASS[asset_class]]
    connection = run.connection
    with transaction(connection):
        for table in tables:
            connection.execute(_staging_ddl(table))
        origins, unreadable = _stage(run, result, tables, since)
        captured_at = run.started_at if run.source.has_clock else _last_day(connection, run, tables)
        for table in tables:
            _screen(connection, run, table)
        result.usable = _accepted_ids(connection, tables[0])
        verdicts = [validate(_changed_rows(connection, table, captured_at), table) for table in tables]
        for table in tables:
            _store(connection, table, captured_at, result)
            _quarantine(connection, table, captured_at, result)
        _quarantine_unreadable(connection, unreadable, captured_at, result)
        _name_the_lost(connection, tables, unreadable, result)
        _remember_deliveries(connection, result, origins)
        for table in tables:
            connection.execute(f"drop table {_staging(table)}")
            connection.execute(f"drop table {_changes(table)}")
        # The verdicts come from another process; until they are in, nothing is committed.
        result.outcomes = [outcome for verdict in verdicts for outcome in verdict()]
        if any(outcome.rows_failed for outcome in result.outcomes):
            raise ContractBroken(result.outcomes)
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


def _staging(table: Table) -> str:
    return f"temp.staged_{table.name}"


def _changes(table: Table) -> str:
    return f"temp.changed_{table.name}"


def _staging_ddl(table: Table) -> str:
    """The table's own columns, all nullable, with the row's origin and the reason for refusing it, if any."""
    columns = ", ".join(f"{c.name} {c.type}" for c in table.columns if c.name in table.own_columns)
    return f"create or replace temp table staged_{table.name} ({columns}, source varchar, refused_for varchar)"


def _stage(
    run: Run, result: Ingested, tables: list[Table], since: Mapping[str, date]
) -> tuple[dict[str, str], list[_Unreadable]]:
    """Put every delivery into the staging tables, with a row for each delivery in `result`.

    An id may be delivered more than once, say its prices and its market values. Returns each id's origin, and the
    unreadable rows.
    """
    origins: dict[str, str] = {}
    unreadable: list[_Unreadable] = []
    waiting: dict[str, list[pd.DataFrame]] = {table.name: [] for table in tables}
    for delivery in _counted(run.source.fetch(result.asset_class, since), result.asset_class):
        origins[delivery.id] = _joined(origins.get(delivery.id), delivery.origin)
        table_name = RAW_TABLE[next(iter(delivery.tables), tables[0].name)].full_name
        unreadable += [_Unreadable(table_name, delivery.id, r.payload, r.reason) for r in delivery.rejected]
        rows = len(delivery.rejected)
        for name, frame in delivery.tables.items():
            waiting[name].append(frame.assign(source=delivery.origin))
            rows += len(frame)
            if sum(map(len, waiting[name])) >= BATCH_ROWS:
                _append(run.connection, RAW_TABLE[name], waiting[name])
        result.rows_delivered[delivery.id] = result.rows_delivered.get(delivery.id, 0) + rows
        if delivery.failure:
            result.failures[delivery.id] = _joined(result.failures.get(delivery.id), delivery.failure)
            log.warning("%s failed: %s", delivery.id, delivery.failure)
    for name, frames in waiting.items():
        _append(run.connection, RAW_TABLE[name], frames)
    return origins, unreadable


def _joined(before: str | None, more: str) -> str:
    return f"{before}; {more}" if before else more


def _counted(deliveries: Iterable[Delivery], asset_class: AssetClass) -> Iterator[Delivery]:
    for number, delivery in enumerate(deliveries, start=1):
        log.info("%s: %d delivered, %s", asset_class, number, delivery.id)
        yield delivery


def _append(connection: duckdb.DuckDBPyConnection, table: Table, frames: list[pd.DataFrame]) -> None:
    if not frames:
        return
    connection.register("batch", pd.concat(frames, ignore_index=True))
    columns = ", ".join((*table.own_columns, "source"))
    connection.execute(f"insert into {_staging(table)} by name select {columns} from batch")
    connection.unregister("batch")
    frames.clear()


def _last_day(connection: duckdb.DuckDBPyConnection, run: Run, tables: list[Table]) -> datetime:
    """When a delivery without a clock was complete: at the end of the last day it could honestly be about."""
    table = tables[0]
    row = connection.execute(
        f"select max({table.date_column}) from {_staging(table)} where {table.date_column} <= ?",
        [run.started_at.date()],
    ).fetchone()
    # The day of today is not over: what is delivered of it was seen now.
    return min(calendars.end_of_day(row[0]), run.started_at) if row and row[0] else run.started_at


def _screen(connection: duckdb.DuckDBPyConnection, run: Run, table: Table) -> None:
    """Write into each staged row why it is refused: the rules that it breaks, and what only its neighbours tell."""
    staging = _staging(table)
    # NaN sorts above every number, so it is taken out before anything is compared. pandas means null by it.
    doubles = [c.name for c in table.columns if c.type == "double" and c.name in table.own_columns]
    if doubles:
        emptied = ", ".join(f"{name} = case when isnan({name}) then null else {name} end" for name in doubles)
        connection.execute(f"update {staging} set {emptied} where {' or '.join(f'isnan({name})' for name in doubles)}")
    reasons = [(rule.broken_when, rule.reason) for rule in table.rules]
    for column in table.columns:
        if column.name in table.own_columns and not column.is_nullable:
            reasons.append((f"{column.name} is null", f"{column.name} is missing"))
    if table.date_column:
        reasons.append((f"{table.date_column} > $today", "the date lies in the future"))
    if table.name.endswith("_bars"):
        reasons.append(
            (
                f"{table.date_column} <= $today and {table.date_column} not in "
                "(select session_date from reference.sessions where calendar = $calendar)",
                "the date is no session of the calendar",
            )
        )
        for other in (name for name in RAW_TABLE if name.endswith("_bars") and name != table.name):
            reasons.append(
                (
                    f"instrument_id in (select instrument_id from {RAW_TABLE[other].full_name}) or instrument_id in "
                    "(select instrument_id from reference.instruments where calendar <> $calendar)",
                    f"the id belongs to {other.removesuffix('_bars')}",
                )
            )
    values = {"today": run.started_at.date(), "calendar": _calendar(table)}
    conditions = ",\n".join(
        f"case when {condition} then '{reason.replace(chr(39), chr(39) * 2)}' end" for condition, reason in reasons
    )
    statement = f"update {staging} set refused_for = nullif(concat_ws('; ', {conditions}), '')"
    connection.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})
    _screen_duplicates(connection, table)


def _screen_duplicates(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Refuse what is there twice: the copies of equal rows, and all of those that contradict one another."""
    staging = _staging(table)
    key = ", ".join(table.key)
    values = ", ".join(table.value_columns) or "1"
    connection.execute(
        f"""
        with numbered as (
            select
                rowid as row_number_in_table,
                row_number() over (partition by {key} order by rowid) as copy,
                count(*) over (partition by {key}) as copies,
                min(hash({values})) over (partition by {key}) = max(hash({values})) over (partition by {key}) as is_same
            from {staging}
            where refused_for is null
        )
        update {staging} set refused_for = case
            when numbered.is_same then 'the same row is there more than once'
            else 'different rows for the same key'
        end
        from numbered
        where rowid = numbered.row_number_in_table and copies > 1 and (copy > 1 or not is_same)
        """
    )


def _accepted_ids(connection: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    key = table.key[0]
    accepted = f"select distinct {key} from {_staging(table)} where refused_for is null order by {key}"
    return [id_ for (id_,) in connection.execute(accepted).fetchall()]


def _changed_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime
) -> duckdb.DuckDBPyRelation:
    """The accepted rows that differ from the last stored version, each with the version it would become.

    A bar that was stored before its session was over becomes a new version when it is seen again afterwards, even with
    the same values: that is what makes it final.
    """
    staging = _staging(table)
    same_key = " and ".join(f"staged.{name} is not distinct from stored.{name}" for name in table.key)
    differs = " or ".join(f"staged.{name} is distinct from stored.{name}" for name in table.value_columns) or "false"
    closing = ""
    if table.name.endswith("_bars"):
        differs += " or (stored.captured_at < sessions.closes_at and $captured_at >= sessions.closes_at)"
        closing = (
            "left join reference.sessions as sessions "
            f"on sessions.calendar = '{_calendar(table)}' and sessions.session_date = stored.session_date"
        )
    statement = f"""
        create or replace temp table changed_{table.name} as
        with stored as (
            select *
            from {table.full_name}
            where {table.key[0]} in (select {table.key[0]} from {staging})
            qualify row_number() over (partition by {", ".join(table.key)} order by version desc) = 1
        )
        select staged.* exclude (refused_for), coalesce(stored.version, 0) + 1 as version
        from {staging} as staged
        left join stored on {same_key}
        {closing}
        where staged.refused_for is null and (stored.version is null or {differs})
        order by {", ".join(f"staged.{name}" for name in table.key)}
        """
    connection.execute(statement, {"captured_at": captured_at} if closing else None)
    return connection.table(_changes(table))


def _calendar(table: Table) -> str:
    """The calendar that a table of bars follows."""
    return calendars.CRYPTO_CALENDAR if table.name.startswith("crypto") else calendars.EQUITY_CALENDAR


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
        from {_staging(table)}
        where refused_for is not null
    """
    for id_, rows in connection.execute(
        f"select coalesce({table.key[0]}, ''), count(*) from {_staging(table)} where refused_for is not null group by 1"
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
    connection.register("unreadable", frame)
    _add_to_quarantine(
        connection,
        "select distinct table_name, id, null::date as session_date, reason, payload from unreadable",
        captured_at,
    )
    connection.unregister("unreadable")
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
            f"from {_staging(table)} group by all"
        ).fetchall():
            refused.pop(id_, None)
            if rows == bad:
                refused[id_] = reason
        for id_, reason in sorted(refused.items()):
            why = f"every row for {table.full_name} was refused: {reason}"
            result.failures[id_] = "; ".join(filter(None, (result.failures.get(id_), why)))


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
    connection.execute("delete from meta.deliveries where asset_class = ?", [result.asset_class])
    connection.register("deliveries", frame.astype({"failure": "object"}))
    connection.execute("insert into meta.deliveries by name select * from deliveries")
    connection.unregister("deliveries")
