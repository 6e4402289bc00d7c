"""The past does not depend on the future: a state as of T is the full run with everything known after T taken away.

Here: the synthetic market, stored once; all models as of its end; the same models on the same raw tables with the clock
at a past day; and a comparison of every table, row by row and column by column. All tables, those that are true as of
the clock among them, are also compared with what comes out when the raw rows after T are not there at all. Models that
look ahead are built on purpose, to see that the comparison finds them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from bench import all_models, usual_parameters

from assets import validation
from assets.calendars import end_of_day
from assets.contracts import META_TABLES, RAW_TABLES, REFERENCE_TABLES
from assets.ingest import ingest
from assets.models import Model, run_model
from assets.reference import write_clock, write_releases, write_sessions, write_universe
from assets.run import Run
from assets.sources.base import ASSET_CLASSES
from assets.sources.demo import ANSWERS, LAST_DAY, DemoSource, synthetic_universe
from assets.universe import load_universe
from assets.warehouse import SCHEMAS, Home, prepare

# Two sessions after a confirmation, before the failure; four sessions after a breakout, before anything became of it.
# The last one serves the tests that need one past state.
FAST_DAYS = (date(2024, 5, 24), date(2020, 11, 20))
ONE_DAY = FAST_DAYS[-1]
# Every month's end of three years: a crash, a boom and what comes between, with breakouts that held and that failed.
SLOW_DAYS = tuple(day.date() for day in pd.date_range("2018-01-31", "2020-12-31", freq="ME"))
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
    `facts`: per instant the columns that are null until then, beside the instant itself.
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
LATER = {
    # A session that opens at the very instant of the clock has not begun.
    "core.sessions": Later(is_known="opens_at < $at"),
    "marts.breakouts": Later(
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
    ),
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


# --- models that look ahead -----------------------------------------------------------------------------------------


def _model(full_name: str) -> Model:
    return next(model for model in all_models() if model.full_name == full_name)


@dataclass(frozen=True)
class Fault:
    """A model of the project with one thing in it that looks ahead, as a table of another name."""

    name: str
    original: str
    good: str
    bad: str

    @property
    def model(self) -> Model:
        model = _model(self.original)
        assert self.good in model.text, f"{self.original} does not say '{self.good}' any more: make this fault anew"
        return dataclasses.replace(model, name=self.name, text=model.text.replace(self.good, self.bad))


FAULTS = (
    Fault(
        "window_that_is_centred",
        "marts.relative_strength",
        "rows between $mansfield_mean - 1 preceding and current row",
        "rows between $mansfield_mean - 1 preceding and 1 following",
    ),
    Fault(
        "mean_over_all_of_history",
        "marts.relative_strength",
        "rows between $relative_zscore - 1 preceding and current row",
        "rows between unbounded preceding and unbounded following",
    ),
    Fault(
        "outcome_before_its_time",
        "marts.breakouts",
        "having max(sessions_after) = $outcome_window",
        "having max(sessions_after) > 0",
    ),
    Fault(
        "state_dated_back",
        "marts.breakout_states",
        "aftermath.known_at as decided_at",
        "aftermath.known_at - interval 30 days as decided_at",
    ),
    Fault(
        "return_known_at_its_entry",
        "marts.rotation_responses",
        "        outcomes.known_at, -- End",
        "        outcomes.entry_at as known_at, -- End",
    ),
    Fault(
        "forecast_from_open_windows",
        "intermediate.forecast_bases",
        "responses.known_at <= asked.trigger_at",
        "responses.entry_date <= asked.trigger_at",
    ),
)


# --- the market -----------------------------------------------------------------------------------------------------


class Market:
    """The synthetic market in three catalogs: `full_run` as of its end, `memory` as of a past day, and `truncated`,
    which never had the raw rows after such a day."""

    def __init__(self, sessions: pd.DataFrame) -> None:
        validation.warm_up()
        self.connection = duckdb.connect(config={"autoinstall_known_extensions": False})
        self.connection.execute("set timezone = 'UTC'")
        prepare(self.connection)
        universe = load_universe()
        exchange = sessions.loc[sessions["calendar"] == "XNYS", "session_date"]
        self._run = Run(
            id="test",
            connection=self.connection,
            home=Home(Path()),
            source=DemoSource(universe, pd.DatetimeIndex(exchange)),
            universe=synthetic_universe(universe),
            parameters=usual_parameters(),
            as_of=None,
            started_at=datetime(2026, 6, 30, tzinfo=UTC),
            code_version="test",
        )
        write_universe(self._run)
        write_sessions(self._run)
        for asset_class in ASSET_CLASSES:
            ingest(self._run, asset_class)
        self._columns: dict[str, dict[str, str]] = {}
        self._day: date | None = None
        self.build(LAST_DAY)
        self.rebuild(fault.model for fault in FAULTS)
        self.keep("full_run")

    def build(self, day: date) -> None:
        """Build everything in `memory` as of a day."""
        run = dataclasses.replace(self._run, as_of=day)
        write_clock(run)
        write_releases(run)
        self.rebuild(all_models())
        self._day = day

    def as_of(self, day: date) -> None:
        """Build everything in `memory` as of a day, unless that is how it is."""
        if self._day != day:
            self.build(day)

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

    def _run_model(self, model: Model) -> None:
        _, columns = run_model(self.connection, model, self._run.parameters)
        if model.form == "table":
            self._columns[model.full_name] = {column.name: column.type for column in columns}

    def _attach(self, catalog: str) -> None:
        self.connection.execute(f"attach or replace ':memory:' as {catalog}")
        for schema in SCHEMAS:
            self.connection.execute(f"create schema {catalog}.{schema}")


@pytest.fixture(scope="module")
def market(calendar_sessions: pd.DataFrame) -> Iterator[Market]:
    made = Market(calendar_sessions)
    yield made
    made.connection.close()


COMPARED_MODELS = [model for model in all_models() if model.schema in COMPARED_SCHEMAS and model.form == "table"]
DATED_MODELS = [model for model in COMPARED_MODELS if model.known_at]
CLOCKED_MODELS = [model for model in COMPARED_MODELS if not model.known_at]


def _differs_from_the_full_run(market: Market, day: date) -> list[str]:
    market.as_of(day)
    return [found for model in DATED_MODELS for found in market.differences(model, market.as_it_was(model))]


# --- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", FAST_DAYS, ids=str)
def test_a_past_state_is_the_full_run_without_what_came_later(market: Market, day: date) -> None:
    assert _differs_from_the_full_run(market, day) == []


@pytest.mark.slow
@pytest.mark.parametrize("day", SLOW_DAYS, ids=str)
def test_a_month_s_end_is_the_full_run_without_what_came_later(market: Market, day: date) -> None:
    assert _differs_from_the_full_run(market, day) == []


def test_the_days_are_worth_looking_at(market: Market) -> None:
    """Between the breakout of November 2020 and what became of it: a comparison of empty tables would prove nothing."""
    planted = next(breakout for breakout in ANSWERS.breakouts if breakout.session_date == date(2020, 11, 16))
    assert planted.session_date < ONE_DAY
    assert planted.retested and planted.retested > ONE_DAY
    assert planted.confirmed and planted.confirmed > ONE_DAY
    market.as_of(ONE_DAY)
    event_id = "RUT:all_time_high:2020-11-16"
    of_that_day, of_the_end = (
        market.connection.execute(
            f"select status, confirmed_at is null, outcome_63_at is null from {catalog}.marts.breakouts "
            "where event_id = ?",
            [event_id],
        ).fetchall()
        for catalog in ("memory", "full_run")
    )
    assert (of_that_day, of_the_end) == ([("open", True, True)], [("holding", False, False)])
    open_, complete = (
        market.connection.execute(
            f"select count(*) from {catalog}.marts.rotation_responses where event_id = ? and is_complete = ?",
            [event_id, catalog == "full_run"],
        ).fetchall()[0][0]
        for catalog in ("memory", "full_run")
    )
    assert open_ > 0
    assert complete > open_


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_model_that_looks_ahead_is_found(market: Market, fault: Fault) -> None:
    market.as_of(ONE_DAY)
    model = fault.model
    market.rebuild([model])
    assert market.differences(model, market.as_it_was(model, fault.original))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("select * from full_run.core.actions", "should not be there", id="a row too many"),
        pytest.param("select * from memory.core.actions where value < 1", "is missing", id="a row too few"),
        pytest.param(
            "select * replace (value * (1 + 1e-11) as value) from memory.core.actions", "value", id="a number"
        ),
        pytest.param(
            "select * replace (if(ex_date < '2015-01-01', null, value) as value) from memory.core.actions",
            "null instead of",
            id="a null",
        ),
        pytest.param(
            "select * replace (known_at + interval 1 second as known_at) from memory.core.actions",
            "known_at",
            id="an instant",
        ),
        pytest.param("select * replace ('x' as source) from memory.core.actions", "source x", id="a text"),
    ],
)
def test_the_comparison_finds(market: Market, query: str, found: str) -> None:
    market.as_of(ONE_DAY)
    model = _model("core.actions")
    assert found in market.differences(model, "from memory.core.actions", query)[0]


def test_the_comparison_forgives_the_order_of_a_sum(market: Market) -> None:
    market.as_of(ONE_DAY)
    query = "select * replace (value * (1 + 1e-14) as value) from memory.core.actions"
    assert market.differences(_model("core.actions"), "from memory.core.actions", query) == []


def test_what_is_true_as_of_the_clock_comes_out_the_same_again(market: Market) -> None:
    market.as_of(ONE_DAY)
    market.keep("before")
    market.rebuild(CLOCKED_MODELS)
    for model in CLOCKED_MODELS:
        one, other = f"before.{model.full_name}", f"memory.{model.full_name}"
        assert market.connection.execute(f"from {one} except all from {other}").fetchall() == []
        assert market.connection.execute(f"from {other} except all from {one}").fetchall() == []


def test_raw_rows_after_the_day_change_nothing(market: Market) -> None:
    """This holds for the tables without known_at too: groups, pairs, summaries, freshness."""
    market.as_of(ONE_DAY)
    market.truncate()
    assert [
        found for model in COMPARED_MODELS for found in market.differences(model, f"from truncated.{model.full_name}")
    ] == []
