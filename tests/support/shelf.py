"""A home whose tables are filled by hand and published as often as a test likes, without a source and without Dagster.

Here: an empty warehouse with every table, made once, and what a test does with a copy of it.
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
from bench import UNIVERSE, NoSource, usual_parameters

from assets.config.parameters import load_parameters
from assets.contracts.stored import PUBLISHED_SCHEMAS
from assets.models.data_dictionary import write_catalog
from assets.publish.published_file import publish
from assets.publish.snapshots import Snapshot, read_snapshot
from assets.sources.base import is_synthetic
from assets.warehouse.connection import writing
from assets.warehouse.home import Home, Opened
from assets.warehouse.run import Run
from assets.warehouse.run_log import open_run

# Four bars of two instruments in two years, a claim and a breakout.
ROWS = """
insert into core.instruments by name
    select 'RUT' as instrument_id, 'equity' as asset_class union all by name
    select 'BTC' as instrument_id, 'crypto' as asset_class;
insert into core.bars by name
    select
        unnest(['BTC', 'BTC', 'RUT', 'RUT']) as instrument_id,
        unnest(['2023-12-31'::date, '2024-01-01', '2023-12-29', '2024-01-02']) as session_date,
        unnest([42000.5, 44000.25, 2027.07, 2012.8]) as close,
        unnest([1, 2, 1, 2]) as bar_number;
insert into marts.claims by name
    select 6 as claim_id, 'An altseason followed.' as claim, 'contradicted' as verdict, 12::hugeint as n;
insert into marts.breakouts by name
    select 'RUT:year_high:2023-12-29' as event_id, 'RUT' as subject_id, '2023-12-29'::date as session_date,
        'open' as status, 0.01 as margin;
"""

# What the tests are about, and what the table macros read.
KEPT = (
    "core.instruments",
    "core.bars",
    "core.superseded_bars",
    "core.rescalings",
    "core.macro",
    "core.superseded_macro",
    "marts.claims",
    "marts.breakouts",
    "marts.altseason",
)


def stock(empty: Path, path: Path) -> None:
    """Make the warehouse that shelves begin with: few derived tables, a few rows, and what the catalog says of all."""
    shutil.copy(empty, path)
    with duckdb.connect(str(path)) as connection:
        write_catalog(connection, PUBLISHED_SCHEMAS, load_parameters())
        derived = connection.execute(
            "select 'table', schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name in ('core', 'intermediate', 'marts') union all "
            "select 'view', schema_name || '.' || view_name from duckdb_views() where not internal"
        ).fetchall()
        connection.execute(";".join(f"drop {kind} {name}" for kind, name in derived if name not in KEPT))
        connection.execute(ROWS)


class Shelf:
    """One home, which begins with a copy of a warehouse. Every `publish` is a run of its own.

    The catalog is written by those that ask for it: it changes with the tables only, and takes its time.
    """

    def __init__(self, folder: Path, warehouse: Path) -> None:
        self.home = Home(folder)
        self.runs = 0
        folder.mkdir(parents=True)
        shutil.copy(warehouse, self.home.warehouse)

    def change(self, sql: str) -> None:
        """Change what is stored or derived."""
        with duckdb.connect(str(self.home.warehouse)) as connection:
            connection.execute(sql)

    def publish(
        self, as_of: date | None = None, source: str = "files", kept: int = 7, has_catalog: bool = False
    ) -> Snapshot:
        """Publish what is there. Returns what the file says of itself."""
        catalog = nullcontext() if has_catalog else mock.patch("assets.publish.published_file.write_catalog")
        self.runs += 1
        with catalog, writing(self.home, as_of, 0, print) as opened:
            run = self.run(opened, as_of, source, kept)
            open_run(run)
            publish(run, "published")
        return read_snapshot(run.published)

    def run(self, opened: Opened, as_of: date | None, source: str, kept: int) -> Run:
        """A run that is about to publish."""
        usual = usual_parameters()
        return Run(
            id=f"{self.runs:08}-of-the-shelf",
            connection=opened.connection,
            home=self.home,
            source=NoSource(has_clock=False, name=source, is_synthetic=is_synthetic(source)),
            universe=UNIVERSE,
            parameters=usual | {"snapshots_kept": usual["snapshots_kept"].model_copy(update={"value": kept})},
            as_of=as_of,
            started_at=datetime(2024, 1, 3, tzinfo=UTC),
            code_version="0.1.0+test",
            locks=opened.locks,
        )

    def ask(self, sql: str, path: Path | None = None) -> list[tuple[Any, ...]]:
        """The answer of the published file (or another one) to a query."""
        with duckdb.connect(str(path or self.home.published(None)), read_only=True) as reader:
            return reader.execute(sql).fetchall()
