"""Reads and checks the YAML files of this folder: universe, parameters, claims.

Here: reading a file into a pydantic type, and the error message if an entry is invalid. The types themselves are in
`universe`, `parameters` and `claims`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

T = TypeVar("T")
# The parser in C is eight times as fast. PyYAML has it if it was built with libyaml.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Entry(BaseModel):
    """One entry. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_entries(path: Path, kind: type[T], error_type: type[Exception]) -> T:
    """Read a YAML file into a pydantic type.

    Args:
        path: The file.
        kind: The type to read it into.
        error_type: The exception to raise.

    Returns:
        The checked content of the file.

    Raises:
        error_type: The file cannot be read or an entry is invalid. The message is one line that names each invalid
            entry and the reason.
    """
    try:
        return TypeAdapter(kind).validate_python(yaml.load(path.read_text(encoding="utf-8"), _LOADER))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise error_type(f"{path.name}: {problems}") from error
    except (OSError, yaml.YAMLError) as error:
        raise error_type(f"{path.name} cannot be read: {error}") from error
