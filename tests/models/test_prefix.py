"""The past does not depend on the future: a state as of T is the full run with everything known after T taken away.

Here: the synthetic market, stored once; all models as of its end; the same models on the same raw tables with the clock
at a past day; and a comparison of every table. All tables, including those that are true as of the clock, are also
compared with a build without the raw rows after T. Models that look ahead are built on purpose, to see that the
comparison finds them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from bench import all_models, usual_parameters
from prefix import CLOCKED_MODELS, COMPARED_MODELS, Market

from assets.config.universe import load_universe
from assets.contracts import expectations
from assets.ingest.reference import write_sessions, write_universe
from assets.ingest.store import ingest
from assets.models import sql_files
from assets.models.sql_files import Model
from assets.sources.base import ASSET_CLASSES
from assets.sources.demo import ANSWERS, LAST_DAY, DemoSource, synthetic_universe
from assets.warehouse.connection import prepare
from assets.warehouse.home import Home
from assets.warehouse.run import Run

# Four sessions after a breakout, before anything became of it. The tests that need one past state look at this one.
ONE_DAY = date(2020, 11, 20)
# Every month's end of three years: a crash, a boom and the time between, with breakouts that held and that failed.
# The other day is two sessions after a confirmation, before the failure.
SLOW_DAYS = (date(2024, 5, 24), *(day.date() for day in pd.date_range("2018-01-31", "2020-12-31", freq="ME")))

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
        "intermediate.breakout_outcomes",
        "having max(sessions_after) = $outcome_window",
        "having max(sessions_after) > 0",
    ),
    Fault(
        "state_dated_back",
        "marts.breakout_states",
        "followup.known_at as decided_at",
        "followup.known_at - interval 30 days as decided_at",
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
        "responses.known_at <= questions.trigger_at",
        "responses.known_at - to_days(questions.horizon_days) <= questions.trigger_at",
    ),
)


# --- the market -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market(calendar_sessions: pd.DataFrame) -> Iterator[Market]:
    expectations.warm_up()
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("set timezone = 'UTC'")
        prepare(connection)
        universe = load_universe()
        exchange = calendar_sessions.loc[calendar_sessions["calendar"] == "XNYS", "session_date"]
        run = Run(
            id="test",
            connection=connection,
            home=Home(Path()),
            source=DemoSource(universe, pd.DatetimeIndex(exchange)),
            universe=synthetic_universe(universe),
            parameters=usual_parameters(),
            as_of=None,
            started_at=datetime(2026, 6, 30, tzinfo=UTC),
            code_version="test",
        )
        write_universe(run)
        write_sessions(run)
        for asset_class in ASSET_CLASSES:
            ingest(run, asset_class)
        yield Market(run, LAST_DAY, more=[fault.model for fault in FAULTS])


# --- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_claim_has_a_row_on_the_synthetic_market(market: Market) -> None:
    """The market ends before the article and has no sectors, so claims about these are not measured."""
    rows = market.connection.execute(
        "select claim_id, claim, test, sql_ref, verdict, reason, measured, verdict_then from full_run.marts.claims "
        "order by claim_id"
    ).fetchall()
    assert [row[0] for row in rows] == list(range(1, 25))
    assert all(all(row[1:6]) for row in rows)
    assert [row[0] for row in rows if row[6] is None] == [1, 2, 3, 4, 5, 9, 14, 17, 22, 24]
    assert {row[4] for row in rows if row[6] is None} == {"insufficient_evidence", "not_testable"}
    assert {row[7] for row in rows} == {None}


def test_a_past_state_is_the_full_run_without_what_came_later(market: Market) -> None:
    assert market.differs_from_the_full_run(ONE_DAY) == []


@pytest.mark.slow
@pytest.mark.parametrize("day", SLOW_DAYS, ids=str)
def test_a_month_s_end_is_the_full_run_without_what_came_later(market: Market, day: date) -> None:
    assert market.differs_from_the_full_run(day) == []


@pytest.mark.slow
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
    # The lead that was planted is there on both days, from histories of different lengths.
    lead = ANSWERS.lead
    rows = [
        market.connection.execute(
            f"select best_lag, n, q_value < 0.01 from {catalog}.marts.lead_lag_best "
            "where signal_id = ? and target_id = ? and aggregation = 1",
            ["/".join(lead.signal), lead.target],
        ).fetchall()[0]
        for catalog in ("memory", "full_run")
    ]
    assert [row[::2] for row in rows] == [(lead.lag_sessions, True)] * 2
    assert rows[0][1] < rows[1][1]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_model_that_looks_ahead_is_found(market: Market, fault: Fault) -> None:
    market.as_of(ONE_DAY)
    model = fault.model
    market.rebuild([model])
    assert market.differences(model, market.as_it_was(model, fault.original))


@pytest.mark.slow
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


@pytest.mark.parametrize("model", [model for model in all_models() if model.slices], ids=lambda model: model.full_name)
def test_a_table_in_slices_is_the_same(market: Market, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    market.as_of(ONE_DAY)
    market.connection.execute(f"create or replace temp table whole as from {model.full_name}")
    monkeypatch.setattr(sql_files, "SLICE_IDS", 5)
    assert model.slices
    assert len(model.slices.conditions(market.connection)) > 5
    market.rebuild([model])
    assert market.differences(model, "from temp.whole") == []
    keys = ", ".join(model.sorted_by)
    found = market.connection.execute(f"select {keys} from {model.full_name}").fetchall()
    assert found == sorted(found)


@pytest.mark.slow
def test_raw_rows_after_the_day_change_nothing(market: Market) -> None:
    """This holds for the tables without known_at too: groups, pairs, summaries, freshness."""
    market.as_of(ONE_DAY)
    market.truncate()
    assert [
        found for model in COMPARED_MODELS for found in market.differences(model, f"from truncated.{model.full_name}")
    ] == []
