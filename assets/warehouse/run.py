"""What one run works with: its connection, source, universe, parameters and clock, handed to every step.

Here: the object, what follows from it alone, and the log that steps write to. How a run is configured and started is
in `pipelines`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import duckdb

from assets.config.parameters import Parameter
from assets.config.universe import Universe
from assets.sources.base import Source, shown_name
from assets.warehouse.home import Home, WarehouseLocks
from assets.warehouse.lock import SingleProcessLocks

# Steps log here what they are doing. The command line shows it, and Dagster keeps it with the run.
log = logging.getLogger("cascade")
# A line for each symbol: the command line shows the last one. Dagster would store thousands of them with the run.
progress = logging.getLogger("cascade progress")
progress.setLevel(logging.INFO)


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id: The run's id in meta.runs and in Dagster.
        connection: The connection to the warehouse.
        home: The folder that it writes to.
        source: Where data is fetched from.
        universe: The instruments and series.
        parameters: The numbers of parameters.yaml.
        as_of: The day of a historical view. None: the newest state.
        started_at: The wall clock, read once.
        code_version: The version of Cascade.
        is_full: Whether full histories are fetched and every model is rebuilt.
        is_accepting: Whether data that contradicts the stored history is stored as new versions.
        symbols: The only instruments and series to fetch. Empty: all.
        locks: How the warehouse is shared with other runs.
    """

    id: str
    connection: duckdb.DuckDBPyConnection
    home: Home
    source: Source
    universe: Universe
    parameters: Mapping[str, Parameter]
    as_of: date | None
    started_at: datetime
    code_version: str
    is_full: bool = False
    is_accepting: bool = False
    symbols: tuple[str, ...] = ()
    locks: WarehouseLocks = field(default_factory=SingleProcessLocks)

    @property
    def source_name(self) -> str:
        """The source's name for readers, marked if its data is synthetic."""
        return shown_name(self.source)

    @property
    def published(self) -> Path:
        """The file that this run publishes."""
        return self.home.published(self.as_of)

    def asks_for(self, id_: str) -> bool:
        """Whether this run fetches an instrument or series."""
        return not self.symbols or id_ in self.symbols

    @property
    def may_fetch(self) -> bool:
        """Whether this run may fetch. The historical view of a live market is made of stored data only."""
        return self.as_of is None or not self.source.has_clock
