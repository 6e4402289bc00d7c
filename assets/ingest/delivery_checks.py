"""The checks of a delivery as a whole: each with its name, what it asks, and how it is judged.

Here: what the delivery of an asset class must satisfy after it was stored. Single rows are judged in `row_checks`,
single symbols in `history_checks`.
"""

from __future__ import annotations

from collections import Counter

from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.ingest.store import Ingested
from assets.warehouse.results import NAMED, Check, CheckSpec
from assets.warehouse.run import Run

CONTRACT = CheckSpec(
    "contract",
    "Great Expectations found no stored row that breaks a rule of the table's contract.",
    is_blocking=True,
)
NOTHING_QUARANTINED = CheckSpec(
    "nothing_quarantined", "No row was rejected. Rejected rows are in meta.quarantine with the reason."
)
EVERY_SYMBOL_DELIVERED = CheckSpec(
    "every_symbol_delivered", "Every requested instrument and series was fetched completely."
)
NOTHING_VANISHED = CheckSpec(
    "nothing_vanished", "No stored row was missing from a delivery that covers its day. Stored rows are kept."
)
CLASS_DELIVERED = CheckSpec("class_delivered", "The source delivered usable data of the asset class.", is_blocking=True)
REQUIRED_DELIVERED = CheckSpec(
    "required_delivered", "Every instrument that the universe marks as required was delivered.", is_blocking=True
)
DELIVERY_CHECKS = (
    NOTHING_QUARANTINED,
    EVERY_SYMBOL_DELIVERED,
    NOTHING_VANISHED,
    CLASS_DELIVERED,
    REQUIRED_DELIVERED,
)


def judge_delivery(run: Run, result: Ingested) -> list[Check]:
    """The verdicts of `DELIVERY_CHECKS`, in their order. They stand on the first table of the asset class."""
    table_name = RAW_TABLE[TABLES_OF_CLASS[result.asset_class][0]].full_name
    rows = sum(result.rows_delivered.values())
    symbols = len(result.rows_delivered)
    failures = [f"{id_}: {why}" for id_, why in result.failures.items()]
    vanished = [f"{id_} {day}" for id_, day in result.vanished]
    is_lost = _is_lost(run, result, table_name)
    required, missing = _required(run, result)
    return [
        NOTHING_QUARANTINED.verdict(table_name, rows, len(result.refusals), _rejections(result)),
        EVERY_SYMBOL_DELIVERED.verdict(table_name, symbols, len(failures), "; ".join(failures[:NAMED])),
        NOTHING_VANISHED.verdict(table_name, rows, len(vanished), ", ".join(vanished[:NAMED])),
        CLASS_DELIVERED.verdict(
            table_name,
            symbols,
            int(is_lost),
            f"the source delivered no usable data of the class {result.asset_class}" if is_lost else None,
        ),
        REQUIRED_DELIVERED.verdict(table_name, required, len(missing), "; ".join(missing)),
    ]


def judge_contracts(result: Ingested) -> list[Check]:
    """One verdict for each rule of each raw table of the class, from Great Expectations."""
    return [
        Check(
            outcome.rule_name,
            outcome.table_name,
            outcome.rows_failed == 0,
            "ERROR",
            outcome.rows_checked,
            outcome.rows_failed,
            outcome.reason if outcome.rows_failed else None,
        )
        for outcome in result.outcomes
    ]


def _rejections(result: Ingested) -> str:
    """The first rejected row of each symbol, and how many more there are."""
    rows = Counter(id_ for _, id_, _, _ in result.refusals)
    firsts = {id_: f"{id_} {day or ''}: {reason}" for _, id_, day, reason in reversed(result.refusals)}
    named = "; ".join(
        firsts[id_] + (f" (and {count - 1} more rows)" if count > 1 else "") for id_, count in rows.most_common(NAMED)
    )
    return named + (f"; and rows of {len(rows) - NAMED} more" if len(rows) > NAMED else "")


def _is_lost(run: Run, result: Ingested, table_name: str) -> bool:
    """Whether the class was there before, or was requested, and has no usable row now."""
    # A folder with prices only has never had the other classes. Where single symbols were requested, the others are as
    # they are stored.
    if run.symbols or result.usable:
        return False
    stored = run.connection.execute(f"select count(*) from {table_name}").fetchall()[0][0]
    return bool(result.rows_delivered) or stored > 0


def _required(run: Run, result: Ingested) -> tuple[int, list[str]]:
    """How many instruments of the class are required, and the missing ones with the reason."""
    required = [
        i.id
        for i in run.universe.instruments
        if i.is_required and i.asset_class == result.asset_class and run.asks_for(i.id)
    ]
    usable = set(result.usable)
    missing = [f"{id_}: {result.failures.get(id_, 'not delivered')}" for id_ in required if id_ not in usable]
    return len(required), missing
