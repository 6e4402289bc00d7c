"""The SQL models: found by their location, parsed, and sorted by what they read.

    sql/<schema>/<table>.sql          one select; the header describes the table, comments describe the columns
    sql/<schema>/<group>/<table>.sql  the same, in a schema with many tables

Here: reading the files. Running them is in `create`.

- A header line is `-- key: value`, with the keys of `Model` (`form` only for views and macros).
- The comment after a column in the CTE named final describes it.
- `$name` is a number from parameters.yaml, in queries and in descriptions.
- `-- statistic: module.function(table, ...)` calls a function of the package `statistics` with those tables; the query
  reads the result under the name computed.
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

from assets.config.parameters import PARAMETER_NAME, Parameter
from assets.contracts.queries import SQL_FOLDER
from assets.contracts.stored import SCHEMAS
from assets.contracts.table import literal

# The folders of models. The others below sql/ (checks, publish, report) hold queries that make no table.
MODEL_SCHEMAS = ("core", "intermediate", "marts", "meta")

# The name under which a query reads the result of a statistic.
COMPUTED = "computed"
# The same for the tables that it gathers.
UNITED = "united"
_STATISTIC = re.compile(r"^(\w+)\.(\w+)\((\w+\.\w+(?:, \w+\.\w+)*)\)$")
_SLICES = re.compile(r"^(\w+) by (\w+\.\w+)\.(\w+)$")
# Ids in a slice: with thirty years of days these are two million rows, which are sorted in memory. More rows would be
# spilled to the disk, which takes twice the time (docs/performance.md).
SLICE_IDS = 250
_HEADER = re.compile(r"^-- (\w+): (.*)$")
_CONTINUED = re.compile(r"^--   (.*)$")
_DESCRIBED_COLUMN = re.compile(r"(\w+),?\s+-- (.+)$")
_COMMENT = re.compile(r"--.*")
_READ_TABLE = re.compile(rf"\b(?:from|join)\s+((?:{'|'.join(SCHEMAS)})\.\w+)")
_ORDER = re.compile(r"^order by (.+)$", re.MULTILINE)
_FINAL = re.compile(r"^(?:with )?final as \(\n(.*?)^    from", re.MULTILINE | re.DOTALL)


Form = Literal["table", "view", "macro"]
FORMS: tuple[Form, ...] = ("table", "view", "macro")


class ModelError(Exception):
    """A model file is wrong. The message names the file and the fault."""


@dataclass(frozen=True)
class Statistic:
    """A function of the package `statistics`, and the tables that it is called with."""

    module: str
    function: str
    tables: tuple[str, ...]

    def compute(self, connection: duckdb.DuckDBPyConnection, parameters: Mapping[str, Parameter]) -> pd.DataFrame:
        """Call the function with the tables' current content."""
        function = getattr(import_module(f"assets.statistics.{self.module}"), self.function)
        frame: pd.DataFrame = function(parameters, *(connection.table(name) for name in self.tables))
        # DuckDB would read the text columns of an empty frame as numbers.
        return frame if len(frame) else frame.astype(dict.fromkeys(frame.select_dtypes("object"), "string"))


@dataclass(frozen=True)
class Slices:
    """How to build a table in slices of `column`, whose rows depend only on rows of the same id.

    The slices are cut at the values of `table`.`cut_column`.
    """

    column: str
    table: str
    cut_column: str

    def conditions(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """The condition of each slice, in the order of the ids. Every id fulfils exactly one."""
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
        text: The content of the file; of a union, with the tables that it gathers filled in.
        description: What the table holds, in a sentence.
        grain: The columns that are unique together.
        known_at: The column with the instant at which a row could first be known. None: the whole table is as of the
            run's clock.
        form: table, view (a query that several models share) or macro (a query on the published file, called with
            `as_of_at`).
        column_descriptions: The comment of each column.
        statistic: The function whose result the query reads, if any.
        slices: How a large table is built in slices, if it is.
        union: The pattern of the names of the tables that it gathers, if it does.
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
        """The tables that it reads, as schema.table.

        A full parser would take half a second for all models in every process. Because of the style rules (import CTEs,
        names with their schema) a pattern is enough, and a test compares its result with a full parser's.
        """
        given = self.statistic.tables if self.statistic else ()
        return tuple(sorted({*_READ_TABLE.findall(_COMMENT.sub("", self.text)), *given}))

    @property
    def sorted_by(self) -> tuple[str, ...]:
        """The columns of the grain, in the order in which the query's last `order by` names them."""
        order = [column.strip() for found in _ORDER.findall(self.text)[-1:] for column in found.split(",")]
        return tuple(sorted(self.grain, key=lambda column: order.index(column) if column in order else len(order)))

    def sql(self, parameters: Mapping[str, Parameter]) -> str:
        """The query with the parameters' values filled in. Raises ModelError for an unknown parameter."""
        return self._with_numbers(self.text, parameters)

    def worded(self, parameters: Mapping[str, Parameter]) -> Model:
        """The model with the parameters' values filled into its descriptions. Raises ModelError like `sql`."""
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

        return PARAMETER_NAME.sub(number, text)


def read_model(path: Path) -> Model:
    """Read one file. Raises ModelError when the header or the CTE named final is missing or malformed."""
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
        raise ModelError(f"{path}: a model must be in one of the folders {', '.join(MODEL_SCHEMAS)}")
    sql_path = f"sql/{path.relative_to(schema.parent).as_posix()}"
    for key in ("description", "grain", "known_at"):
        if not header.get(key):
            raise ModelError(f"{sql_path}: the header has no line '-- {key}: ...'")
    form = next((form for form in FORMS if form == header.get("form", "table")), None)
    if form is None:
        raise ModelError(f"{sql_path}: the form must be one of {', '.join(FORMS)}")
    statistic = None
    if "statistic" in header:
        called = _STATISTIC.match(header["statistic"])
        if called is None:
            raise ModelError(f"{sql_path}: write the statistic as module.function(schema.table, ...)")
        statistic = Statistic(called[1], called[2], tuple(called[3].split(", ")))
    slices = None
    if "slices" in header:
        parted = _SLICES.match(header["slices"])
        if parted is None or form != "table":
            raise ModelError(f"{sql_path}: write the slices as column by schema.table.column, and only for a table")
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

    Raises ModelError when a file is wrong, two files define one table, or models read each other in a circle.
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
