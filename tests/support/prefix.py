"""What a past day must have looked like, and where a state as of that day is something else.

Here: a market in three catalogs, the full run's tables as they must have been at an instant, and their comparison with
what is built as of it, row by row and column by column. Whose market it is, and which days are looked at, is the
business of the tests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb
from bench import all_models, with_upstream

from assets.config.calendars import end_of_day
from assets.contracts.meta import META_TABLES
from assets.contracts.raw import RAW_TABLES
from assets.contracts.reference import REFERENCE_TABLES
from assets.contracts.stored import SCHEMAS
from assets.ingest.reference import write_clock, write_releases
from assets.models.create import create_model
from assets.models.sql_files import Model
from assets.warehouse.run import Run

# The stored tables beside raw and reference that models read.
READ_OF_META = tuple(table for table in META_TABLES if table.name in ("vanished", "runs"))
COMPARED_SCHEMAS = ("core", "marts", "meta")

# Relative, for numbers under one absolute: a longer table may add up a window's sum in another order, and what a
# subtraction leaves is as rough as what it was taken from.
TOLERANCE = 1e-12
# Rougher: the direction of a short step between two distances, each measured in small deviations.
TOLERANCE_OF = {"heading_deg": 1e-9}


# --- what the full run says of a past day ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Later:
    """What of a table's rows becomes known later than the row itself. $at stands for the instant.

    `is_known`: when a row of the full run is there; if not given, from its known_at on.
    `facts`: per instant the columns that are null until then, in addition to the instant itself.
    `recomputed`: what a column of the row was.
    """

    is_known: str | None = None
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recomputed: Mapping[str, str] = field(default_factory=dict)


# The closes of a pullback up to the instant.
_FALL = """
    from full_run.intermediate.price_paths as paths
    where paths.subject_id = stored.instrument_id and paths.session_date >= stored.peak_date and paths.known_at <= $at
        and paths.known_at < coalesce(stored.recovered_at, 'infinity')
