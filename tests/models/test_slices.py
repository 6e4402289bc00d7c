"""Tables that are built a few ids at a time: where the ids are parted, and that it is the same table.

That each of the project's own is the same stands in test_prefix, where there is a market.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import duckdb
import pytest

from assets.models import sql_files
from assets.models.create import create_model
from assets.models.sql_files import Model, ModelError, Slices, read_model

MODEL = """-- description: The number of each row among those of its id.
-- grain: id, day
-- known_at: the run's clock
-- slices: {slices}
with rows as (
    select
        id,
        day,
    from core.rows
),

final as (
    select
        id, -- An id.
        day, -- A day.
        row_number() over (partition by id order by day) as number, -- Position among the days of the id.
    from rows
)

select * from final
order by id, day
"""


def model(folder: Path, slices: str) -> Model:
    path = folder / "core" / "numbered.sql"
    path.parent.mkdir()
    path.write_text(MODEL.format(slices=slices), encoding="utf-8")
    return read_model(path)


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema core")
    return connection


@pytest.mark.parametrize(("ids", "slices"), [(0, 1), (1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_every_id_is_in_one_slice(
    ids: int, slices: int, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_files, "SLICE_IDS", 3)
    connection.execute(f"create table core.ids as select 'it''s ' || id as name from range({ids}) as ids (id)")
    conditions = Slices("id", "core.ids", "name").conditions(connection)
    assert len(conditions) == slices
    asked = ", ".join(f"count(*) filter ({condition})" for condition in conditions)
    counts = connection.execute(f"select {asked} from (select name as id from core.ids)").fetchall()[0]
    assert sum(counts) == ids
    assert max(counts) <= 3
    others = "(values ('a'), ('it''s 1.5'), ('z')) as others (id)"
    assert sum(connection.execute(f"select {asked} from {others}").fetchall()[0]) == 3


def test_a_table_in_slices_is_the_same_in_the_same_order(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than DuckDB gives to one thread; the first slice has none, and the last has ids of no list."""
    connection.execute(
        """
        create table core.ids as select 'id ' || (100 + id) as name from range(20) as ids (id);
        create table core.rows as
        select 'id ' || (108 + id) as id, day from range(20) as ids (id) cross join range(20_000) as days (day)
        order by hash(day)
        """
    )
    numbered = model(tmp_path, "id by core.ids.name")
    create_model(connection, numbered, {})
    whole = connection.execute("select *, rowid from core.numbered").fetchall()
    monkeypatch.setattr(sql_files, "SLICE_IDS", 7)
    create_model(connection, numbered, {})
    assert connection.execute("select *, rowid from core.numbered").fetchall() == whole
    assert len(whole) == 400_000


class Losing:
    """A connection that tells of every row that it inserts, and keeps all but one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, query: str) -> duckdb.DuckDBPyConnection:
        done = self._connection.execute(query)
        if query.startswith("insert"):
            self._connection.cursor().execute("delete from core.numbered where id = 'b'")
        return done


def test_rows_that_get_lost_are_noticed(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_files, "SLICE_IDS", 1)
    connection.execute(
        """
        create table core.ids as select unnest(['a', 'b', 'c']) as name;
        create table core.rows as select name as id, 1 as day from core.ids
        """
    )
    losing = cast(duckdb.DuckDBPyConnection, Losing(connection))
    with pytest.raises(ModelError, match="3 rows were written, but the table has 2"):
        create_model(losing, model(tmp_path, "id by core.ids.name"), {})


@pytest.mark.parametrize(
    "slices", ["id", "id by core.ids", "id of core.ids.name", "id by core.ids.name\n-- form: view"]
)
def test_slices_that_cannot_be_read_are_named(slices: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"core/numbered\.sql: write the slices as column by"):
        model(tmp_path, slices)
