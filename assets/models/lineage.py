"""Lineage: the columns that each column of a model is computed from, read from the SQL.

Here: parsing the SQL, the file that keeps the result, and leaving out intermediate tables. Parsing all models takes
more than a second, and the result depends on the SQL alone, so it is kept in a file next to this module (`make docs`
writes it, and a test compares it). If the SQL has changed since, it is parsed again.

A column is computed from the columns whose values enter it. A query also reads the columns that it filters, joins or
sorts by, but nothing is computed from them. The SQL does not show what a function of `statistics` computes, so all of
the function's tables are upstream, without columns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from assets.config.parameters import PARAMETER_NAME
from assets.contracts.stored import STORED_TABLES
from assets.models.sql_files import COMPUTED, Model, read_models
from assets.warehouse.run import log

if TYPE_CHECKING:
    import dagster as dg

LINEAGE_FILE = Path(__file__).with_name("lineage.json")


class LineageError(Exception):
    """The origin of a model's column cannot be found. The message names the file and the column."""


class Source(NamedTuple):
    """A column of a table. None for the column: the table is read, but it is unknown which column."""

    table: str
    column: str | None


@dataclass(frozen=True)
class Lineage:
    """The lineage of one table.

    Attributes:
        columns: For each of its columns, the columns that it is computed from.
        reads: All columns that the query reads for any reason.
        steps: By upstream table, the intermediate tables through which it is read, if any.
    """

    columns: Mapping[str, frozenset[Source]]
    reads: frozenset[Source]
    steps: Mapping[str, frozenset[str]] = field(default_factory=dict)


def published_lineage(models: Iterable[Model], schemas: Sequence[str]) -> dict[str, Lineage]:
    """The lineage of the models of some schemas, without the models of other schemas in between."""
    models = tuple(models)
    steps = {model.full_name for model in models if model.schema not in schemas}
    return seen_through(load_lineage(models), steps.__contains__)


def load_lineage(models: Iterable[Model], path: Path = LINEAGE_FILE) -> dict[str, Lineage]:
    """The lineage of every model, in terms of the tables that its own file reads.

    It is read from the committed file if that fits the current SQL, and otherwise parsed.
    """
    models = tuple(models)
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if {name: entry["sql"] for name, entry in kept.items()} != {model.full_name: _state(model) for model in models}:
        log.info("lineage: the SQL has changed, parsing it again")
        return parse_lineage(models)
    return {
        name: Lineage(
            {column: frozenset(map(_source, sources)) for column, sources in entry["columns"].items()},
            frozenset(map(_source, entry["reads"])),
        )
        for name, entry in kept.items()
    }


def parse_lineage(models: Iterable[Model]) -> dict[str, Lineage]:
    """Parse the lineage of every model. `models` must be in order, each after those that it reads.

    Raises LineageError for a column whose origin cannot be found.
    """
    known = {table.full_name: tuple(column.name for column in table.columns) for table in STORED_TABLES}
    found: dict[str, Lineage] = {}
    for model in models:
        found[model.full_name] = _Reader(model, known).lineage()
        known[model.full_name] = tuple(model.column_descriptions)
    return found


def seen_through(lineage: Mapping[str, Lineage], is_step: Callable[[str], bool]) -> dict[str, Lineage]:
    """The lineage without some tables, as if their queries were part of the queries that read them.

    Args:
        lineage: The lineage of all models.
        is_step: Whether a table, given by its full name, is left out.

    Returns:
        The lineage of all other models.
    """
    ended: dict[str, Lineage] = {}

    def end(name: str) -> Lineage:
        if name not in ended:
            own = lineage[name]
            columns = {column: ends(sources) for column, sources in own.columns.items()}
            reads = {source for source in own.reads if not is_step(source.table)}
            steps: dict[str, set[str]] = {}
            for step in {source.table for source in own.reads if is_step(source.table)}:
                # All that the step reads decides which rows it has, so all of it is read.
                reads |= end(step).reads
                for table in {read.table for read in end(step).reads}:
                    steps.setdefault(table, {step}).update({step}, end(step).steps.get(table, ()))
            ended[name] = Lineage(
                columns, frozenset(reads), {table: frozenset(between) for table, between in steps.items()}
            )
        return ended[name]

    def ends(sources: Iterable[Source]) -> frozenset[Source]:
        result: set[Source] = set()
        for source in sources:
            if not is_step(source.table):
                result.add(source)
            elif source.column is None:
                result |= {Source(origin.table, None) for origin in _all(end(source.table))}
            else:
                result |= end(source.table).columns[source.column]
        return frozenset(result)

    return {name: end(name) for name in lineage if not is_step(name)}