"""
# Each part of a breakout's outcome is known at its own instant.
_OUTCOMES = Later(
    facts={"outcome_20_at": ("closes_below_20",), "outcome_63_at": ("max_drawdown_63",)},
    recomputed={
        "status": """coalesce((
            select arg_max(state, (
                sessions_after,
                case state when 'failed' then 3 when 'holding' then 2 when 'confirmed' then 1 else 0 end
            ))
            from full_run.marts.breakout_states as states
            where states.event_id = stored.event_id and states.decided_at <= $at
        ), 'open')"""
    },
)
LATER = {
    # A session that opens at the very instant of the clock has not begun.
    "core.sessions": Later(is_known="opens_at < $at"),
    "intermediate.breakout_outcomes": _OUTCOMES,
    "marts.breakouts": _OUTCOMES,
    "marts.pullbacks": Later(
        facts={"recovered_at": ("sessions_to_recover",)},
        recomputed={
            "depth_so_far": f"(select min(price) / stored.peak - 1 {_FALL})",
            "trough_date": f"(select arg_min(session_date, (price, session_date)) {_FALL})",
            "status": """case
                when absorbed_at <= $at then 'absorbed'
                when recovered_at <= $at then 'recovered'
                when deep_at <= $at then 'deep'
                else 'open'
            end""",
        },
    ),
    "marts.rotation_responses": Later(
        is_known="entry_at <= $at",
        facts={"known_at": ("exit_date", "forward_return", "max_run_up", "max_drawdown")},
        recomputed={"is_complete": "coalesce(known_at <= $at, false)"},
    ),
    # Nothing is frozen here, so that every run freezes what it says as of its own clock.
    "marts.forecasts": Later(
        facts={"entry_at": ("entry_date",), "realised_at": ("realised", "percentile", "inside")},
        recomputed={"frozen_at": "$at", "is_backtest": "trigger_at + interval 5 days < $at"},
    ),
}
# Instants that are no later facts: when a version was captured, and when a planned session closes.
NO_FACTS = ("captured_at", "closes_at")


def as_it_was(model: Model, later: Later, columns: Mapping[str, str], at: datetime) -> str:
    """The query of a table of the full run as it must have been at an instant.

    Every column whose name ends in _at is the instant of a fact, and null until then.
    """
    instants = [name for name in columns if name.endswith("_at") and name not in NO_FACTS]
    instant_of = {name: name for name in instants}
    instant_of |= {column: instant for instant, facts in later.facts.items() for column in facts}

    def selected(name: str) -> str:
        if name in later.recomputed:
            return f"{later.recomputed[name]} as {name}"
        if (name in instant_of and name != model.known_at) or name in later.facts:
            return f"if({instant_of[name]} <= $at, {name}, null) as {name}"
        return name

    query = (
        f"select {', '.join(map(selected, columns))} from full_run.{model.full_name} as stored "
        f"where {later.is_known or f'{model.known_at} <= $at'}"
    )
    return query.replace("$at", f"'{at:%Y-%m-%d %H:%M:%S}+00'::timestamptz")


def differences(
    connection: duckdb.DuckDBPyConnection, model: Model, columns: Mapping[str, str], expected: str, actual: str
) -> list[str]:
    """Where two queries of one table differ: rows that only one has, and columns that are not the same."""

    def differs(name: str) -> str:
        one, other = f"expected.{name}", f"actual.{name}"
        if columns[name] != "double":
            return f"{one} is distinct from {other}"
        tolerance = TOLERANCE_OF.get(name, TOLERANCE)
        apart = f"abs({one} - {other}) > {tolerance} * greatest(abs({one}), abs({other}), 1)"
        return f"coalesce({apart}, ({one} is null) != ({other} is null))"

    compared = [name for name in columns if name not in model.grain]
    named = ", ".join(
        f"if({differs(name)}, concat('{name} ', coalesce(actual.{name}::varchar, 'null'), ' instead of ', "
        f"coalesce(expected.{name}::varchar, 'null')), null)"
        for name in compared
    )
    found = connection.execute(
        f"""
        select
            concat_ws('/', {", ".join(f"coalesce(expected.{name}, actual.{name})" for name in model.grain)}),
            case
                when actual.is_there is null then 'is missing'
                when expected.is_there is null then 'should not be there'
                else concat_ws(', ', {named or "null"})
            end
        from (select *, true as is_there from ({expected})) as expected
        full outer join (select *, true as is_there from ({actual})) as actual
            on {" and ".join(f"expected.{name} = actual.{name}" for name in model.grain)}
        where actual.is_there is null
            or expected.is_there is null
            or {" or ".join(map(differs, compared)) or "false"}
        order by all
        """
    ).fetchall()
    return [f"{model.full_name} {row}: {what}" for row, what in found]


# --- the market -----------------------------------------------------------------------------------------------------


class Market:
    """A market in three catalogs.

    `full_run` is as of its end, `memory` as of a past day, and `truncated` never had the raw rows after such a day.
    """

    def __init__(self, run: Run, last_day: date, more: Iterable[Model] = ()) -> None:
        """`run` has a warehouse in memory with raw and reference tables; `more` are models to add to the project's."""
        self.connection = run.connection
        self._run = run
        self._columns: dict[str, dict[str, str]] = {}
        self._day: date | None = None
        self._built: Sequence[Model] = ()
        self.build(last_day)
        self.rebuild(more)
        self.keep("full_run")

    def build(self, day: date, models: Sequence[Model] = all_models()) -> None:
        """Build models in `memory` as of a day."""
        run = dataclasses.replace(self._run, as_of=day)
        write_clock(run)
        write_releases(run)
        self.rebuild(models)
        self._day, self._built = day, models

    def as_of(self, day: date, models: Sequence[Model] = all_models()) -> None:
        """Build models, else everything, in `memory` as of a day, unless that is how it is."""
        if self._day != day:
            self.build(day, models)
            return
        missing = [model for model in models if model not in self._built]
        self.rebuild(missing)
        self._built = [*self._built, *missing]

    def rebuild(self, models: Iterable[Model]) -> None:
        """Build some models once more."""
        for model in models:
            self._run_model(model)

    def keep(self, catalog: str) -> None:
        """Copy the tables that were built into another catalog."""
        self._attach(catalog)
        for name in self._columns:
            self.connection.execute(f"create table {catalog}.{name} as from memory.{name}")

    def truncate(self) -> None:
        """Build all models in `truncated`, with the same clock on raw tables that end with its day."""
        self._attach("truncated")
        for table in (*REFERENCE_TABLES, *READ_OF_META):
            self.connection.execute(f"create table truncated.{table.full_name} as from memory.{table.full_name}")
        for table in RAW_TABLES:
            self.connection.execute(
                f"create table truncated.{table.full_name} as from memory.{table.full_name} "
                f"where {table.date_column} <= ?",
                [self._day],
            )
        self.connection.execute("use truncated")
        try:
            for model in all_models():
                self._run_model(model)
        finally:
            self.connection.execute("use memory")

    def differences(self, model: Model, expected: str, actual: str | None = None) -> list[str]:
        """Where the table in `memory` (or another query) is not what was expected."""
        columns = self._columns[model.full_name]
        return differences(self.connection, model, columns, expected, actual or f"from memory.{model.full_name}")

    def as_it_was(self, model: Model, original: str | None = None) -> str:
        """What the full run says of the day as of which `memory` is."""
        assert self._day
        later = LATER.get(original or model.full_name, Later())
        return as_it_was(model, later, self._columns[model.full_name], end_of_day(self._day))

    def differs_from_the_full_run(self, day: date) -> list[str]:
        """Where a table as of the day is not what the full run says of the day."""
        self.as_of(day, DATED_STEPS)
        return [found for model in DATED_MODELS for found in self.differences(model, self.as_it_was(model))]

    def _run_model(self, model: Model) -> None:
        columns = create_model(self.connection, model, self._run.parameters)
        if model.form == "table":
            self._columns[model.full_name] = {column.name: column.type for column in columns}

    def _attach(self, catalog: str) -> None:
        self.connection.execute(f"attach or replace ':memory:' as {catalog}")
        for schema in SCHEMAS:
            self.connection.execute(f"create schema {catalog}.{schema}")


COMPARED_MODELS = [model for model in all_models() if model.schema in COMPARED_SCHEMAS and model.form == "table"]
DATED_MODELS = [model for model in COMPARED_MODELS if model.known_at]
DATED_STEPS = with_upstream(*(model.full_name for model in DATED_MODELS))
CLOCKED_MODELS = [model for model in COMPARED_MODELS if not model.known_at]
