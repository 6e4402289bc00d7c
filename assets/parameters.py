"""The parameters file, read and checked: every number that a definition depends on, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

PARAMETERS_FILE = Path(__file__).with_name("parameters.yaml")


class ParametersError(Exception):
    """The parameters file does not fit. The message names the entry and what is wrong with it."""


class Parameter(BaseModel):
    """One number, its unit and the reason for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: int | float
    unit: str
    reason: str


Parameters = Mapping[str, Parameter]


def load_parameters(path: Path = PARAMETERS_FILE) -> dict[str, Parameter]:
    """Read the parameters file.

    Raises ParametersError, naming each entry that does not fit and why.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Parameter]).validate_python(entries)
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise ParametersError(f"{path.name}: {problems}") from error
    except (OSError, yaml.YAMLError) as error:
        raise ParametersError(f"{path.name} cannot be read: {error}") from error
