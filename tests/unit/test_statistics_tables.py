"""Reading groups of rows as arrays, and writing typed frames."""

from __future__ import annotations

import duckdb

from assets.statistics.tables import groups_of, typed_frame


def test_each_group_has_its_own_rows_in_their_order() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table members as from (values ('b', 1, 5.0), ('a', 2, 7.0), ('b', 0, 6.0)) as _ (id, place, value)"
        )
        members = connection.table("members")
        found = [
            (keys, columns["value"].tolist())
            for keys, columns in groups_of(
                members.aggregate("id, count(*) as size", "id"), members.order("id, place").project("value")
            )
        ]
    assert found == [(("a",), [7.0]), (("b",), [6.0, 5.0])]


def test_a_frame_has_its_types_also_without_rows() -> None:
    types = {"id": "string", "number": "int64"}
    assert typed_frame([], types).dtypes.astype(str).to_dict() == types
    assert typed_frame([("a", 1)], types).dtypes.astype(str).to_dict() == types
