"""What one run works with: its connection, source, universe, parameters and clock, handed to every step.

Here: the object, what follows from it alone, and the log that steps write to. How a run is
configured and started is the business of `pipelines`.
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
from assets.sources.base import Source
from assets.warehouse.home import Home, WarehouseLocks
from assets.warehouse.lock import SingleProcessLocks

# Steps say here what they are doing; the command line shows it, Dagster keeps it with the run.
log = logging.getLogger("cascade")


@dataclass(frozen=True)
class Run:
    """One run. `as_of` is set when a past state is asked for; `started_at` is the wall clock, read once.

    With `is_full` everything is asked for anew; `symbols` names the only ones asked for (none: all). With
    `is_accepting` what contradicts the stored history is stored all the same, as new versions.
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
        """The source as people should see it: synthetic data says so."""
        return self.source.name + (" (synthetic)" if self.source.is_synthetic else "")

    @property
    def published(self) -> Path:
        """The file that this run publishes."""
        return self.home.published(self.as_of)

    def asks_for(self, id_: str) -> bool:
        """Whether an instrument or series is asked for: each is, unless some are named."""
        return not self.symbols or id_ in self.symbols

    @property
    def may_fetch(self) -> bool:
        """A past state of a live market is what was stored of it; fetching now would not bring the past back."""
        return self.as_of is None or not self.source.has_clock
