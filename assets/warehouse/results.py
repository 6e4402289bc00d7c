"""What a step reports while it works: tables built, checks and their verdicts, and that it failed.

Here: the types only. Whoever does the steps yields them; the command line prints them and `graph` tells Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assets.contracts.table import Column

# How many bad rows or failed symbols a check names in its detail; meta.quarantine and meta.deliveries have them all.
NAMED = 10


class StepFailed(Exception):
    """A step could not do what it should. The message is one line for a person."""


@dataclass(frozen=True)
class Check:
    """One verdict. `detail` says, for a person, what failed; a failed ERROR stops the run before it publishes."""

    name: str
    table_name: str
    passed: bool
    severity: Literal["ERROR", "WARN"]
    rows_checked: int
    rows_failed: int
    detail: str | None = None


@dataclass(frozen=True)
class CheckSpec:
    """A check before it runs: its name, what it asks, and whether a failure stops the run before it publishes."""

    name: str
    description: str
    is_blocking: bool = False

    def verdict(self, table_name: str, rows_checked: int, rows_failed: int, detail: str | None = None) -> Check:
        """The verdict on a table: passed if no row failed.

        Args:
            table_name: The table with its schema.
            rows_checked: Rows, or symbols, that were looked at.
            rows_failed: How many of them are bad.
            detail: What failed, for a person.

        Returns:
            The verdict, an error if the check blocks and a warning if not.
        """
        severity: Literal["ERROR", "WARN"] = "ERROR" if self.is_blocking else "WARN"
        return Check(self.name, table_name, not rows_failed, severity, rows_checked, rows_failed, detail or None)


@dataclass(frozen=True)
class TableBuilt:
    """A table (or the published file) is as it should be now: its rows, and further facts by name."""

    table_name: str
    facts: Mapping[str, int | float | str]
    rows: int | None = None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class CheckGroup:
    """The verdicts on the rules of one table as one check: what people look at stays readable."""

    name: str
    table_name: str
    checks: tuple[Check, ...]

    @property
    def broken(self) -> str | None:
        """What does not hold, in one line."""
        return "; ".join(check.detail or check.name for check in self.checks if not check.passed) or None


StepEvent = TableBuilt | Check | CheckGroup
