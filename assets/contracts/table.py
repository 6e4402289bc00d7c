"""What a contract consists of: columns, a key, and rules that every row must keep.

Here: the types of contracts and the rules they share. DDL, the Great Expectations suite, the row checks and the data
dictionary are generated from these objects. Not here: the tables themselves (`raw`, `reference`, `meta`), a connection
or any library.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# Vendors serve prices as float32. Its last bit is 6e-8 of the value, so a high may be that much below its close.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Column:
    """One column: SQL type, meaning with unit, and whether it may be null (unknown)."""

    name: str
    type: str
    description: str
    is_nullable: bool = False


@dataclass(frozen=True)
class Rule:
    """A rule that every row must keep.

    `broken_when` is SQL over the table's columns: true for a row that breaks the rule, not true if a value is unknown.
    `expectation` is the same rule for Great Expectations: the class name and its arguments.
    """

    name: str
    reason: str
    broken_when: str
    expectation: tuple[str, dict[str, Any]]


# Values above the largest double are infinite. pandas has one value for NaN and null, so the expectation can only find
# infinity; in DuckDB, NaN is greater than every number, so the SQL finds it too.
_LARGEST = 1.7e308


def finite(column: str) -> Rule:
    """The column is a finite number, if known."""
    return Rule(
        name=f"{column}_is_finite",
        reason=f"{column} is not a finite number",
        broken_when=f"abs({column}) > {_LARGEST}",
        expectation=(
            "ExpectColumnValuesToBeBetween",
            {"column": column, "min_value": -_LARGEST, "max_value": _LARGEST},
        ),
    )


def positive(column: str) -> Rule:
    """The column is a finite number above zero, if known."""
    return Rule(
        name=f"{column}_is_positive",
        reason=f"{column} is not a positive number",
        broken_when=f"{column} <= 0 or {column} > {_LARGEST}",
        expectation=(
            "ExpectColumnValuesToBeBetween",
            {"column": column, "min_value": 0, "strict_min": True, "max_value": _LARGEST},
        ),
    )


def not_negative(column: str) -> Rule:
    """The column is a finite number of zero or more, if known."""
    return Rule(
        name=f"{column}_is_not_negative",
        reason=f"{column} is negative or infinite",
        broken_when=f"{column} < 0 or {column} > {_LARGEST}",
        expectation=("ExpectColumnValuesToBeBetween", {"column": column, "min_value": 0, "max_value": _LARGEST}),
    )


def at_least(larger: str, smaller: str) -> Rule:
    """One column is never below another, except for the vendor's rounding.

    The pair expectation of Great Expectations has no tolerance. Its frame therefore has an extra column with `larger`
    raised by the rounding (see `expectations`).
    """
    return Rule(
        name=f"{larger}_is_at_least_{smaller}",
        reason=f"{larger} is under {smaller}",
        broken_when=f"{larger} < {smaller} * (1 - {ROUNDING})",
        expectation=(
            "ExpectColumnPairValuesAToBeGreaterThanB",
            {
                "column_A": f"{larger}_rounded_up",
                "column_B": smaller,
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            },
        ),
    )


def one_of(column: str, values: tuple[str, ...]) -> Rule:
    """The column has a value from a fixed list."""
    listed = ", ".join(literal(value) for value in values)
    return Rule(
        name=f"{column}_is_known",
        reason=f"{column} is not one of {', '.join(values)}",
        broken_when=f"{column} not in ({listed})",
        expectation=("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)}),
    )


def any_known(*columns: str) -> Rule:
    """At least one of the columns has a value. The frame's column `known_values` counts them (see `expectations`)."""
    return Rule(
        name=f"{'_or_'.join(columns)}_is_known",
        reason=f"no value for {' or '.join(columns)}",
        broken_when=f"coalesce({', '.join(columns)}) is null",
        expectation=("ExpectColumnValuesToBeBetween", {"column": "known_values", "min_value": 1}),
    )


@dataclass(frozen=True)
class Table:
    """A stored table: its columns, its key (unique per version), and the rules of its rows.

    `known_columns` are the columns that `any_known` counts. `calendar` is set for a table of bars: the calendar of its
    sessions.
    """

    schema: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    known_columns: tuple[str, ...] = ()
    calendar: str | None = None

    @property
    def is_bars(self) -> bool:
        """Whether its rows are bars of sessions."""
        return self.calendar is not None

    @property
    def has_one_row_a_day(self) -> bool:
        """Whether an id has one row for every day of its calendar, so that a missing row can be noticed."""
        return len(self.key) == 2 and self.date_column == self.key[1]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns that a source fills in: all but the bookkeeping columns."""
        return tuple(c.name for c in self.columns if c.name not in BOOK_KEEPING)

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns that identify a row: the key, and the version if the table has one."""
        return (*self.key, *(c.name for c in self.columns if c.name == "version"))

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns whose change makes a new version."""
        return tuple(name for name in self.own_columns if name not in self.key)

    @property
    def date_column(self) -> str | None:
        """The date within the key, if the table has one."""
        return next((c.name for c in self.columns if c.type == "date" and c.name in self.key), None)

    def ddl(self) -> Iterable[str]:
        """The statements that create the table if it does not exist, and set its comments."""
        columns = ",\n    ".join(f"{c.name} {c.type}{'' if c.is_nullable else ' not null'}" for c in self.columns)
        yield f"create table if not exists {self.full_name} (\n    {columns}\n)"
        yield f"comment on table {self.full_name} is {literal(self.description)}"
        for column in self.columns:
            yield f"comment on column {self.full_name}.{column.name} is {literal(column.description)}"


def literal(text: str) -> str:
    """The text as a SQL literal, in quotes."""
    return "'" + text.replace("'", "''") + "'"


BOOK_KEEPING = ("source", "captured_at", "version")
BOOK_KEEPING_COLUMNS = (
    Column("source", "varchar", "Origin of the row: vendor and symbol, or file."),
    Column("captured_at", "timestamptz", "When Cascade first saw this version of the row, UTC."),
    Column("version", "integer", "1 for the first values of this key, one more for each change."),
)
