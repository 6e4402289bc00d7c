"""A bench for SQL models: hand-made raw rows in, the models that a test names, rows out.

Here: the small universe that the tests of the models share, and how their rows get into the stored tables. A test says
what was traded and when it was captured; everything else (reference tables, clock, releases, order of the models) is
done by the project's own code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Literal

import duckdb
import pandas as pd

from assets.config.parameters import Parameter, load_parameters
from assets.config.universe import Instrument, Pair, PrimaryFamily, Series, Signal, Targets, Universe
from assets.contracts.raw import RAW_TABLE
from assets.contracts.reference import FROZEN_FORECASTS
from assets.contracts.stored import STORED_TABLES
from assets.ingest.reference import write_clock, write_releases, write_universe
from assets.models.checks import check_model
from assets.models.create import create_model
from assets.models.sql_files import Model, read_models
from assets.sources.base import AssetClass, FetchRequest, FetchResult
from assets.warehouse.connection import prepare
from assets.warehouse.home import Home
from assets.warehouse.run import Run
from assets.warehouse.run_log import open_run

# What a cell of a result becomes: days and instants are text, instants in UTC, numbers have nine decimals.
Cell = str | float | int | bool | None
Row = tuple[Cell, ...]
Numbers = Sequence[float | None]

# History that was filled in long after everything that a test looks at.
LONG_AFTER = "2026-12-31 00:00"


def _index(id_: str, role: str, **more: str) -> Instrument:
    return Instrument.model_validate(
        {"id": id_, "name": f"Index {id_}", "asset_class": "equity", "kind": "index", "role": role, **more}
    )


def _fund(id_: str, role: str, **more: str) -> Instrument:
    return Instrument.model_validate(
        {"id": id_, "name": f"Fund {id_}", "asset_class": "equity", "kind": "fund", "role": role, **more}
    )


def _coin(id_: str, role: str, **more: str) -> Instrument:
    return Instrument.model_validate(
        {"id": id_, "name": f"Coin {id_}", "asset_class": "crypto", "kind": "coin", "role": role, **more}
    )


def _series(
    id_: str, release: str, stale_after_days: int, frequency: Literal["daily", "weekly", "monthly"] = "daily"
) -> Series:
    return Series(
        id=id_,
        name=f"Series {id_}",
        unit="percent",
        frequency=frequency,
        release=release,
        stale_after_days=stale_after_days,
    )


def _pair(numerator: str, denominator: str) -> Pair:
    return Pair(id=f"{numerator}/{denominator}", numerator=numerator, denominator=denominator)


UNIVERSE = Universe(
    instruments=(
        _index("RUT", "small_cap", volume_proxy="IWM"),
        _index("SPX", "large_cap"),
        _fund("IWM", "small_cap", tracks="RUT"),
        _fund("SPY", "large_cap"),
        _fund("HYG", "credit", price_basis="total_return"),
        _coin("BTC", "crypto_major", reconstructed_before="2014-09-17"),
        _coin("ETH", "crypto_major"),
        _coin("SOL", "altcoin"),
        _coin("ETC", "altcoin", valid_to="2024-02-15", valid_to_reason="ends in this test"),
    ),
    pairs=(
        _pair("RUT", "SPX"),
        _pair("IWM", "SPY"),
        _pair("IWM", "SPX"),
        _pair("ETH", "BTC"),
        _pair("BTC", "SPX"),
        _pair("IWM", "BTC"),
    ),
    signals=(
        Signal(subject="RUT", kind="all_time_high", trigger="decided"),
        Signal(subject="RUT", kind="all_time_high", trigger="confirmed"),
        Signal(subject="ETH", kind="all_time_high", trigger="decided"),
    ),
    targets=Targets(instruments=("BTC", "IWM"), horizons_days=(3, 7, 30)),
    primary_family=PrimaryFamily(signals=("RUT:all_time_high:decided",), targets=("BTC",), horizons_days=(3, 7)),
    series=(
        _series("WALCL", "next thursday 16:30", 10, "weekly"),
        _series("RRPONTSYD", "same day 13:15", 5),
        _series("SOFR", "next business day 09:00", 5),
        _series("M2SL", "4th tuesday of next month 13:00", 90, "monthly"),
        _series("CPIAUCSL", "day 13 of next month 08:30", 80, "monthly"),
    ),
)
CALENDAR = {instrument.id: instrument.calendar for instrument in UNIVERSE.instruments}


@dataclass
class NoSource:
    """A source that is never asked; a run wants one to know whether its clock is a day's end or an instant."""

    has_clock: bool
    name: str = "bench"
    is_synthetic: bool = True

    def fetch(self, question: FetchRequest) -> Iterator[FetchResult]:
        raise NotImplementedError

    def on_stored(self, asset_class: AssetClass) -> None:
        raise NotImplementedError