def _all(lineage: Lineage) -> frozenset[Source]:
    return frozenset().union(*lineage.columns.values())


def for_dagster(lineage: Lineage, key: Callable[[str], dg.AssetKey]) -> dg.TableColumnLineage:
    """The lineage of one table as Dagster's metadata `dagster/column_lineage`; `key` names the asset of a table."""
    import dagster as dg

    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(key(source.table), source.column)
                for source in sorted(sources, key=str)
                if source.column is not None
            ]
            for column, sources in lineage.columns.items()
        }
    )


def as_text(lineage: Mapping[str, Lineage], models: Iterable[Model]) -> str:
    """The text of the committed file: JSON with one line per column, so that a change of the SQL is a short diff."""
    return "{\n" + ",\n".join(_entry(model, lineage[model.full_name]) for model in _sorted(models)) + "\n}\n"


def _entry(model: Model, lineage: Lineage) -> str:
    columns = ",\n".join(f"  {json.dumps(column)}: {_listed(sources)}" for column, sources in lineage.columns.items())
    return (
        f'{json.dumps(model.full_name)}: {{"sql": "{_state(model)}", "columns": {{\n{columns}}},\n'
        f'  "reads": {_listed(lineage.reads)}}}'
    )


def _listed(sources: Iterable[Source]) -> str:
    return json.dumps(sorted(map(_written, sources)))


def _sorted(models: Iterable[Model]) -> list[Model]:
    return sorted(models, key=lambda model: model.full_name)


def _state(model: Model) -> str:
    return sha256(model.text.encode()).hexdigest()[:12]


def _written(source: Source) -> str:
    return f"{source.table}.{source.column or '*'}"


def _source(written: str) -> Source:
    table, _, column = written.rpartition(".")
    return Source(table, None if column == "*" else column)


_Columns = Mapping[str, frozenset[Source]]


class _Anything(dict[str, frozenset[Source]]):
    """The columns of a statistic's result: of each, only the statistic's tables are known."""

    def __init__(self, tables: Iterable[str]) -> None:
        self._sources = frozenset(Source(table, None) for table in tables)

    def __missing__(self, name: str) -> frozenset[Source]:
        return self._sources


class _Scope(NamedTuple):
    """What a name can mean in one SELECT.

    Attributes:
        tables: The tables that it selects from.
        named: The columns that precede the name in the select list.
        outer: The query around a subquery.
        compared: Tables of semi and anti joins, which add no columns.
        windows: The named windows.
    """

    tables: dict[str, _Columns]
    named: dict[str, frozenset[Source]]
    outer: _Scope | None
    compared: set[str]
    windows: dict[str, Any]


