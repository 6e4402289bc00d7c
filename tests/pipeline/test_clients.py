"""Older clients open the published file: the oldest release that is promised, as its makers ship it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shelf import Shelf

# The oldest client that the published file is for.
OLDEST = "duckdb==1.4.*"

READ = """
import sys
import duckdb

reader = duckdb.connect(sys.argv[1], read_only=True)
for schema, table in reader.execute("select schema_name, table_name from duckdb_tables()").fetchall():
    reader.execute(f"from {schema}.{table}").fetchall()
bars = reader.execute("select count(*) from core.bars_as_of('2100-01-01')").fetchall()[0][0]
silent = reader.execute("select count(*) from duckdb_columns() where not internal and comment is null").fetchall()[0][0]
print(duckdb.__version__, bars, silent)
"""


@pytest.mark.slow
def test_the_oldest_client_reads_every_table(shelf: Shelf, tmp_path: Path) -> None:
    shelf.change("update core.bars set known_at = session_date::timestamptz, captured_at = known_at, version = 1")
    shelf.publish()
    library = tmp_path / "library"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(library), OLDEST],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if installed.returncode:
        pytest.skip(f"{OLDEST} cannot be installed here: {installed.stderr.strip().splitlines()[-1]}")

    read = subprocess.run(
        [sys.executable, "-c", READ, str(shelf.home.published(None))],
        env={**os.environ, "PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert read.returncode == 0, read.stderr
    version, bars, silent = read.stdout.split()
    assert version.startswith("1.4.")
    assert (bars, silent) == ("4", "0")
