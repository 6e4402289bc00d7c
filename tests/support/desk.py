"""A desk that refreshes day after day: a source, ingest and models, without Dagster.

Here: one refresh at a given instant, what it had to say, and ways to look at what is stored; a source whose answers a
test writes down; and the real live source, for which the stand-in sells a market as far as it has come on a day. Time
never passes by itself: waiting only moves the desk's own clock.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
from bench import Row, cell, usual_parameters, with_upstream
from standin import StandinMarket, VendorStandin

from assets.config.universe import Universe
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.ingest.reference import write_clock, write_releases, write_universe
from assets.ingest.stage import ClassResult
from assets.ingest.store import ingest
from assets.models.create import create_model
from assets.sources.base import ASSET_CLASSES, AssetClass, FetchRequest, FetchResult, Source
from assets.sources.live import LiveSource
from assets.warehouse.connection import prepare
from assets.warehouse.home import Home
from assets.warehouse.run import Run


class DeskTime:
    """A monotonic clock that moves when somebody sleeps; safe to share between threads."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        with self._lock:
            self._seconds += seconds

    def now(self) -> float:
        """Seconds so far."""
        return self._seconds


def live_source(universe: Universe, cache: Path) -> Callable[[datetime], Source]:
    """The real live source at an instant, with little patience for the stand-in's silence."""

    def made(instant: datetime) -> Source:
        time = DeskTime()
        return LiveSource(universe, cache, sleep=time.sleep, clock=time.now, now=lambda: instant, timeout=0.4)

    return made


def sell(standin: VendorStandin, market: StandinMarket, until: date) -> None:
    """Let the vendors sell the market as far as it has come on a day."""
    standin.market = StandinMarket(
        symbols={
            name: dataclasses.replace(symbol, bars=symbol.bars[symbol.bars["date"].dt.date <= until])
            for name, symbol in market.symbols.items()
        },
        series={name: [row for row in rows if row[0] <= until] for name, rows in market.series.items()},
    )


@dataclass
class Script:
    """A source that answers what a test wrote down: per raw table and id the frame without the id.

    A question with a first day gets the rows from there on. `failures` are the ids that cannot be had,
    `failures_of_the_whole` those of which only the last days can. `states` are what is said of the state of an id's
    origin. `questions` is what was asked so far.
    """

    answers: dict[str, dict[str, pd.DataFrame]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    failures_of_the_whole: dict[str, str] = field(default_factory=dict)
    questions: list[FetchRequest] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    name: str = "live"
    is_synthetic: bool = False
    has_clock: bool = True

    def fetch(self, question: FetchRequest) -> Iterator[FetchResult]:
        """The answers, by id."""
        self.questions.append(question)
        tables = {name: RAW_TABLE[name] for name in TABLES_OF_CLASS[question.asset_class]}
        for id_ in sorted({id_ for name in tables for id_ in self.answers.get(name, ())}):
            if not question.wants(id_):
                continue
            since = question.since.get(id_)
            failure = self.failures.get(id_) or (self.failures_of_the_whole.get(id_) if since is None else None)
            frames = {}
            for name, table in tables.items():
                frame = self.answers.get(name, {}).get(id_)
                if frame is None or failure:
                    continue
                day = table.date_column or ""
                wanted = frame if since is None else frame[frame[day] >= pd.Timestamp(since)]
                frames[name] = wanted.assign(**{table.key[0]: id_})
            yield FetchResult(id_, f"script:{id_}", frames, failure=failure, since=since, state=self.states.get(id_))

    def on_stored(self, asset_class: AssetClass) -> None:
        """Nothing is kept."""


class Desk:
    """A warehouse in memory and the source that fills it, made anew for each instant."""

    def __init__(self, universe: Universe, sessions: pd.DataFrame, source: Callable[[datetime], Source]) -> None:
        self.connection = duckdb.connect(config={"autoinstall_known_extensions": False})
        self.connection.execute("set timezone = 'UTC'")
        prepare(self.connection)
        self.connection.register("all_sessions", sessions)
        self.connection.execute("insert into reference.sessions by name select * from all_sessions")
        self.connection.unregister("all_sessions")
        self._universe = universe
        self._source = source
        self._numbers = itertools.count()

    def begin(
        self,
        at: str,
        *,
        full: bool = False,
        symbols: tuple[str, ...] = (),
        accept: bool = False,
        code_version: str = "test",
    ) -> Run:
        """A run at an instant in UTC, with the universe written."""
        instant = datetime.fromisoformat(f"{at}:00+00:00")
        self._run = Run(
            id=f"run {next(self._numbers)}",
            connection=self.connection,
            home=Home(Path()),
            source=self._source(instant),
            universe=self._universe,
            parameters=usual_parameters(),
            as_of=None,
            started_at=instant,
            code_version=code_version,
            is_full=full or bool(symbols),
            is_accepting=accept,
            symbols=symbols,
        )
        write_universe(self._run)
        return self._run

    def refresh(
        self,
        at: str,
        *,
        full: bool = False,
        symbols: tuple[str, ...] = (),
        accept: bool = False,
        code_version: str = "test",
        classes: tuple[AssetClass, ...] = ASSET_CLASSES,
    ) -> Refreshed:
        """Ask for what may have changed at an instant in UTC, and store it."""
        run = self.begin(at, full=full, symbols=symbols, accept=accept, code_version=code_version)
        return Refreshed({asset_class: ingest(run, asset_class) for asset_class in classes})

    def build(self, *names: str, as_of: date | None = None) -> None:
        """Run the named models, and those that they are made of, as of the last refresh or a day before it."""
        run = dataclasses.replace(self._run, as_of=as_of)
        write_clock(run)
        write_releases(run)
        for model in with_upstream(*names):
            create_model(self.connection, model, run.parameters)

    def rows(self, query: str, *values: object) -> list[Row]:
        """The rows of a query, as `bench` writes them."""
        return [tuple(map(cell, row)) for row in self.connection.execute(query, list(values)).fetchall()]


@dataclass(frozen=True)
class Refreshed:
    """What a refresh reported, per asset class."""

    classes: Mapping[AssetClass, ClassResult]

    @property
    def failures(self) -> dict[str, str]:
        """Why an instrument or series has nothing, or not everything, new."""
        return {id_: why for result in self.classes.values() for id_, why in result.failures.items()}

    @property
    def rejections(self) -> dict[str, set[str]]:
        """The reasons for which rows were rejected, per id."""
        reasons: dict[str, set[str]] = {}
        for result in self.classes.values():
            for _, id_, _, reason in result.rejections:
                reasons.setdefault(id_, set()).add(reason)
        return reasons

    @property
    def vanished(self) -> set[tuple[str, str]]:
        """The stored rows that a delivery lacked for the first time."""
        return {row for result in self.classes.values() for row in result.vanished}

    @property
    def stored(self) -> int:
        """Rows that were stored, new and restated."""
        return sum(sum(r.rows_new.values()) + sum(r.rows_restated.values()) for r in self.classes.values())
