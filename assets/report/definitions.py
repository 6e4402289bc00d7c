"""The numbers of the definitions, as meta.parameters of the published file has them.

Here: a number for a chart, and numbers put into sentences. Sentences write `$name`, as the SQL models do, so that they
stay true when a parameter changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from assets.config.parameters import PARAMETER_NAME, with_unit
from assets.report.queries import NothingPublished, Row


class Definitions:
    """The parameters that the tables of a published file were made with."""

    def __init__(self, parameters: Iterable[Row]) -> None:
        self._parameters = {row["name"]: row for row in parameters}

    def __getitem__(self, name: str) -> int | float:
        """The number alone. Raises NothingPublished if the file has no such parameter."""
        value: float = self._row(name)["value"]
        return int(value) if value == int(value) else value

    def fill(self, text: str) -> str:
        """The text with numbers and units in place of names: "$failure_margin" becomes "2 %".

        Raises NothingPublished if the file has no such parameter.
        """
        return PARAMETER_NAME.sub(lambda found: with_unit(self[found[1]], self._row(found[1])["unit"]), text)

    def _row(self, name: str) -> Row:
        if name not in self._parameters:
            raise NothingPublished(f"meta.parameters has no {name}")
        return self._parameters[name]
