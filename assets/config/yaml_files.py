"""The project's own files of entries (universe, parameters, claims), read from YAML and checked.

Here: how such a file is read and how what does not fit is told. What an entry must hold is said by the type that the
file is read into.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

T = TypeVar("T")
# The parser in C reads the same eight times as fast; PyYAML has it wherever it was built with its library.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Entry(BaseModel):
    """One entry. A key that nobody knows is a mistake, not a remark."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_entries(path: Path, kind: type[T], refusal: type[Exception]) -> T:
    """The file as a `kind`. Raises `refusal`, in one line that names each entry that does not fit and why."""
    try:
        return TypeAdapter(kind).validate_python(yaml.load(path.read_text(encoding="utf-8"), _LOADER))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise refusal(f"{path.name}: {problems}") from error
    except (OSError, yaml.YAMLError) as error:
        raise refusal(f"{path.name} cannot be read: {error}") from error
