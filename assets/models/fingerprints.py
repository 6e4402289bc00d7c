"""Fingerprints: what each table was built from, so that a table that would not change is not rebuilt.

Here: computing, comparing and storing fingerprints. The inputs of a table are its query with all numbers in it, the
functions and the libraries that compute it, and the content of the tables that it reads. Its content is a hash of its
columns and rows. A table whose inputs are those of its last build is kept. If a rebuild leaves its content unchanged,
the tables that read it are kept: the clock moves with every run, but most tables that read it stay the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from assets.config.parameters import Parameter
from assets.contracts.queries import query
from assets.contracts.raw import RAW_TABLES
from assets.models.sql_files import Model
from assets.warehouse.results import Check

_ONLY_GROWING = {table.full_name for table in RAW_TABLES}
# What every run writes, also one that stores nothing new: a table that reads them is not out of date for that.
_WRITTEN_BY_RUNS = {"meta.runs", "reference.frozen_forecasts"}
_HERE = Path(__file__).parent
# The code that builds and checks tables, and the code of the statistics.
_BUILDER = tuple(_HERE / name for name in ("sql_files.py", "create.py", "checks.py"))
_FUNCTIONS = tuple(sorted((_HERE.parent / "statistics").glob("*.py")))


@dataclass(frozen=True)
class Build:
    """The last build of a table.

    Attributes:
        inputs: Fingerprint of what it was built from.
        content: Fingerprint of its columns and rows.
        rows: Its number of rows.
        run_id: The run that built it.
        verdicts: The verdicts of its checks.
    """

    inputs: str
    content: str
    rows: int
    run_id: str
    verdicts: tuple[Check, ...]


class Fingerprints:
    """The last builds of all models, and the current content of every table."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, models: Iterable[Model], parameters: Mapping[str, Parameter]
    ) -> None:
        """Read the recorded builds, and the content of the stored tables that the models read."""
        self._parameters = parameters
        verdicts: dict[str, list[Check]] = {}
        for check_name, table_name, *verdict in connection.execute(query("checks/model_verdicts")).fetchall():
            verdicts.setdefault(table_name, []).append(Check(check_name, table_name, *verdict))
        noted = connection.execute("select table_name, inputs, content, row_count, run_id from reference.builds")
        self._noted = {
            name: Build(inputs, found, rows, run_id, tuple(verdicts.get(name, ())))
            for name, inputs, found, rows, run_id in noted.fetchall()
        }
        self._content = {name: build.content for name, build in self._noted.items()}
        # A view is what its inputs are.
        self._views: dict[str, str] = {}
        built = {model.full_name for model in models}
        for name in sorted({name for model in models for name in model.upstream} - built - self._noted.keys()):
            self._content[name] = content(connection, name)[0]

    def inputs(self, model: Model) -> str:
        """The fingerprint of the model's inputs. The models that it reads must have been built."""
        parts = definition(model, self._parameters)
        written = []
        for name in model.upstream:
            if name in _WRITTEN_BY_RUNS:
                written.append(f"{name}={self._content[name]}")
            elif name in self._views:
                steady, _, of_runs = self._views[name].partition(":")
                parts.append(f"{name}={steady}")
                written.append(f"{name}={of_runs}")
            else:
                parts.append(f"{name}={self._content[name]}")
        return f"{digest(parts)}:{digest(written)}"

    def unchanged(self, model: Model, inputs: str) -> Build | None:
        """The last build of the model, if its inputs are the same and it has verdicts. Otherwise None."""
        build = self._noted.get(model.full_name)
        is_same = build is not None and build.inputs == inputs and build.verdicts and model.form == "table"
        return build if is_same else None

    def out_of_date(self, models: Iterable[Model]) -> list[str]:
        """The tables that were built from something else than what they read now, or not at all.

        `models` come in the order in which they read each other.
        """
        found = []
        for model in models:
            inputs = self.inputs(model)
            if model.form != "table":
                self._views[model.full_name] = inputs
            elif not self._is_built_from(model, inputs):
                found.append(model.full_name)
                # Nothing has this content, so what reads the table is out of date as well.
                self._content[model.full_name] = ""
        return found

    def _is_built_from(self, model: Model, inputs: str) -> bool:
        """Whether the table was built from these inputs, apart from what every run writes."""
        build = self._noted.get(model.full_name)
        return build is not None and build.inputs.partition(":")[0] == inputs.partition(":")[0]

    def content_of(self, model: Model) -> str:
        """The fingerprint of the rows of a table that was built or kept."""
        return self._content[model.full_name]

    def note(self, connection: duckdb.DuckDBPyConnection, model: Model, inputs: str, run_id: str) -> None:
        """Record the build of a model whose checks passed. The content of a view or macro is that of its inputs.

        Args:
            connection: A connection to the warehouse that holds the table.
            model: The model.
            inputs: The fingerprint of its inputs, from `inputs`.
            run_id: The run that built it.
        """
        if model.form != "table":
            self._views[model.full_name] = inputs
            return
        self._content[model.full_name], rows = content(connection, model.full_name)
        connection.execute(
            "insert into reference.builds values (?, ?, ?, ?, ?)",
            [model.full_name, inputs, self._content[model.full_name], rows, run_id],
        )


def forget_build(connection: duckdb.DuckDBPyConnection, table_name: str) -> None:
    """Delete the record of a table's last build, so that it is not kept."""
    connection.execute("delete from reference.builds where table_name = ?", [table_name])


def definition(model: Model, parameters: Mapping[str, Parameter]) -> list[str]:
    """Everything but data that decides what a model's table holds, and how it is checked."""
    # An unchanged table keeps its verdicts, so the code of the checks is an input as well.
    parts = [model.form, model.sql(parameters), duckdb.__version__, code(_BUILDER)]
    if model.statistic:
        parts += [code(_FUNCTIONS), np.__version__, pd.__version__]
        parts += (f"{name}={p.value}" for name, p in sorted(parameters.items()))
    return parts


def content(connection: duckdb.DuckDBPyConnection, table_name: str) -> tuple[str, int]:
    """The fingerprint of a table's columns and of its rows, in any order, and its number of rows."""
    # Rows of raw tables are added but never changed, so their number is enough.
    hashed = "0" if table_name in _ONLY_GROWING else "coalesce(sum(hash(rows)), 0)"
    total, rows = connection.execute(f"select {hashed}::varchar, count(*) from {table_name} as rows").fetchall()[0]
    # The hash of a row depends neither on names nor on types: 1, true and the decimal 0.01 have the same hash.
    table = connection.table(table_name)
    return f"{rows}:{total}:{digest([str(table.columns), str(table.types)])}", rows


@cache
def code(paths: tuple[Path, ...]) -> str:
    """The fingerprint of some files."""
    return digest([path.read_text(encoding="utf-8") for path in paths])


def digest(parts: Iterable[str]) -> str:
    """The fingerprint of several texts together."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
