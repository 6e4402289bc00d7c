"""Which rows of a delivery must not be believed: the screen that stands before the raw tables.

Here: refusing single rows, for what they are (the contracts' rules, a date that is no session, an id of another class)
or for how they stand beside their neighbours (told twice, in another unit, on another adjustment base), and the staging
tables in which that happens: temp.staged_* with `refused_for`, and in temp.stored_* what is stored of the same ids.
Whether a whole symbol must be refused is decided in `history_checks`.
"""

from __future__ import annotations

import duckdb

from assets.config.parameters import Parameters
from assets.contracts.raw import RAW_TABLE
from assets.contracts.table import Table, literal
from assets.warehouse.run import Run


def staging(table: Table) -> str:
    """The name of the table that holds a delivery's rows."""
    return f"temp.staged_{table.name}"


def stored(table: Table) -> str:
    """The name of the table that holds what is stored of the delivered ids, each row in its last version."""
    return f"temp.stored_{table.name}"


def read_stored(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Put the last stored version of everything that the delivery is about into temp.stored_*."""
    id_, day = table.key[0], table.date_column
    # A table without days is covered whole, and none of its rows is the neighbour of another.
    stored_day, earlier_day = (f"stored.{day}", f"earlier.{day}") if day else ("null::date", "null::date")
    is_covered = f"coalesce({stored_day} >= covered.first_day, true)"
    key, same_key = ", ".join(table.key), " and ".join(f"newer.{name} = stored.{name}" for name in table.key)
    connection.execute(
        f"""
        create or replace temp table stored_{table.name} as
        with ids as (
            select {id_} as id from {staging(table)} where {id_} is not null
            union
            select id from temp.covered where table_name = '{table.name}'
        ),
        -- An id may be delivered more than once; what comes whole, without a first day, covers all of it.
        covered as (
            select
                ids.id,
                if(bool_or(covered.first_day is null), null, min(covered.first_day)) as first_day
            from ids
            left join temp.covered as covered on covered.table_name = '{table.name}' and covered.id = ids.id
            group by ids.id
        ),
        -- The row before the first delivered one is what that one is measured against. No subquery for each id: that
        -- would hold the whole stored table in memory.
        neighbours as (
            select covered.id, max({earlier_day}) as day
            from covered
            inner join {table.full_name} as earlier
                on earlier.{id_} = covered.id and {earlier_day} < covered.first_day
            group by covered.id
        ),
        -- Few rows ever got another version. To number the versions of all would hold all rows in memory.
        newer as (
            select {key}, version
            from {table.full_name}
            where version > 1
        )
        select stored.*, {is_covered} as is_covered
        from {table.full_name} as stored
        inner join covered on covered.id = stored.{id_}
        left join neighbours on neighbours.id = covered.id
        left join newer on newer.version = stored.version + 1 and {same_key}
        where newer.version is null and ({is_covered} or {stored_day} = neighbours.day)
        """
    )


def closes_at(table: Table, alias: str) -> str:
    """SQL for the instant at which a bar's session ends."""
    return (
        f"(select sessions.closes_at from reference.sessions as sessions "
        f"where sessions.calendar = '{table.calendar}' and sessions.session_date = {alias}.{table.date_column})"
    )


def screen(run: Run, table: Table) -> None:
    """Write into each staged row of the table why it is refused, if so."""
    _refuse_by_contract(run.connection, run, table)
    _refuse_duplicates(run.connection, table)
    read_stored(run.connection, table)
    if table.is_bars:
        _refuse_unit_errors(run.connection, table, run.parameters)
        _refuse_adjustment_breaks(run.connection, table, run.parameters)


def _refuse_by_contract(connection: duckdb.DuckDBPyConnection, run: Run, table: Table) -> None:
    """Write into each staged row why it is refused on its own: rules that it breaks, a date or an id out of place."""
    rows = staging(table)
    # NaN sorts above every number, so it is taken out before anything is compared. pandas means null by it.
    doubles = [c.name for c in table.columns if c.type == "double" and c.name in table.own_columns]
    if doubles:
        emptied = ", ".join(f"{name} = case when isnan({name}) then null else {name} end" for name in doubles)
        connection.execute(f"update {rows} set {emptied} where {' or '.join(f'isnan({name})' for name in doubles)}")
    reasons = [(rule.broken_when, rule.reason) for rule in table.rules]
    for column in table.columns:
        if column.name in table.own_columns and not column.is_nullable:
            reasons.append((f"{column.name} is null", f"{column.name} is missing"))
    if table.date_column:
        reasons.append((f"{table.date_column} > $today", "the date lies in the future"))
    if table.is_bars:
        reasons.append(
            (
                f"{table.date_column} <= $today and {table.date_column} not in "
                "(select session_date from reference.sessions where calendar = $calendar)",
                "the date is no session of the calendar",
            )
        )
        for other in (other for other in RAW_TABLE.values() if other.is_bars and other is not table):
            reasons.append(
                (
                    f"instrument_id in (select instrument_id from {other.full_name}) or instrument_id in "
                    "(select instrument_id from reference.instruments where calendar <> $calendar)",
                    f"the id belongs to {other.name.removesuffix('_bars')}",
                )
            )
    values = {"today": run.started_at.date(), "calendar": table.calendar}
    conditions = ",\n".join(f"{condition} as is_so_{number}" for number, (condition, _) in enumerate(reasons))
    told = ",\n".join(
        f"case when is_so_{number} then {literal(reason)} end" for number, (_, reason) in enumerate(reasons)
    )
    # Only guilty rows are written to. A row is judged again when more was asked for after it came.
    statement = f"""
        with judged as (
            select rowid as place, refused_for as refused_before, {conditions}
            from {rows}
        ),
        guilty as (
            select place, nullif(concat_ws('; ', {told}), '') as reason
            from judged
            where refused_before is not null or {" or ".join(f"is_so_{number}" for number in range(len(reasons)))}
        )
        update {rows} set refused_for = guilty.reason
        from guilty
        where rowid = guilty.place
        """
    connection.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})


