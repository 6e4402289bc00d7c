"""A delivery against what is stored: which whole symbols must not be believed, and what has vanished.

Here: what only history can tell. A symbol whose delivery is a fragment, another instrument, another unit or half of a
split is refused as a whole, so that the last good data stay. Single rows were judged before, in `row_checks`, whose
staging tables this reads; the first day of each delivery is in temp.covered. Nothing stored is touched here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import duckdb

from assets.config.parameters import Parameters
from assets.contracts.table import Table
from assets.ingest.row_checks import closes_at, staging, stored

# Units that vendors confuse: pence and pounds, single shares and thousands.
UNITS = (100, 1000)


class Overlap(NamedTuple):
    """How an instrument's delivered prices relate to those stored for the same sessions.

    `middle` is the median of delivered over stored, and `agreeing` of the `bars` share it. Of the bars that are far
    from what is stored (`differing`), `moved_middle` is the median, shared by `moved_agreeing`. Where only total-return
    closes are (`is_adjusted`), dividends move the past as well.
    """

    bars: int
    middle: float
    agreeing: int
    differing: int
    moved_middle: float | None
    moved_agreeing: int
    is_adjusted: bool

    def is_rescaled(self, parameters: Parameters) -> bool:
        """One factor for nearly all: a split, or another unit."""
        return (
            self.bars >= parameters["split_rows"].value
            and self.agreeing >= parameters["split_agreement"].value * self.bars
            and max(self.middle, 1 / self.middle) >= 1 + parameters["split_smallest"].value
        )

    def doubt(self, parameters: Parameters) -> str | None:
        """Why the prices cannot follow on those stored, if so."""
        if self.differing < parameters["split_rows"].value or self.is_rescaled(parameters):
            return None
        if not self.is_adjusted and self.moved_agreeing >= parameters["split_agreement"].value * self.differing:
            times = f"{self.moved_middle:.4g} times those stored"
            return f"half of a split? {self.differing} of {self.bars} prices are {times}"
        if self.differing > self.bars / 2:
            return (
                f"another instrument? {self.differing} of {self.bars} prices are not those stored "
                f"(about {self.middle:.4g} times them)"
            )
        return None


def overlaps(connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters) -> dict[str, Overlap]:
    """Per instrument that has delivered and stored bars of the same sessions, how they relate."""
    rows = connection.execute(
        f"""
        with ratios as (
            select
                staged.instrument_id as id,
                coalesce(staged.close / stored.close, staged.adj_close / stored.adj_close) as ratio,
                staged.close is null or stored.close is null as is_adjusted
            from {staging(table)} as staged
            inner join {stored(table)} as stored
                on stored.instrument_id = staged.instrument_id
                and stored.session_date = staged.session_date
            where staged.refused_for is null
        ),
        middles as (
            select
                id,
                median(ratio) as middle,
                median(ratio) filter (abs(ratio - 1) > $foreign_difference) as moved_middle
            from ratios
            where ratio is not null
            group by id
        )
        select
            ratios.id,
            count(*) as bars,
            any_value(middles.middle) as middle,
            count(*) filter (abs(ratios.ratio / middles.middle - 1) <= $split_rounding) as agreeing,
            count(*) filter (abs(ratios.ratio - 1) > $foreign_difference) as differing,
            any_value(middles.moved_middle) as moved_middle,
            count(*) filter (
                abs(ratios.ratio - 1) > $foreign_difference
                and abs(ratios.ratio / middles.moved_middle - 1) <= $split_rounding
            ) as moved_agreeing,
            bool_and(ratios.is_adjusted) as is_adjusted
        from ratios
        inner join middles on middles.id = ratios.id
        where ratios.ratio is not null
        group by ratios.id
        order by ratios.id
        """,
        _values(parameters, "split_rounding", "foreign_difference"),
    ).fetchall()
    return {id_: Overlap(*values) for id_, *values in rows}


def unexplained(
    connection: duckdb.DuckDBPyConnection, factors: Mapping[str, float], splits: Table | None, parameters: Parameters
) -> dict[str, str]:
    """Of the rescaled instruments, those whose factor is that of a unit and no delivered split says the same."""
    rounding = parameters["split_rounding"].value
    known: list[tuple[str, float]] = []
    if splits is not None:
        known = connection.execute(
            f"select instrument_id, value from {staging(splits)} where kind = 'split' and refused_for is null"
        ).fetchall()
    reasons = {}
    for id_, factor in factors.items():
        is_unit = any(abs(max(factor, 1 / factor) / unit - 1) <= rounding for unit in UNITS)
        if is_unit and not any(id_ == name and abs(ratio * factor - 1) <= rounding for name, ratio in known):
            reasons[id_] = f"another unit? every price is {factor:.4g} times the one stored, and no split says so"
    return reasons


def fragments(connection: duckdb.DuckDBPyConnection, table: Table, parameters: Parameters) -> dict[str, str]:
    """The ids of which a delivery has lost what is stored, each with the reason: it ends earlier, or it has holes.

    Only final rows count: the unfinished bar of a day may go again.
    """
    id_, day = table.key[0], table.date_column
    is_final = f"stored.captured_at >= {closes_at(table, 'stored')}" if table.is_bars else "true"
    rows = connection.execute(
        f"""
        with covered as (
            select
                stored.{id_} as id,
                stored.{day} as day,
                staged.{id_} is null as is_lost
            from {stored(table)} as stored
            left join (select distinct {id_}, {day} from {staging(table)}) as staged
                on staged.{id_} = stored.{id_}
                and staged.{day} = stored.{day}
            where stored.is_covered and {is_final}
        ),
        ends as (
            select {id_} as id, max({day}) as last_day
            from {staging(table)}
            group by {id_}
        )
        select
            covered.id,
            max(covered.day),
            any_value(ends.last_day),
            count(*) filter (covered.is_lost),
            count(*)
        from covered
        inner join ends on ends.id = covered.id
        group by covered.id
        having max(covered.day) > any_value(ends.last_day)
            or count(*) filter (covered.is_lost) > $lost_share * count(*)
        order by covered.id
        """,
        _values(parameters, "lost_share"),
    ).fetchall()
    return {
        id_: f"it ends on {last_delivered}, but {last_stored} is stored"
        if last_delivered < last_stored
        else f"{lost} of {known} stored rows are not in it any more"
        for id_, last_stored, last_delivered, lost, known in rows
    }


def refuse_whole(connection: duckdb.DuckDBPyConnection, tables: Collection[Table], reasons: Mapping[str, str]) -> None:
    """Refuse all that was delivered of some ids, in every table of the class."""
    for id_, reason in reasons.items():
        for table in tables:
            connection.execute(
                f"update {staging(table)} set refused_for = ? where {table.key[0]} = ? and refused_for is null",
                [reason, id_],
            )


def note_vanished(
    connection: duckdb.DuckDBPyConnection, table: Table, captured_at: datetime, excepted: Collection[str]
) -> list[tuple[str, str]]:
    """Enter the stored rows that the delivery should have and has not, once each. Returns (id, day) of the new ones.

    The ids that are `excepted` were refused as a whole: what they lack says nothing.
    """
    id_, day = table.key[0], table.date_column
    same_key = " and ".join(f"staged.{name} = stored.{name}" for name in table.key)
    connection.execute(
        f"""
        create or replace temp table missed as
        select distinct
            '{table.full_name}' as table_name,
            stored.{id_} as id,
            stored.{day} as session_date,
            $captured_at::timestamptz as captured_at
        from {stored(table)} as stored
        where stored.is_covered
            and not list_contains($excepted, stored.{id_})
            and not exists (select 1 from {staging(table)} as staged where {same_key})
            and not exists (
                select 1 from meta.vanished as known
                where known.table_name = '{table.full_name}' and known.id = stored.{id_}
                    and known.session_date = stored.{day}
            )
        """,
        {"captured_at": captured_at, "excepted": list(excepted)},
    )
    connection.execute("insert into meta.vanished by name from temp.missed")
    missing = connection.execute("select id, session_date::varchar from temp.missed").fetchall()
    connection.execute("drop table temp.missed")
    return sorted(missing)


def _values(parameters: Parameters, *names: str) -> dict[str, float]:
    return {name: parameters[name].value for name in names}
