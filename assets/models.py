"""The SQL models: found because of where they lie, read, put in order by what they read, and run.

    sql/<schema>/<table>.sql     one select; the header says what the table is, comments say what the columns are

Here: everything about the files as files. What a table means stands in its file and nowhere else. A header line is
`-- key: value` with the keys of `Model` (`form` where it is not a table); a column is described by the comment behind
it in the CTE named final; `$name` is a number from parameters.yaml. What SQL says badly, like a null distribution of
thousands of shifts, is a function of the package `statistics`: the header's line
`-- statistic: module.function(table, ...)` has it called with those tables, and the query reads its answer under the
name computed. With `-- slices: column by schema.table.column` a large table is built a few hundred ids at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import Literal

import duckdb
import pandas as pd

from assets.config.parameters import Parameter
from assets.contracts.stored import SCHEMAS
from assets.contracts.table import Column, literal
from assets.warehouse.connection import describes_all, transaction

SQL_FOLDER = Path(__file__).parent.parent / "sql"

# The name under which a query reads what a statistic worked out.
COMPUTED = "computed"
_STATISTIC = re.compile(r"^(\w+)\.(\w+)\((\w+\.\w+(?:, \w+\.\w+)*)\)$")
_SLICES = re.compile(r"^(\w+) by (\w+\.\w+)\.(\w+)$")
# Where every query ends, but for its order.
_LAST_SELECT = "select * from final"
# Ids that a slice has: of thirty years of days that is two million rows, which are sorted in memory. More would be put
# aside on the disk, at twice the time (docs/performance.md).
SLICE_IDS = 250
_HEADER = re.compile(r"^-- (\w+): (.*)$")
_CONTINUED = re.compile(r"^--   (.*)$")
PARAMETER = re.compile(r"\$([a-z][a-z0-9_]*)")
_DESCRIBED_COLUMN = re.compile(r"(\w+),?\s+-- (.+)$")
_COMMENT = re.compile(r"--.*")
_READ_TABLE = re.compile(rf"\b(?:from|join)\s+((?:{'|'.join(SCHEMAS)})\.\w+)")
_ORDER = re.compile(r"^order by (.+)$", re.MULTILINE)
_FINAL = re.compile(r"^(?:with )?final as \(\n(.*?)^    from", re.MULTILINE | re.DOTALL)


Form = Literal["table", "view", "macro"]
FORMS: tuple[Form, ...] = ("table", "view", "macro")


class ModelError(Exception):
    """A model file does not fit. The message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Statistic:
    """A function of the package `statistics` and the tables that it is given, which see."""

    module: str
    function: str
    tables: tuple[str, ...]

    def compute(self, connection: duckdb.DuckDBPyConnection, parameters: Mapping[str, Parameter]) -> pd.DataFrame:
        """Its answer for the tables as they are."""
        function = getattr(import_module(f"assets.statistics.{self.module}"), self.function)
        frame: pd.DataFrame = function(parameters, *(connection.table(name) for name in self.tables))
        # Texts of an empty frame would come out as numbers.
        return frame if len(frame) else frame.astype(dict.fromkeys(frame.select_dtypes("object"), "string"))


