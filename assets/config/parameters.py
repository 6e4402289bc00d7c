"""Reads and checks parameters.yaml: every number that a definition depends on, with its unit and the reason for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from assets.config.yaml_files import Entry, read_entries

PARAMETERS_FILE = Path(__file__).with_name("parameters.yaml")


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
