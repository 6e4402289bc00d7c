"""An error in one line."""

from __future__ import annotations

import pytest

from assets.contracts.errors import describe_error, first_line
from assets.warehouse.home import WarehouseError


@pytest.mark.parametrize(
    ("error", "line", "described"),
    [
        (ValueError("no date\nLINE 1"), "no date", "ValueError: no date"),
        (ValueError("\n  no date"), "no date", "ValueError: no date"),
        (ValueError(), "ValueError", "ValueError"),
        (ValueError("\n"), "ValueError", "ValueError"),
        (WarehouseError("the disk is full"), "the disk is full", "the disk is full"),
    ],
    ids=["lines", "blank first", "empty", "blank", "own"],
)
def test_an_error_in_one_line(error: Exception, line: str, described: str) -> None:
    assert (first_line(error), describe_error(error)) == (line, described)