class _Reader:
    """Reads one model's query from the inside out: each SELECT's columns in terms of those that it selects from."""

    def __init__(self, model: Model, known: Mapping[str, tuple[str, ...]]) -> None:
        self._model = model
        self._known = known
        self._reads: set[Source] = set()

    def lineage(self) -> Lineage:
        import sqlglot

        # Any number can take the place of a parameter: lineage does not depend on its value.
        tree = sqlglot.parse_one(PARAMETER_NAME.sub("1", self._model.text), dialect="duckdb")
        columns = self._query(tree, {}, None)
        if self._model.statistic:
            self._reads |= {Source(table, None) for table in self._model.statistic.tables}
        return Lineage(columns, frozenset(self._reads))

    def _query(self, node: Any, ctes: Mapping[str, _Columns], outer: _Scope | None) -> _Columns:
        from sqlglot import exp

        ctes = dict(ctes)
        for cte in node.ctes:
            ctes[cte.alias] = self._query(cte.this, ctes, outer)
        if isinstance(node, exp.Subquery):
            return self._query(node.this, ctes, outer)
        if isinstance(node, exp.SetOperation):
            left, right = (self._query(side, ctes, outer) for side in (node.left, node.right))
            if not node.args.get("by_name"):
                right = dict(zip(left, right.values(), strict=True))
            return {name: left.get(name, frozenset()) | right.get(name, frozenset()) for name in {**left, **right}}
        return self._select(node, ctes, outer)

    def _select(self, node: Any, ctes: Mapping[str, _Columns], outer: _Scope | None) -> _Columns:
        from sqlglot import exp

        windows = {window.name: window for window in node.args.get("windows") or []}
        scope = _Scope({}, {}, outer, set(), windows)
        joins = node.args.get("joins") or []
        for item in [*([node.args["from_"].this] if node.args.get("from_") else []), *(join.this for join in joins)]:
            scope.tables[item.alias_or_name] = self._table(item, ctes, scope)
        scope.compared.update(join.this.alias_or_name for join in joins if join.kind in ("SEMI", "ANTI"))
        columns: dict[str, frozenset[Source]] = {}
        for position, expression in enumerate(node.expressions):
            if expression.is_star:
                columns.update(self._star(expression, ctes, scope))
            else:
                name = expression.alias_or_name or f"column_{position}"
                columns[name] = scope.named[name] = self._computed_from(expression.unalias(), ctes, scope)
        for name, clause in node.args.items():
            if name in ("expressions", "from_", "with_"):
                continue
            for part in clause if isinstance(clause, list) else [clause]:
                if isinstance(part, exp.Join):
                    part = part.args.get("on")
                if isinstance(part, exp.Expr):
                    self._computed_from(part, ctes, scope)
        return columns

    def _table(self, item: Any, ctes: Mapping[str, _Columns], scope: _Scope) -> _Columns:
        """The columns of one item of a FROM clause."""
        from sqlglot import exp

        if isinstance(item, exp.Subquery):
            return self._query(item.this, ctes, scope.outer)
        if item.alias_column_names:  # values or a table function: (...) as name(column, ...)
            computed_from = self._computed_from(item, ctes, scope)
            return dict.fromkeys(item.alias_column_names, computed_from)
        if isinstance(item, exp.Table) and item.db:
            name = f"{item.db}.{item.name}"
            return {column: frozenset({Source(name, column)}) for column in self._known[name]}
        if isinstance(item, exp.Table) and item.name in ctes:
            return ctes[item.name]
        if isinstance(item, exp.Table) and item.name == COMPUTED and self._model.statistic:
            return _Anything(self._model.statistic.tables)
        raise LineageError(f"{self._model.sql_path}: lineage cannot be read through {item.sql(dialect='duckdb')}")

    def _star(self, star: Any, ctes: Mapping[str, _Columns], scope: _Scope) -> _Columns:
        """The columns that * or table.* stands for."""
        from sqlglot import exp

        inner = star.this if isinstance(star, exp.Column) else star
        tables = [star.table] if isinstance(star, exp.Column) else [t for t in scope.tables if t not in scope.compared]
        left_out = {column.name for column in inner.args.get("except_") or []}
        replaced = {part.alias: part.this for part in inner.args.get("replace") or []}
        columns = {
            name: self._computed_from(replaced[name], ctes, scope) if name in replaced else sources
            for table in tables
            for name, sources in scope.tables[table].items()
            if name not in left_out
        }
        self._reads.update(*columns.values())
        return columns

    def _computed_from(self, node: Any, ctes: Mapping[str, _Columns], scope: _Scope) -> frozenset[Source]:
        """The columns that an expression is computed from."""
        from sqlglot import exp

        if isinstance(node, exp.Column):
            return self._column(node, scope)
        if isinstance(node, exp.Query):
            columns = self._query(node, ctes, scope)
            return frozenset().union(*columns.values())
        if isinstance(node, exp.Window):
            window = scope.windows.get(node.alias, node)
            for part in window.args.get("partition_by") or []:
                self._computed_from(part, ctes, scope)
            order = window.args.get("order")
            ordered_by = self._computed_from(order, ctes, scope) if order else frozenset()
            # row_number() and its like are computed from what the window is ordered by, all else from its arguments.
            return self._computed_from(node.this, ctes, scope) or ordered_by
        return frozenset().union(*(self._computed_from(part, ctes, scope) for part in node.iter_expressions()))

    def _column(self, column: Any, scope: _Scope) -> frozenset[Source]:
        """What a name means: a column of a table, an earlier one of the same select list, or a field of a struct."""
        around: _Scope | None = scope
        while column.table and around is not None:
            if column.table in around.tables:
                try:
                    sources = around.tables[column.table][column.name]
                except KeyError:
                    raise self._unknown(f"{column.table}.{column.name}") from None
                self._reads |= sources
                return sources
            around = around.outer
        # A name before the dot that is not a table is a struct.
        return self._named(column.table or column.name, scope)

    def _named(self, name: str, scope: _Scope) -> frozenset[Source]:
        around: _Scope | None = scope
        while around is not None:
            for columns in around.tables.values():
                if name in columns:
                    self._reads |= columns[name]
                    return columns[name]
            for columns in around.tables.values():
                if isinstance(columns, _Anything):
                    return columns[name]
            if name in around.named:
                return around.named[name]
            around = around.outer
        if self._model.form == "macro" and name == "as_of_at":
            return frozenset()
        raise self._unknown(name)

    def _unknown(self, name: str) -> LineageError:
        return LineageError(f"{self._model.sql_path}: the origin of {name} cannot be found")


if __name__ == "__main__":
    found = read_models()
    sys.stdout.write(as_text(parse_lineage(found), found))
