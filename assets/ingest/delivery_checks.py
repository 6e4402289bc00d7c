"""The checks of a delivery as a whole: each with its name, what it requires, and how it is judged.

Here: what the delivery of an asset class must satisfy after it was stored, and judging the last deliveries and the
stored rows again. Single rows are judged in `row_checks`, single symbols in `history_checks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Set

from assets.contracts.expectations import RuleOutcome, validate
from assets.contracts.queries import query
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.ingest.stage import ClassResult, Rejection
from assets.sources.base import AssetClass
from assets.warehouse.results import NAMED, Check, CheckGroup, CheckSpec, same_reasons
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


def judge_delivery(run: Run, result: ClassResult) -> list[Check]:
    """The verdicts of `DELIVERY_CHECKS`, in their order. They are reported for the first table of the asset class."""
    table_name = RAW_TABLE[TABLES_OF_CLASS[result.asset_class][0]].full_name
    rows = sum(result.rows_delivered.values())
    symbols = len(result.rows_delivered)
    failures = [f"{ids}: {why}" for ids, why in same_reasons(result.failures)]
    vanished = [f"{id_} {day}" for id_, day in result.vanished]
    is_lost = _is_lost(run, result, table_name)
    required, missing = _required(run, result)
    return [
        NOTHING_QUARANTINED.verdict(table_name, rows, len(result.rejections), _rejections(result)),
        EVERY_SYMBOL_DELIVERED.verdict(table_name, symbols, len(result.failures), "; ".join(failures[:NAMED])),
        NOTHING_VANISHED.verdict(table_name, rows, len(vanished), ", ".join(vanished[:NAMED])),
        CLASS_DELIVERED.verdict(
            table_name,
            symbols,
            int(is_lost),
            f"the source delivered no usable data of the class {result.asset_class}" if is_lost else None,
            bool(result.failures) and result.failures.keys() <= result.may_pass,
        ),
        REQUIRED_DELIVERED.verdict(
            table_name,
            required,
            len(missing),
            "; ".join(f"{ids}: {why}" for ids, why in same_reasons(missing)),
            missing.keys() <= result.may_pass,
        ),
    ]


def judge_stored(run: Run, asset_class: AssetClass, tables: Set[str]) -> Iterator[CheckGroup | Check]:
    """Judge the stored rows and the last deliveries of a class again. Nothing is fetched or stored.

    Args:
        run: The run.
        asset_class: The class.
        tables: The raw tables whose rows are validated; that takes a while.

    Yields:
        The contract of each of the tables, and the verdicts of `DELIVERY_CHECKS`.
    """
    for table in (RAW_TABLE[name] for name in TABLES_OF_CLASS[asset_class]):
        if table.full_name in tables:
            outcomes = validate(run.connection.table(table.full_name), table)()
            yield CheckGroup(CONTRACT.name, table.full_name, tuple(judge_contracts(outcomes)))
    yield from judge_delivery(run, last_delivery(run, asset_class))


def last_delivery(run: Run, asset_class: AssetClass) -> ClassResult:
    """What became of a class when each of its symbols was last delivered."""
    result = ClassResult(asset_class)
    tables = [RAW_TABLE[name] for name in TABLES_OF_CLASS[asset_class]]
    first = tables[0]
    statement = query("checks/last_deliveries", id_column=first.key[0], stored_rows=first.full_name)
    for id_, rows, rejected, failure, day, reason, is_stored in run.connection.execute(
        statement, {"asset_class": asset_class}
    ).fetchall():
        result.rows_delivered[id_] = rows
        result.rejections += [Rejection(first.full_name, id_, day, reason or "rejected")] * rejected
        if failure:
            result.fail(id_, failure)
        if is_stored and (rows > rejected or not failure):
            result.usable.append(id_)
    result.vanished = run.connection.execute(
        "select id, session_date::varchar from meta.vanished where list_contains(?, table_name) order by all",
        [[table.full_name for table in tables]],
    ).fetchall()
    return result


def judge_contracts(outcomes: Iterable[RuleOutcome]) -> list[Check]:
    """One verdict for each rule of a raw table, from Great Expectations."""
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
        for outcome in outcomes
    ]


def _rejections(result: ClassResult) -> str:
    """The first rejected row of each symbol, and how many more there are."""
    rows = Counter(id_ for _, id_, _, _ in result.rejections)
    firsts = {id_: f"{id_} {day or ''}: {reason}" for _, id_, day, reason in reversed(result.rejections)}
    named = "; ".join(
        firsts[id_] + (f" (and {count - 1} more rows)" if count > 1 else "") for id_, count in rows.most_common(NAMED)
    )
    return named + (f"; and rows of {len(rows) - NAMED} more" if len(rows) > NAMED else "")


def _is_lost(run: Run, result: ClassResult, table_name: str) -> bool:
    """Whether the class was there before, or was requested, and has no usable row now."""
    # A folder with prices only has never had the other classes. If single symbols were requested, nothing follows for
    # the class.
    if run.symbols or result.usable:
        return False
    stored = run.connection.execute(f"select count(*) from {table_name}").fetchall()[0][0]
    return bool(result.rows_delivered) or stored > 0


def _required(run: Run, result: ClassResult) -> tuple[int, dict[str, str]]:
    """How many instruments of the class are required, and the missing ones, each with the reason."""
    required = [
        i.id
        for i in run.universe.instruments
        if i.is_required and i.asset_class == result.asset_class and run.asks_for(i.id)
    ]
    usable = set(result.usable)
    return len(required), {id_: result.failures.get(id_, "not delivered") for id_ in required if id_ not in usable}
