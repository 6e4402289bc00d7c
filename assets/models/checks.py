"""What must hold for a built table, and what a person should know about the data in it.

Here: the checks of a model (`check_model`), which every table must pass, and the data checks, which only warn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb

from assets.contracts.table import Column
from assets.models.sql_files import Model
from assets.warehouse.results import NAMED, Check
from assets.warehouse.run import Run


@dataclass(frozen=True)
class ModelCheck:
    """Something that must hold for a built table: rows looked at, rows that break it, and what that means."""

    name: str
    description: str
    rows_checked: int
    rows_failed: int


def check_model(connection: duckdb.DuckDBPyConnection, model: Model, columns: Iterable[Column]) -> list[ModelCheck]:
    """The checks that every table must pass: its grain is unique, no value is NaN, nothing comes from the future.

    What is no table has none: what is wrong in a view shows in the tables that read it.
    """
    if model.form != "table":
        return []
    name, grain = model.full_name, ", ".join(model.grain)
    key = f"row({', '.join(model.sorted_by)})"
    broken = {
        "grain_is_unique": (
            f"{grain} tell rows apart",
            f"select count(*) - count(*) filter (key > previous) "
            f"from (select {key} as key, lag({key}) over () as previous from {name})",
        ),
        "no_nan": (
            "an unknown number is null, never NaN or infinite",
            f"select count(*) from {name} where "
            + (" or ".join(f"not isfinite({column.name})" for column in columns if column.type == "double") or "false"),
        ),
    }
    if model.known_at:
        broken["nothing_from_the_future"] = (
            "no row was known only after the run's clock",
            f"select count(*) from {name} cross join reference.clock where {model.known_at} > as_of_at",
        )
    counts = ", ".join(f"({query})" for _, query in broken.values())
    rows, not_greater, *failed = connection.execute(f"select (select count(*) from {name}), {counts}").fetchall()[0]
    copies = 0
    # Rows of which each is greater than the one before (the first has none) are all different. Nearly every table is
    # written that way, and to see it takes a quarter of the time of gathering the rows of every group.
    if not_greater > 1:
        copies = connection.execute(
            f"select coalesce(sum(copies - 1), 0)::bigint from "
            f"(select count(*) as copies from {name} group by {grain} having count(*) > 1)"
        ).fetchall()[0][0]
    return [
        ModelCheck(check, description, rows, rows_failed)
        for (check, (description, _)), rows_failed in zip(broken.items(), [copies, *failed], strict=True)
    ]


# Facts about the data that a person should see and that stop nothing: per table the name of the check, what it asks,
# rows looked at, and the guilty ones as text.
DATA_CHECKS = {
    "core.pairs": [
        (
            "every_pair_has_its_legs",
            "Of every ratio in the universe file both legs have bars. One without is left out.",
            "select count(*) from reference.pairs",
            "select pair_id from reference.pairs except select pair_id from core.pairs order by pair_id",
        )
    ],
    "meta.freshness": [
        (
            f"{asset_class}_is_fresh",
            f"No {what} is older than its calendar expects: a weekend or a holiday makes nothing stale.",
            f"select count(*) from meta.freshness where asset_class = '{asset_class}'",
            "select id || ': last value of ' || last_session || ', expected ' || expected_session from meta.freshness "
            f"where status = 'stale' and asset_class = '{asset_class}' order by last_session, id",
        )
        for asset_class, what in (("equity", "index or fund"), ("crypto", "coin"), ("macro", "series"))
    ],
    "meta.gaps": [
        (
            "no_recent_gap",
            "No session of the last year is missing between two others. Gaps are asked for again, and stay gaps until "
            "a source fills them.",
            "select count(*) from core.bars",
            "select instrument_id || ' ' || session_date from meta.gaps cross join reference.clock "
            "where session_date > as_of - 366 order by session_date desc, instrument_id",
        )
    ],
}


def data_checks(run: Run, table: str) -> Iterator[Check]:
    """The verdicts of the data checks of a table."""
    for name, _, counted, guilty in DATA_CHECKS.get(table, ()):
        rows = run.connection.execute(counted).fetchall()[0][0]
        named = [text for (text,) in run.connection.execute(guilty).fetchall()]
        more = f"; and {len(named) - NAMED} more" if len(named) > NAMED else ""
        yield Check(name, table, not named, "WARN", rows, len(named), "; ".join(named[:NAMED]) + more or None)
