"""Every model on real data at ten past days: what a run as of the day says is the full run without what came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from bench import NoSource, usual_parameters
from prefix import Market
from real import MARKS

from assets.config.universe import load_universe
from assets.contracts.reference import FROZEN_FORECASTS
from assets.contracts.stored import STORED_TABLES
from assets.warehouse.connection import prepare
from assets.warehouse.home import Home
from assets.warehouse.run import Run

pytestmark = MARKS

# After and between breakouts, in crashes and booms, at month ends and on days like any other.
DAYS = (
    date(2009, 3, 9),
    date(2014, 12, 31),
    date(2016, 11, 30),
    date(2018, 2, 9),
    date(2020, 3, 18),
    date(2020, 12, 31),
    date(2021, 5, 19),
    date(2022, 11, 9),
    date(2025, 10, 10),
    date(2026, 6, 30),
)


@pytest.fixture(scope="module")
def market(real_home: Path) -> Iterator[Market]:
    """What is stored in the warehouse of one full run, in memory."""
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.execute("set timezone = 'UTC'")
        prepare(connection)
        connection.execute(f"attach '{real_home / 'warehouse.duckdb'}' as stored (read_only)")
        for table in STORED_TABLES:
            # What was frozen once does not come out of the models.
            if table is FROZEN_FORECASTS:
                continue
            connection.execute(f"insert into {table.full_name} from stored.{table.full_name}")
        last_day = connection.execute("select as_of from reference.clock").fetchall()[0][0]
        connection.execute("detach stored")
        run = Run(
            id="test",
            connection=connection,
            home=Home(Path()),
            source=replace(NoSource(has_clock=False), name="files"),
            universe=load_universe(),
            parameters=usual_parameters(),
            as_of=None,
            started_at=datetime(2026, 12, 31, tzinfo=UTC),
            code_version="test",
        )
        yield Market(run, last_day)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_a_past_state_is_the_full_run_without_what_came_later(market: Market, day: date) -> None:
    found = market.differs_from_the_full_run(day)
    assert found[:10] == [], f"{len(found)} differences"
