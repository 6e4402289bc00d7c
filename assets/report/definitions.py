"""The numbers of the definitions, as meta.parameters of the published file has them.

Here: a number for a chart, and numbers put into sentences. Sentences write `$name`, as the SQL models do, so that they
stay true when a parameter changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from assets.report.queries import NothingPublished, Row

_NAME = re.compile(r"\$([a-z][a-z0-9_]*)")


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
        return _NAME.sub(lambda found: self._with_unit(found[1]), text)

    def _with_unit(self, name: str) -> str:
        value, unit = self[name], self._row(name)["unit"]
        if unit == "fraction":
            return f"{100 * value:g} %"
        if unit == "percent":
            return f"{value:g} %"
        return f"{value:g} {unit.removesuffix('s') if value == 1 else unit}"

    def _row(self, name: str) -> Row:
        if name not in self._parameters:
            raise NothingPublished(f"meta.parameters has no {name}")
        return self._parameters[name]
