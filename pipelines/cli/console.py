"""The terminal: tables that fit its width, and progress while a run goes on.

Here: how things look. Not here: what is shown, which the commands decide. If the output is not a terminal there is no
progress and no colour, only text.
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

# Longer cells are folded if a table has too many columns.
WIDEST = 44


class Console:
    """Standard output, as wide as the terminal, or 120 columns wide if it is not a terminal."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else 120
        self.rich = rich.console.Console(width=width, highlight=False)

    def line(self, text: str = "", style: str | None = None, wraps: bool = False) -> None:
        """Print one line of text.

        Args:
            text: The text, in which markup has no meaning.
            style: A style of rich, for instance bold.
            wraps: Whether to break a line at words if it is longer than the terminal. Paths must stay whole.
        """
        self.rich.print(text, style=style, markup=False, soft_wrap=not (wraps and self.rich.is_terminal))

    def table(self, names: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
        """Print a table, with numbers to the right and null as a dash.

        Args:
            names: The heads of the columns.
            rows: The values, one for each column.
            title: A line above the table.
        """
        if title:
            self.line(title, style="bold", wraps=True)
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
        rows = [tuple(row) for row in rows]
        for position, name in enumerate(names):
            values = [row[position] for row in rows if row[position] is not None]
            is_number = bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
            table.add_column(name, justify="right" if is_number else "left", overflow="fold")
        for row in rows:
            table.add_row(*(rich.text.Text(shown(value)) for value in row))  # without markup
        self.rich.print(table)

    def tables(self, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table of any number of columns.

        A table that does not fit is transposed if it fits then. A single row is always transposed. Any other table is
        split into several, each with the first column.
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
    """How wide each column is drawn, with the blanks around it. Text longer than `WIDEST` is folded."""
    return [
        3 + min(WIDEST, max(cell_len(line) for cell in column for line in shown(cell).split("\n")))
        for column in zip(*rows, strict=True)
    ]


def shown(value: object) -> str:
    """A value as text for a person."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


class Progress(logging.Handler):
    """Shows the latest log line while it is entered. Warnings stay on the screen."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        # Dagster redirects standard error to a file while a step runs, so this is a copy of it from before.
        self._stream = os.fdopen(os.dup(sys.stderr.fileno()), "w")
        self._errors = rich.console.Console(file=self._stream, highlight=False)
        self._status: Status | None = (
            Status("starting", console=self._errors) if console.rich.is_terminal and self._errors.is_terminal else None
        )
        self._loggers = [logging.getLogger(name) for name in ("cascade", "cascade progress")]

    def emit(self, record: logging.LogRecord) -> None:
        """Show one log record."""
        if record.levelno >= logging.WARNING:
            self._errors.print(f"cascade: {record.getMessage()}", markup=False, soft_wrap=True)
        elif self._status:
            self._status.update(record.getMessage())

    def __enter__(self) -> Progress:
        for logger in self._loggers:
            logger.setLevel(logging.INFO)
            logger.propagate = False
            logger.addHandler(self)
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()
        for logger in self._loggers:
            logger.removeHandler(self)
            logger.propagate = True
        self._stream.close()