def _refuse_duplicates(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Refuse what is there twice: the copies of equal rows, and all of those that contradict one another."""
    rows = staging(table)
    key = ", ".join(table.key)
    values = ", ".join(table.value_columns) or "1"
    connection.execute(
        f"""
        with repeated as (
            select {key}
            from {rows}
            where refused_for is null
            group by {key}
            having count(*) > 1
        ),
        numbered as (
            select
                rowid as row_number_in_table,
                row_number() over (partition by {key} order by rowid) as copy,
                min(hash({values})) over (partition by {key}) = max(hash({values})) over (partition by {key}) as is_same
            from {rows}
            semi join repeated using ({key})
            where refused_for is null
        )
        update {rows} set refused_for = case
            when numbered.is_same then 'the same row is there more than once'
            else 'different rows for the same key'
        end
        from numbered
        where rowid = numbered.row_number_in_table and (copy > 1 or not is_same)
        """
    )


def _refuse_unit_errors(connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters) -> None:
    """Refuse bars whose price stands a unit error (100 times, a hundredth) away from most of their neighbours'.

    Each jump beyond `unit_jump` starts a new level. The right one is that of the last stored bar; where stored bars are
    delivered again it is the one that most rows are on, as a split may have moved them all (see `history_checks`).
    """
    connection.execute(
        f"""
        create or replace temp table levels as
        with prices as (
            select instrument_id, session_date, coalesce(close, adj_close) as price, rowid as place
            from {staging(table)}
            where refused_for is null
            union all
            select instrument_id, session_date, coalesce(close, adj_close), null
            from {stored(table)} as stored
            where not is_covered
        ),
        jumps as (
            select
                *,
                ln(price / lag(price) over (partition by instrument_id order by session_date)) as jump
            from prices
        ),
        levels as (
            select
                *,
                sum(case when abs(jump) > ln($unit_jump) then jump else 0 end) over (
                    partition by instrument_id order by session_date rows between unbounded preceding and current row
                ) as level
            from jumps
            where instrument_id in (select instrument_id from jumps where abs(jump) > ln($unit_jump))
        )
        select
            place,
            exp(
                level - if(
                    instrument_id in (select instrument_id from {stored(table)} where is_covered)
                    or bool_and(place is not null) over (partition by instrument_id),
                    median(if(place is null, null, level)) over (partition by instrument_id),
                    0
                )
            ) as times
        from levels
        """,
        {"unit_jump": parameters["unit_jump"].value},
    )
    connection.execute(
        f"""
        update {staging(table)} as staged
        set refused_for = 'the price is ' || format('{{:.4g}}', levels.times)
            || ' times that of the bars around it: another unit, or another instrument'
        from levels
        where staged.rowid = levels.place
            and greatest(levels.times, 1 / levels.times) > $unit_jump
        """,
        {"unit_jump": parameters["unit_jump"].value},
    )
    connection.execute("drop table levels")


def _refuse_adjustment_breaks(connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters) -> None:
    """Refuse bars whose total-return close is on another adjustment base than the bars before it.

    The factor adj_close/close only ever grows with time, by each dividend; where it falls, somebody appended closes
    that were adjusted anew to closes that were not.
    """
    connection.execute(
        f"""
        with factors as (
            select
                rowid as place,
                adj_close / close as factor,
                max(adj_close / close) over (
                    partition by instrument_id order by session_date
                    rows between unbounded preceding and 1 preceding
                ) as highest
            from {staging(table)}
            where refused_for is null and close is not null and adj_close is not null
        )
        update {staging(table)} as staged
        set refused_for = 'adj_close/close falls by '
            || format('{{:.2f}}', 100 * (1 - factors.factor / factors.highest))
            || ' %: adjusted on another base than the bars before'
        from factors
        where staged.rowid = factors.place and factors.factor < factors.highest * (1 - $base_tolerance)
        """,
        {"base_tolerance": parameters["base_tolerance"].value},
    )
