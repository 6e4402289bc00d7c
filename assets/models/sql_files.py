"""The SQL models: found because of where they lie, read, put in order by what they read, and run.

    sql/<schema>/<table>.sql          one select; the header says what the table is, comments say what the columns are
    sql/<schema>/<group>/<table>.sql  the same, where a schema has many tables

Here: reading the files. What a table means is written in its own file.

- A header line is `-- key: value`, with the keys of `Model` (`form` where it is not a table).
- A column is described by the comment behind it in the CTE named final.
- `$name` is a number from parameters.yaml, in queries and in descriptions.
- `-- statistic: module.function(table, ...)` calls a function of the package `statistics` with those tables; the query
  reads its answer under the name computed.
- `-- slices: column by schema.table.column` builds a large table a few hundred ids at a time.
- `-- union: schema.pattern` gathers the tables whose names match, column by column; the query reads them as united.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import Literal

import duckdb
import pandas as pd

from assets.config.parameters import Parameter
from assets.contracts.queries import SQL_FOLDER
from assets.contracts.stored import SCHEMAS
from assets.contracts.table import literal

# The folders of models. The others below sql/ (checks, publish, report) hold queries that make no table.
MODEL_SCHEMAS = ("core", "intermediate", "marts", "meta")

# The name under which a query reads what a statistic worked out.
COMPUTED = "computed"
# The same for the tables that it gathers.
UNITED = "united"
_STATISTIC = re.compile(r"^(\w+)\.(\w+)\((\w+\.\w+(?:, \w+\.\w+)*)\)$")
_SLICES = re.compile(r"^(\w+) by (\w+\.\w+)\.(\w+)$")
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

    Attributes:
        schema: The folder below sql/ that the file lies in; also the schema of the table.
        name: The name of the file, and of the table.
        sql_path: The path of the file within the project.
        text: The file, word for word; of a union with the tables that it gathers.
        description: What the table holds, in a sentence.
        grain: The columns that are unique together.
        known_at: The column with the instant at which a row could first be known; None where the whole table is true as
            of the run's clock.
        form: table, view (a query that several models share) or macro (a query on the published file, called with
            `as_of_at`).
        column_descriptions: The comment of each column.
        statistic: What Python computes for it first.
        slices: How a large table is built in parts.
        union: The names of the tables that it gathers, as a pattern.
    """

    schema: str
    name: str
    sql_path: str
    text: str
    description: str
    grain: tuple[str, ...]
    known_at: str | None
    form: Form
    column_descriptions: Mapping[str, str]
    statistic: Statistic | None = None
    slices: Slices | None = None
    union: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

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
        return self._with_numbers(self.text, parameters)

    def worded(self, parameters: Mapping[str, Parameter]) -> Model:
        """The model with the numbers in its descriptions, too. Raises ModelError like `sql`."""
        return replace(
            self,
            description=self._with_numbers(self.description, parameters),
            column_descriptions={
                name: self._with_numbers(text, parameters) for name, text in self.column_descriptions.items()
            },
        )

    def _with_numbers(self, text: str, parameters: Mapping[str, Parameter]) -> str:
        def number(match: re.Match[str]) -> str:
            if match[1] not in parameters:
                raise ModelError(f"{self.sql_path}: there is no parameter {match[1]} in parameters.yaml")
            return str(parameters[match[1]].value)

        return PARAMETER.sub(number, text)


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
    schema = next((folder for folder in path.parents if folder.name in MODEL_SCHEMAS), None)
    if schema is None:
        raise ModelError(f"{path}: a model lies in one of the folders {', '.join(MODEL_SCHEMAS)}")
    sql_path = f"sql/{path.relative_to(schema.parent).as_posix()}"
    for key in ("description", "grain", "known_at"):
        if not header.get(key):
            raise ModelError(f"{sql_path}: the header has no line '-- {key}: ...'")
    form = next((form for form in FORMS if form == header.get("form", "table")), None)
    if form is None:
        raise ModelError(f"{sql_path}: the form is none of {', '.join(FORMS)}")
    statistic = None
    if "statistic" in header:
        called = _STATISTIC.match(header["statistic"])
        if called is None:
            raise ModelError(f"{sql_path}: the statistic is not written as module.function(schema.table, ...)")
        statistic = Statistic(called[1], called[2], tuple(called[3].split(", ")))
    slices = None
    if "slices" in header:
        parted = _SLICES.match(header["slices"])
        if parted is None or form != "table":
            raise ModelError(f"{sql_path}: the slices of a table are not written as column by schema.table.column")
        slices = Slices(*parted.groups())
    final = _FINAL.search(text)
    if final is None:
        raise ModelError(f"{sql_path}: there is no CTE named final")
    columns = {
        match[1]: match[2].strip() for line in final[1].splitlines() if (match := _DESCRIBED_COLUMN.search(line))
    }
    return Model(
        schema=schema.name,
        name=path.stem,
        sql_path=sql_path,
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
        union=header.get("union"),
    )


def _unite(model: Model, names: Iterable[str]) -> Model:
    """A union with the tables that match its pattern. Columns that one of them does not have are null in its rows."""
    if model.union is None:
        return model
    tables = [f"select * from {name}" for name in sorted(names) if fnmatchcase(name, model.union)]
    if not tables:
        raise ModelError(f"{model.sql_path}: no model matches {model.union}")
    return replace(model, text=model.text.replace(f"from {UNITED}", f"from ({' union all by name '.join(tables)})"))


def read_models(folder: Path = SQL_FOLDER) -> tuple[Model, ...]:
    """Every model, each after those that it reads.

    Raises ModelError when a file does not fit, two files define one table, or two models read each other.
    """
    paths = sorted(path for schema in MODEL_SCHEMAS for path in (folder / schema).rglob("*.sql"))
    models: dict[str, Model] = {}
    for model in map(read_model, paths):
        if (other := models.setdefault(model.full_name, model)) is not model:
            raise ModelError(f"{other.sql_path} and {model.sql_path} both define {model.full_name}")
    models = {name: _unite(model, models) for name, model in models.items()}
    graph = {name: [up for up in model.upstream if up in models] for name, model in models.items()}
    try:
        return tuple(models[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ModelError(f"models read each other in a circle: {' -> '.join(error.args[1])}") from error
