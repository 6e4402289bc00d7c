"""The checks of built tables.

Here: the checks that every table must pass (`check_model`), and the data checks, which only warn.
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
    """The result of one check of a built table. `detail` is a plain sentence if it failed, else None."""

    name: str
    rows_checked: int
    rows_failed: int
    detail: str | None


def model_rules(model: Model) -> dict[str, str]:
    """What each check of `check_model` requires, as a sentence, by the check's name."""
    rules = {
        "grain_is_unique": f"No two rows have the same ({', '.join(model.grain)}).",
        "no_nan": "Every number is finite, or null if it is unknown.",
    }
    if model.known_at:
        rules["nothing_from_the_future"] = f"No row has a {model.known_at} after the run's as_of moment."
    return rules


def check_model(connection: duckdb.DuckDBPyConnection, model: Model, columns: Iterable[Column]) -> list[ModelCheck]:
    """Run the checks that every table must pass. Views and macros have none; their faults show in their readers.

    Args:
        connection: A connection to the warehouse.
        model: The model.
        columns: The columns of its table.

    Returns:
        The result of each check of `model_rules`, in the same order.
    """
    if model.form != "table":
        return []
    name, grain = model.full_name, ", ".join(model.grain)
    key = f"row({', '.join(model.sorted_by)})"
    numbers = [f"not isfinite({column.name})" for column in columns if column.type == "double"]
    counts = {
        "grain_is_unique": f"select count(*) - count(*) filter (key > previous) "
        f"from (select {key} as key, lag({key}) over () as previous from {name})",
        "no_nan": f"select count(*) from {name} where {' or '.join(numbers) or 'false'}",
        "nothing_from_the_future": f"select count(*) from {name} cross join reference.clock "
        f"where {model.known_at} > as_of_at",
    }
    failures = {
        "grain_is_unique": f"duplicate rows for ({grain})",
        "no_nan": "rows with NaN or an infinite number",
        "nothing_from_the_future": f"rows with a {model.known_at} after the run's as_of moment",
    }
    checks = list(model_rules(model))
    counted = ", ".join(f"({counts[check]})" for check in checks)
    rows, not_greater, *failed = connection.execute(f"select (select count(*) from {name}), {counted}").fetchall()[0]
    duplicates = 0
    # If each row is greater than the one before it, all rows are different (only the first has none before it). Nearly
    # every table is written in that order, and this takes a quarter of the time of grouping the rows.
    if not_greater > 1:
        duplicates = connection.execute(
            f"select coalesce(sum(copies - 1), 0)::bigint from "
            f"(select count(*) as copies from {name} group by {grain} having count(*) > 1)"
        ).fetchall()[0][0]
    return [
        ModelCheck(check, rows, rows_failed, f"{rows_failed} {failures[check]}" if rows_failed else None)
        for check, rows_failed in zip(checks, [duplicates, *failed], strict=True)
    ]


# The checks that name stale instruments and series, one for each asset class.
FRESHNESS_CHECKS = {"equity": "equity_is_fresh", "crypto": "crypto_is_fresh", "macro": "macro_is_fresh"}
# Facts about the data that warn but stop nothing. Per table: the check's name, what it requires, a query that counts
# the rows looked at, and a query that returns the bad ones as text.
DATA_CHECKS = {
    "core.pairs": [
        (
            "every_pair_has_its_legs",
            "Both legs of every ratio in the universe file have bars. Ratios without them are left out.",
            "select count(*) from reference.pairs",
            "select pair_id from reference.pairs except select pair_id from core.pairs order by pair_id",
        )
    ],
    "meta.freshness": [
        (
            FRESHNESS_CHECKS[asset_class],
            f"Every {what} has the last value that its calendar expects. Weekends and holidays make nothing stale.",
            f"select count(*) from meta.freshness where asset_class = '{asset_class}'",
            "select id || ': last value of ' || last_session || ', expected ' || expected_session from meta.freshness "
            f"where status = 'stale' and asset_class = '{asset_class}' order by last_session, id",
        )
        for asset_class, what in (("equity", "index or fund"), ("crypto", "coin"), ("macro", "series"))
    ],
    "meta.gaps": [
        (
            "no_recent_gap",
            "No session of the last year is missing between two others. Each run fetches gaps again until a source "
            "fills them.",
            "select count(*) from core.bars",
            "select instrument_id || ' ' || session_date from meta.gaps cross join reference.clock "
            "where session_date > as_of - 366 order by session_date desc, instrument_id",
        )
    ],
}


def data_checks(run: Run, table: str) -> Iterator[Check]:
    """The verdicts of the data checks of a table."""
    for name, _, counted, bad_rows in DATA_CHECKS.get(table, ()):
        rows = run.connection.execute(counted).fetchall()[0][0]
        named = [text for (text,) in run.connection.execute(bad_rows).fetchall()]
        more = f"; and {len(named) - NAMED} more" if len(named) > NAMED else ""
        yield Check(name, table, not named, "WARN", rows, len(named), "; ".join(named[:NAMED]) + more or None)
