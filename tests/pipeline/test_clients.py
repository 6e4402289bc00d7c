"""Clients of other versions read the published file, opened alone and attached: what docs/cookbook.md promises.

Each version is the package that its makers ship.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shelf import Shelf

READ = """
import json, sys
import duckdb

path, = sys.argv[1:]
found = {"version": duckdb.__version__}

def read(name, before, prefix):
    reader = duckdb.connect(path, read_only=True) if prefix == "" else duckdb.connect()
    for statement in before:
        reader.execute(statement)
    for schema, table in reader.execute("select schema_name, table_name from duckdb_tables()").fetchall():
        reader.execute(f"from {prefix}{schema}.{table}").fetchall()
    try:
        found[name] = [
            reader.execute(f"select count(*) from {prefix}core.{macro}('2100-01-01')").fetchall()[0][0]
            for macro in ("bars_as_of", "macro_as_of")
        ]
    except duckdb.CatalogException:
        found[name] = "no table"
    columns = "select count(*), count(*) filter (comment is null) from duckdb_columns() where not internal"
    found["columns"] = reader.execute(columns).fetchall()[0]

attach = f"attach '{path}' as c (read_only)"
read("alone", [], "")
read("attached", [attach], "c.")
read("used", [attach, "use c"], "c.")
read("in the search path", [attach, "set search_path = 'memory,c.core'"], "c.")
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("client", ["duckdb==1.4.0", "duckdb==1.4.*", "duckdb==1.5.5", "duckdb==2.0.1"])
def test_clients_read_every_table_and_call_the_macros(client: str, shelf: Shelf, tmp_path: Path) -> None:
    shelf.change("update core.bars set known_at = session_date::timestamptz, captured_at = known_at, version = 1")
    shelf.publish()
    library = tmp_path / "library"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(library), client],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if installed.returncode:
        pytest.skip(f"{client} cannot be installed here: {installed.stderr.strip().splitlines()[-1]}")

    read = subprocess.run(
        [sys.executable, "-c", READ, str(shelf.home.published(None))],
        env={**os.environ, "PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout)
    assert found.pop("version").startswith(client.removeprefix("duckdb==").removesuffix("*"))
    columns, without_comment = found.pop("columns")
    assert columns > 100 and without_comment == 0
    # DuckDB looks for the tables of a macro in the default database, not in the macro's own.
    assert found == {"alone": [4, 0], "attached": "no table", "used": [4, 0], "in the search path": [4, 0]}
