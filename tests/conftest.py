"""Fixtures that several files share: the calendar, made once, and the bench for SQL models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd
import pytest
from bench import Bench

from assets import calendars


@pytest.fixture(scope="session")
def calendar_sessions() -> pd.DataFrame:
    """Every session of both calendars to the end of 2027."""
    return calendars.sessions(date(2027, 12, 31))


@pytest.fixture(scope="session")
def shared_bench(calendar_sessions: pd.DataFrame) -> Iterator[Bench]:
    made = Bench(calendar_sessions[calendar_sessions["session_date"] >= "2010-01-01"])
    yield made
    made.connection.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """An empty warehouse with the small universe of `bench.UNIVERSE`."""
    shared_bench.reset()
    return shared_bench
