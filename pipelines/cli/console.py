"""The terminal: tables that fit it, and progress while something runs.

Here: how things look. What is shown is decided by the commands. When the output is no terminal there is no progress
and no colour, only text.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType

import rich.box
import rich.console
import rich.table
import rich.text
from rich.cells import cell_len
from rich.status import Status

# Longer cells of a table with too many columns are folded.
WIDEST = 44


class Console:
    """Standard output, as wide as the terminal (or 120 columns where there is none)."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else 120
        self.rich = rich.console.Console(width=width, highlight=False)

    def line(self, text: str = "", style: str | None = None, wraps: bool = False) -> None:
        """One line of text, as it is; with `wraps` broken at words where it is longer than the terminal."""
        self.rich.print(text, style=style, markup=False, soft_wrap=not (wraps and self.rich.is_terminal))

    def table(self, names: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
        """Rows under names; numbers to the right, unknown as a dash."""
        if title:
            self.line(title, style="bold", wraps=True)
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
        rows = [tuple(row) for row in rows]
        for position, name in enumerate(names):
            values = [row[position] for row in rows if row[position] is not None]
            is_number = bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
            table.add_column(name, justify="right" if is_number else "left", overflow="fold")
        for row in rows:
            table.add_row(*(rich.text.Text(shown(value)) for value in row))  # a cell is no markup
        self.rich.print(table)

    def tables(self, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """As `table`, for any number of columns. Rows that do not fit are turned on their side if they fit then, as one
        row always does; else the columns that do not fit come below, beside the first one again.
        """
        room = self.rich.width - 1
        turned = [[name, *column] for name, column in zip(names, zip(*rows, strict=True), strict=True)] if rows else []
        if sum(_widths([names, *rows])) <= room or len(names) < 2:
            self.table(names, rows)
        elif len(rows) == 1 or (rows and sum(_widths(turned)) <= room):
            self.table([shown(value) for value in turned[0]], [[shown(value) for value in row] for row in turned[1:]])
        else:
            widths = _widths([names, *rows])
            blocks: list[list[int]] = [[0]]
            for position in range(1, len(names)):
                if len(blocks[-1]) > 1 and sum(widths[p] for p in (*blocks[-1], position)) > room:
                    blocks.append([0])
                blocks[-1].append(position)
            for block in blocks:
                self.table([names[p] for p in block], [[row[p] for p in block] for row in rows])


def _widths(rows: Sequence[Sequence[object]]) -> list[int]:
    """How wide each column is drawn, with the blanks around it; longer text than `WIDEST` is folded."""
    return [
        3 + min(WIDEST, max(cell_len(line) for cell in column for line in shown(cell).split("\n")))
        for column in zip(*rows, strict=True)
    ]


def shown(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


class Progress(logging.Handler):
    """While it is entered, shows the last thing that a step said; warnings stay on screen."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        # While a step runs, Dagster sends standard error to a file of its own; this is the terminal as it was before.
        self._stream = os.fdopen(os.dup(sys.stderr.fileno()), "w")
        self._errors = rich.console.Console(file=self._stream, highlight=False)
        self._status: Status | None = (
            Status("starting", console=self._errors) if console.rich.is_terminal and self._errors.is_terminal else None
        )
        self._logger = logging.getLogger("cascade")

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        if record.levelno >= logging.WARNING:
            self._errors.print(f"cascade: {record.getMessage()}", markup=False, soft_wrap=True)
        elif self._status:
            self._status.update(record.getMessage())

    def __enter__(self) -> Progress:
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False
        self._logger.addHandler(self)
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()
        self._logger.removeHandler(self)
        self._logger.propagate = True
        self._stream.close()
