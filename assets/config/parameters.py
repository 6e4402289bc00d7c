"""Reads and checks parameters.yaml: every number that a definition depends on, with its unit and the reason for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from assets.config.yaml_files import Entry, read_entries

PARAMETERS_FILE = Path(__file__).with_name("parameters.yaml")
# How SQL models and texts write a parameter: $name.
PARAMETER_NAME = re.compile(r"\$([a-z][a-z0-9_]*)")


class ParametersError(Exception):
    """parameters.yaml is invalid. The message names the entry and what is wrong with it."""


class Parameter(Entry):
    """One number, its unit and the reason for it."""

    value: int | float
    unit: str
    reason: str


Parameters = Mapping[str, Parameter]


def load_parameters(path: Path = PARAMETERS_FILE) -> dict[str, Parameter]:
    """Read the parameters file. Raises ParametersError, which names each invalid entry and the reason."""
    return read_entries(path, dict[str, Parameter], ParametersError)


def with_unit(value: float, unit: str) -> str:
    """The number as a sentence shows it: "60 %" for 0.6 fraction, "90 days", "1 close" for 1 closes."""
    if unit == "fraction":
        return f"{100 * value:g} %"
    if unit == "percent":
        return f"{value:g} %"
    return f"{value:g} {unit.removesuffix('s') if value == 1 else unit}"
