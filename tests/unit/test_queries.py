"""Queries in files: identifiers are put in, values stay for the caller to bind."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.contracts import queries
from assets.contracts.queries import query


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(queries, "SQL_FOLDER", tmp_path)
    queries._read.cache_clear()
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "rows.sql").write_text("select * from $staged_rows where day = $day and $condition")
    return tmp_path


def test_identifiers_are_put_in_and_values_stay(folder: Path) -> None:
    text = query("checks/rows", staged_rows="temp.staged_bars", condition="close > 0")
    assert text == "select * from temp.staged_bars where day = $day and close > 0"


def test_an_identifier_without_a_place_is_an_error(folder: Path) -> None:
    with pytest.raises(KeyError, match=r"sql/checks/rows\.sql has no \$table_name"):
        query("checks/rows", table_name="raw.equity_bars")
