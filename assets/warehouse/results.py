"""What a step reports while it works: tables built, checks and their verdicts, and failures.

Here: the types only. The steps yield them, the command line prints them, and `graph` reports them to Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assets.contracts.table import Column

# How many bad rows or failed symbols a check names in its detail. meta.quarantine and meta.deliveries list all.
NAMED = 10
# How many ids are named of those that failed for the same reason.
NAMED_ALIKE = 3


class StepFailed(Exception):
    """A step failed. The message is one line for the user."""


@dataclass(frozen=True)
class Check:
    """One verdict. `detail` names what failed. A failed check of severity ERROR stops the run before it publishes.

    `may_pass` is true if it failed for a reason that has nothing to do with the data, such as a missing connection.
    """

    name: str
    table_name: str
    passed: bool
    severity: Literal["ERROR", "WARN"]
    rows_checked: int
    rows_failed: int
    detail: str | None = None
    may_pass: bool = False

    @property
    def broken(self) -> str | None:
        """Why the run must stop, in one line, or None."""
        return None if self.passed or self.severity == "WARN" else self.detail or self.name


@dataclass(frozen=True)
class CheckSpec:
    """A check before it runs: its name, what it requires, and whether a failure stops the run before it publishes."""

    name: str
    description: str
    is_blocking: bool = False

    def verdict(
        self, table_name: str, rows_checked: int, rows_failed: int, detail: str | None = None, may_pass: bool = False
    ) -> Check:
        """The verdict on a table: passed if no row failed.

        Args:
            table_name: The table with its schema.
            rows_checked: Rows, or symbols, that were looked at.
            rows_failed: How many of them are bad.
            detail: What failed, for a person.
            may_pass: Whether it may hold a little later.

        Returns:
            The verdict, an error if the check blocks and a warning if not.
        """
        severity: Literal["ERROR", "WARN"] = "ERROR" if self.is_blocking else "WARN"
        passed = not rows_failed
        return Check(self.name, table_name, passed, severity, rows_checked, rows_failed, detail or None, may_pass)


@dataclass(frozen=True)
class TableBuilt:
    """A table, or the published file, is up to date: its rows, and further facts by name.

    `content` is a fingerprint of what it holds; None if it follows from what it was made of.
    """

    table_name: str
    facts: Mapping[str, int | float | str]
    rows: int | None = None
    columns: tuple[Column, ...] = ()
    content: str | None = None


@dataclass(frozen=True)
class CheckGroup:
    """The verdicts on the rules of one table, which the Dagster UI shows as one check."""

    name: str
    table_name: str
    checks: tuple[Check, ...]

    @property
    def broken(self) -> str | None:
        """The failed checks in one line, or None."""
        return "; ".join(check.detail or check.name for check in self.checks if not check.passed) or None


StepEvent = TableBuilt | Check | CheckGroup


def same_reasons(failures: Mapping[str, str]) -> list[tuple[str, str]]:
    """Group what failed for the same reason: ("SPX, NDX, RUT ... (75 in all)", "no connection: ...").

    Without a network every symbol fails alike, and people want to read that once. The groups keep the order of
    `failures`, which maps an id to its reason.
    """
    ids: dict[str, list[str]] = {}
    for id_, reason in failures.items():
        ids.setdefault(reason, []).append(id_)
    return [
        (", ".join(same[:NAMED_ALIKE]) + (f" ... ({len(same)} in all)" if len(same) > NAMED_ALIKE else ""), reason)
        for reason, same in ids.items()
    ]