@dataclass(frozen=True)
class Slices:
    """A table of which no row needs rows of another id, and where to part the ids: at those of `table`.`cut_column`."""

    column: str
    table: str
    cut_column: str

    def conditions(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """What the ids of each slice satisfy, in their order; together that is every id."""
        ids = connection.execute(f"select {self.cut_column} from {self.table} order by 1").fetchall()
        firsts = [literal(id_) for (id_,) in ids[SLICE_IDS::SLICE_IDS]]
        since = ["true", *(f"{self.column} >= {first}" for first in firsts)]
        until = [*(f"{self.column} < {first}" for first in firsts), "true"]
        return [f"{start} and {end}" for start, end in zip(since, until, strict=True)]


@dataclass(frozen=True)
class Model:
    """One SQL file.

    `grain` are the columns that tell rows apart; `known_at` is the column with the instant at which a row could first
    be known, or None where the whole table is true as of the run's clock. `form` is table, view (a query under a name,
    for what several models need and nobody else) or macro (a question to the published file, asked with `as_of_at`).
    `statistic` is what Python works out for it first, `slices` are how a table that is large can be parted.
    """

    schema: str
    name: str
    text: str
    description: str
    grain: tuple[str, ...]
    known_at: str | None
    form: Form
    column_descriptions: Mapping[str, str]
    statistic: Statistic | None = None
    slices: Slices | None = None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql_path(self) -> str:
        """Path of the file within the project."""
        return f"sql/{self.schema}/{self.name}.sql"

    @cached_property
    def upstream(self) -> tuple[str, ...]:
        """The tables that it reads, as schema.table, read out of the SQL.

        A full parser takes half a second for all models, in every process that looks at them. The house rules (import
        CTEs, names with their schema) make this enough, and a test compares it with a full parser's answer.
        """
        given = self.statistic.tables if self.statistic else ()
        return tuple(sorted({*_READ_TABLE.findall(_COMMENT.sub("", self.text)), *given}))

    @property
    def sorted_by(self) -> tuple[str, ...]:
        """The columns of the grain, as far as the query ends with an order by them in that order."""
        order = [column.strip() for found in _ORDER.findall(self.text)[-1:] for column in found.split(",")]
        return tuple(sorted(self.grain, key=lambda column: order.index(column) if column in order else len(order)))

    def sql(self, parameters: Mapping[str, Parameter]) -> str:
        """The query, with the numbers in place of their names.

        Raises ModelError for a name that parameters.yaml does not have.
        """

        def number(match: re.Match[str]) -> str:
            if match[1] not in parameters:
                raise ModelError(f"{self.sql_path}: there is no parameter {match[1]} in parameters.yaml")
            return str(parameters[match[1]].value)

        return PARAMETER.sub(number, self.text)


def read_model(path: Path) -> Model:
    """Read one file. Raises ModelError when the header or the columns' comments are not all there."""
    text = path.read_text(encoding="utf-8")
    header: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if match := _HEADER.match(line):
            last = match[1]
            header[last] = match[2].strip()
        elif (match := _CONTINUED.match(line)) and last:
            header[last] += " " + match[1].strip()
        else:
            break
    name = f"{path.parent.name}/{path.name}"
    for key in ("description", "grain", "known_at"):
        if not header.get(key):
            raise ModelError(f"sql/{name}: the header has no line '-- {key}: ...'")
    form = next((form for form in FORMS if form == header.get("form", "table")), None)
    if form is None:
        raise ModelError(f"sql/{name}: the form is none of {', '.join(FORMS)}")
    statistic = None
    if "statistic" in header:
        called = _STATISTIC.match(header["statistic"])
        if called is None:
            raise ModelError(f"sql/{name}: the statistic is not written as module.function(schema.table, ...)")
        statistic = Statistic(called[1], called[2], tuple(called[3].split(", ")))
    slices = None
    if "slices" in header:
        parted = _SLICES.match(header["slices"])
        if parted is None or form != "table":
            raise ModelError(f"sql/{name}: the slices of a table are not written as column by schema.table.column")
        slices = Slices(*parted.groups())
    final = _FINAL.search(text)
    if final is None:
        raise ModelError(f"sql/{name}: there is no CTE named final")
    columns = {
        match[1]: match[2].strip() for line in final[1].splitlines() if (match := _DESCRIBED_COLUMN.search(line))
    }
    return Model(
        schema=path.parent.name,
        name=path.stem,
        text=text,
        description=header["description"],
        grain=tuple(part.strip() for part in header["grain"].split(",")),
        known_at=None
        if header["known_at"].startswith("the run's clock")
        else header["known_at"].split()[0].rstrip(","),
        form=form,
        column_descriptions=columns,
        statistic=statistic,
        slices=slices,
    )


def read_models(folder: Path = SQL_FOLDER) -> tuple[Model, ...]:
    """Every model, each after those that it reads.

    Raises ModelError when a file does not fit or two models read each other.
    """
    models = {model.full_name: model for model in map(read_model, sorted(folder.glob("*/*.sql")))}
    graph = {name: [up for up in model.upstream if up in models] for name, model in models.items()}
    try:
        return tuple(models[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ModelError(f"models read each other in a circle: {' -> '.join(error.args[1])}") from error


def run_model(
    connection: duckdb.DuckDBPyConnection, model: Model, parameters: Mapping[str, Parameter]
) -> tuple[int, list[Column]]:
    """Build the table anew, with its comments. Returns its number of rows (0 unless it is one) and its columns.

    Raises ModelError when the columns and the comments that describe them are not the same.
    """
    with transaction(connection):
        columns = create_model(connection, model, parameters)
        _comment(connection, model, columns)
    if model.form != "table":
        return 0, columns
    rows = connection.execute(f"select count(*) from {model.full_name}").fetchall()[0][0]
    return int(rows), columns


def create_model(
    connection: duckdb.DuckDBPyConnection, model: Model, parameters: Mapping[str, Parameter]
) -> list[Column]:
    """Put the table, view or macro in place of the old one. Returns its columns. Raises what `run_model` does."""
    name, query = model.full_name, model.sql(parameters)
    if model.form == "macro":
        connection.execute(f"create or replace macro {name}(as_of_at) as table {query}")
        return describe(connection, model)
    if model.statistic:
        connection.register(COMPUTED, model.statistic.compute(connection, parameters))
    parts = model.slices.conditions(connection) if model.slices else []
    if len(parts) > 1:
        _create_in_slices(connection, model, query, parts)
    else:
        connection.execute(f"create or replace {model.form} {name} as {query}")
    if model.statistic:
        connection.unregister(COMPUTED)
    return describe(connection, model)


def _create_in_slices(
    connection: duckdb.DuckDBPyConnection, model: Model, query: str, conditions: Iterable[str]
) -> None:
    """Put the table in place of the old one, slice by slice. Raises ModelError when rows are lost on the way."""
    # DuckDB 1.5.5 loses what is inserted within the transaction that created a table of a query that found nothing,
    # but not where it looked for nothing. That is not relied on: the rows are counted.
    connection.execute(f"create or replace table {model.full_name} as from ({query}) limit 0")
    inserted = 0
    for condition in conditions:
        part = query.replace(_LAST_SELECT, f"{_LAST_SELECT} where {condition}")
        inserted += connection.execute(f"insert into {model.full_name} {part}").fetchall()[0][0]
    found = connection.execute(f"select count(*) from {model.full_name}").fetchall()[0][0]
    if found != inserted:
        raise ModelError(f"{model.sql_path}: of {inserted} rows that were written, {found} are there")


def _comment(connection: duckdb.DuckDBPyConnection, model: Model, columns: Iterable[Column]) -> None:
    """Put the descriptions where every client of the database shows them. Columns of a macro cannot have any.

    Intermediate tables, half of all, are read by models only: their SQL says what they are.
    """
    name, form = model.full_name, "macro table" if model.form == "macro" else model.form
    if model.schema == "intermediate" or (model.form != "table" and not describes_all(connection)):
        return
    described = [] if model.form == "macro" else columns
    # Statements sent together wait once, not each, for whatever else Python is doing.
    connection.execute(
        f"comment on {form} {name} is {literal(model.description)};"
        + "".join(f"comment on column {name}.{c.name} is {literal(c.description)};" for c in described)
    )


def describe(connection: duckdb.DuckDBPyConnection, model: Model) -> list[Column]:
    """The columns of the built table with their descriptions. Raises ModelError as `run_model` does."""
    rows = f"{model.full_name}('2000-01-01')" if model.form == "macro" else model.full_name
    types = {row[0]: row[1].lower() for row in connection.execute(f"describe from {rows}").fetchall()}
    undescribed = [name for name in types if name not in model.column_descriptions]
    if undescribed:
        raise ModelError(f"{model.sql_path}: no comment describes {', '.join(undescribed)}")
    return [Column(name, type_, model.column_descriptions[name]) for name, type_ in types.items()]


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
