"""Great Expectations: the contracts' rules, run on the rows that are about to be stored.

Here: the only use of the library. The screen in `ingest` has already refused guilty rows with SQL made from the same
rules; this is the independent gate behind it, whose verdicts become the checks that people see. The library takes
seconds to import, so that happens only when there is something to validate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd

from assets.contracts import ROUNDING, Table

# Rows validated at a time: the memory of one frame, not of a whole history.
CHUNK_ROWS = 1_000_000


class ValidationError(Exception):
    """The library could not evaluate a rule. That is a fault of the rule, never of the data."""


@dataclass(frozen=True)
class RuleOutcome:
    """How one rule fared on one table."""

    table_name: str
    rule_name: str
    reason: str
    rows_checked: int
    rows_failed: int


def validate(rows: duckdb.DuckDBPyRelation, table: Table) -> list[RuleOutcome]:
    """Run the table's rules over the rows; one outcome per rule, in the contract's order.

    Raises ValidationError when the library fails on a rule.
    """
    checked = 0
    failed = dict.fromkeys((rule.name for rule in table.rules), 0)
    for frame in _chunks(rows, table):
        checked += len(frame)
        for rule_name, count in _failures(frame, table).items():
            failed[rule_name] += count
    return [RuleOutcome(table.full_name, rule.name, rule.reason, checked, failed[rule.name]) for rule in table.rules]


def _chunks(rows: duckdb.DuckDBPyRelation, table: Table) -> Iterator[pd.DataFrame]:
    """Frames with the columns that the expectations name, the derived ones among them."""
    if not table.rules:
        return
    named = {
        value for rule in table.rules for key, value in rule.expectation[1].items() if key.startswith("column")
    }
    columns = [name for name in table.own_columns if name in named]
    columns += [
        f"{name} * (1 + {ROUNDING}) as {name}_rounded_up"
        for name in table.own_columns
        if f"{name}_rounded_up" in named
    ]
    if table.known_columns:
        counted = " + ".join(f"({name} is not null)::int" for name in table.known_columns)
        columns.append(f"{counted} as known_values")
    total = rows.count("*").fetchall()[0][0]
    for offset in range(0, total, CHUNK_ROWS):
        yield rows.limit(CHUNK_ROWS, offset).project(", ".join(columns)).df()


def _failures(frame: pd.DataFrame, table: Table) -> dict[str, int]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas("frames")
        .add_dataframe_asset(table.name)
        .add_batch_definition_whole_dataframe("rows")
        .get_batch({"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name=table.full_name)
    for rule in table.rules:
        expectation, arguments = rule.expectation
        suite.add_expectation(getattr(gx.expectations, expectation)(**arguments, meta={"rule": rule.name}))
    failures: dict[str, int] = {}
    for result in batch.validate(suite, result_format="BASIC").results:
        config: Any = result.expectation_config
        rule_name = config.meta["rule"]
        if result.exception_info.get("raised_exception"):
            raise ValidationError(f"{table.full_name}: {rule_name}: {result.exception_info['exception_message']}")
        failures[rule_name] = int(result.result.get("unexpected_count", 0))
    return failures