@cache
def all_models() -> tuple[Model, ...]:
    """Every model of the project, each after those that it reads."""
    return read_models()


@cache
def usual_parameters() -> dict[str, Parameter]:
    """The parameters of the project."""
    return load_parameters()


@cache
def with_upstream(*names: str) -> tuple[Model, ...]:
    """The named models and those that they are made of, in the order in which they can run."""
    wanted = set(names)
    unknown = wanted - {model.full_name for model in all_models()}
    assert not unknown, f"there is no model {', '.join(sorted(unknown))}"
    for model in reversed(all_models()):
        if model.full_name in wanted:
            wanted.update(model.upstream)
    return tuple(model for model in all_models() if model.full_name in wanted)


class Bench:
    """A warehouse in memory. `reset` makes it as good as new, which is faster than a new one for every test."""

    def __init__(self, sessions: pd.DataFrame) -> None:
        self.connection = duckdb.connect(config={"autoinstall_known_extensions": False})
        self.connection.execute("set timezone = 'UTC'")
        self.connection.execute("set threads = 1")  # a few rows are sooner worked on than shared out
        prepare(self.connection)
        self.connection.register("all_sessions", sessions)
        self.connection.execute("insert into reference.sessions by name select * from all_sessions")
        self.connection.unregister("all_sessions")
        self._universe = UNIVERSE
        write_universe(self._run("2024-12-31"))
        self._days: dict[str, list[date]] = {
            str(calendar): [day.date() for day in rows["session_date"]]
            for calendar, rows in sessions.groupby("calendar")
        }

    def reset(self) -> None:
        """Empty every table that a test can have filled, and drop what models have built."""
        if self._universe is not UNIVERSE:
            self.universe(UNIVERSE)
        for schema, view in self.connection.execute(
            "select schema_name, view_name from duckdb_views() where not internal and not temporary"
        ).fetchall():
            self.connection.execute(f"drop view {schema}.{view}")
        stored = {table.full_name for table in STORED_TABLES}
        for schema, table in self.connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal and not temporary"
        ).fetchall():
            if f"{schema}.{table}" not in stored:
                self.connection.execute(f"drop table {schema}.{table}")
        filled = ("reference.clock", "reference.releases", FROZEN_FORECASTS.full_name, "meta.runs")
        for name in (*(table.full_name for table in RAW_TABLE.values()), *filled):
            self.connection.execute(f"delete from {name}")

    # --- what happened --------------------------------------------------------------------------------------------

    def universe(self, universe: Universe) -> None:
        """Take another universe for this test."""
        self._universe = universe
        write_universe(self._run("2024-12-31"))

    def bars(
        self,
        instrument_id: str,
        first: str,
        closes: Numbers,
        *,
        calendar: str | None = None,
        highs: Numbers | None = None,
        lows: Numbers | None = None,
        adj_closes: Numbers | None = None,
        volumes: Numbers | None = None,
        captured_at: str = LONG_AFTER,
        version: int = 1,
    ) -> None:
        """One bar per session of the calendar from `first` on. A session without both closes has no bar."""
        rows = len(closes)
        nothing: Numbers = [None] * rows
        days = self.days(calendar or CALENDAR[instrument_id], first, rows)
        columns = [closes, highs or nothing, lows or nothing, adj_closes or nothing, volumes or nothing]
        table = "crypto_bars" if (calendar or CALENDAR[instrument_id]) == "CRYPTO" else "equity_bars"
        frame = pd.DataFrame(
            [
                (day, *values)
                for day, values in zip(days, zip(*columns, strict=True), strict=True)
                if values[0] is not None or values[3] is not None
            ],
            columns=["session_date", "close", "high", "low", "adj_close", "volume"],
        ).astype(dict.fromkeys(("close", "high", "low", "adj_close", "volume"), "float64"))
        self._insert(table, frame.assign(instrument_id=instrument_id), captured_at, version)

    def actions(
        self,
        instrument_id: str,
        kind: str,
        values: Mapping[str, float],
        captured_at: str = LONG_AFTER,
        version: int = 1,
    ) -> None:
        """Dividends or splits, by ex-date."""
        frame = pd.DataFrame({"ex_date": list(values), "value": list(values.values())})
        self._insert("equity_actions", frame.assign(instrument_id=instrument_id, kind=kind), captured_at, version)

    def observations(
        self, series_id: str, values: Mapping[str, float], captured_at: str = LONG_AFTER, version: int = 1
    ) -> None:
        """Values of a macro series, by observation date."""
        frame = pd.DataFrame({"observation_date": list(values), "value": list(values.values())})
        self._insert("macro_observations", frame.assign(series_id=series_id), captured_at, version)

    def market_caps(
        self, instrument_id: str, values: Mapping[str, float], captured_at: str = LONG_AFTER, version: int = 1
    ) -> None:
        """Market values of a coin, by day."""
        frame = pd.DataFrame({"session_date": list(values), "market_cap_usd": list(values.values())})
        self._insert("crypto_market_caps", frame.assign(instrument_id=instrument_id), captured_at, version)

    def member(
        self,
        group_id: str,
        instrument_id: str,
        valid_from: str,
        valid_to: str | None = None,
        captured_at: str = LONG_AFTER,
        version: int = 1,
    ) -> None:
        """A membership in a group of shares."""
        frame = pd.DataFrame({"group_id": [group_id], "instrument_id": [instrument_id]})
        spans = frame.assign(valid_from=valid_from, valid_to=pd.Series([valid_to], dtype="object"))
        self._insert("group_members", spans, captured_at, version)

    def given(self, name: str, columns: str, rows: Sequence[Row]) -> None:
        """A derived table as the test wants it, in place of its model. `columns` is `name type, ...`."""
        self.connection.execute(f"create or replace table {name} ({columns})")
        # One statement: a statement for each row takes two thousandths of a second.
        each = f"({', '.join('?' * len(rows[0]))})"
        self.connection.execute(
            f"insert into {name} values {', '.join([each] * len(rows))}", [value for row in rows for value in row]
        )

    def _insert(self, table: str, frame: pd.DataFrame, captured_at: str, version: int) -> None:
        self.connection.register("made", frame)
        self.connection.execute(
            f"insert into raw.{table} by name "
            "select *, 'test' as source, ?::timestamptz as captured_at, ?::integer as version from made",
            [f"{captured_at}:00+00", version],
        )
        self.connection.unregister("made")

    # --- what became of it ----------------------------------------------------------------------------------------

    def days(self, calendar: str, first: str, count: int) -> list[date]:
        """So many sessions of the calendar from the first on, which must be one."""
        start = self._days[calendar].index(date.fromisoformat(first))
        return self._days[calendar][start : start + count]

    def build(self, *names: str, as_of: str, **parameters: float) -> None:
        """Run the named models and all that they are made of; every one must pass its own checks.

        `as_of` is a day (all of it is known) or an instant in UTC. `parameters` replace those of the file.
        """
        self._set_clock(as_of)
        for model in with_upstream(*names):
            self._run_model(model, parameters)

    def build_only(self, name: str, *, as_of: str, **parameters: float) -> None:
        """Run one model on the tables that are there, made or given."""
        self._set_clock(as_of)
        self._run_model(with_upstream(name)[-1], parameters)

    def begin(self, *, as_of: str, code_version: str) -> Run:
        """Enter a run into the run log, for tests of what runs leave behind."""
        run = dataclasses.replace(self._run(as_of), id=code_version, code_version=code_version)
        open_run(run)
        return run

    def rows(self, query: str) -> list[Row]:
        """The rows of a query."""
        return [tuple(map(cell, row)) for row in self.connection.execute(query).fetchall()]

    def _set_clock(self, as_of: str) -> None:
        run = self._run(as_of)
        write_releases(run)
        write_clock(run)

    def _run_model(self, model: Model, replaced: Mapping[str, float]) -> None:
        usual = usual_parameters()
        parameters = usual | {name: usual[name].model_copy(update={"value": value}) for name, value in replaced.items()}
        columns = create_model(self.connection, model, parameters)
        broken = [check for check in check_model(self.connection, model, columns) if check.rows_failed]
        assert not broken, f"{model.full_name}: {broken}"

    def _run(self, as_of: str) -> Run:
        """A run with its clock at the end of a day, or, like a live one, at an instant."""
        is_day = len(as_of) == len("2024-12-31")
        return Run(
            id="test",
            connection=self.connection,
            home=Home(Path()),
            source=NoSource(has_clock=not is_day),
            universe=self._universe,
            parameters=usual_parameters(),
            as_of=date.fromisoformat(as_of) if is_day else None,
            started_at=datetime.fromisoformat(as_of).replace(tzinfo=UTC),
            code_version="test",
        )


def cell(value: object) -> Cell:
    if isinstance(value, datetime):
        instant = value.astimezone(UTC)
        return f"{instant:%Y-%m-%d %H:%M}" if instant.second == 0 else f"{instant:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return round(value, 9)
    assert value is None or isinstance(value, str | int), value
    return value
