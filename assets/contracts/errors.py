"""An error in one line, for messages, logs and tables.

Here: the text of an error. It is in the lowest layer, because the sources, the warehouse and the command line use it.
"""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if it has no message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def describe_error(error: BaseException) -> str:
    """An error in one line. Errors of the project are written to be read without the name of their class."""
    line, name = first_line(error), type(error).__name__
    is_own = type(error).__module__.startswith(("assets.", "pipelines."))
    return line if is_own or line == name else f"{name}: {line}"
