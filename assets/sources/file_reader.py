"""Reading CSV and Parquet files of data into typed rows.

Here: headers, column names, dates and numbers as text, and what makes a file or a line unreadable. A broken file fails
alone: it never costs another file a row. Which files there are, and which of them changed, is in `files`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd

from assets.contracts.errors import first_line
from assets.contracts.queries import query
from assets.contracts.table import Table, literal
from assets.sources.base import FetchResult, UnparsedRow

# What vendors call the date, and how they write an unknown value.
_DATE_NAMES = ("date", "observation_date", "timestamp", "datetime")
_UNKNOWN = ("", ".", "nan", "null", "none", "n/a", "na")
_GROUP_COLUMNS = ("group", "symbol", "valid_from", "valid_to")
# Types are not guessed: guessing takes longer than reading, and one odd row would change the type of a column.
_CSV_OPTIONS = (
    "auto_detect = false, header = false, skip = 1, delim = ',', quote = '\"', escape = '\"', "
    "null_padding = true, store_rejects = true, filename = true"
)


class UnreadableFile(Exception):
    """The file as a whole cannot be used. The message says why."""


@dataclass(frozen=True)
class Layout:
    """How the files of one folder become rows of one raw table.

    Attributes:
        folder: The name of the folder.
        table: The raw table.
        columns: Maps a column name of the file to that of the table. A file that lacks one is delivered with a note.
        any_of: At least one of these columns must be in the file.
        is_blank_unknown: Skip a row without any value instead of delivering it.
        is_zero_unknown: Skip a row with only zeros.
    """

    folder: str
    table: Table
    columns: Mapping[str, str]
    any_of: tuple[str, ...]
    is_blank_unknown: bool = False
    is_zero_unknown: bool = False


class _Shape(NamedTuple):
    """What files must have in common to be read together: the header, the columns to read, and the format."""

    header: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    suffix: str


def origin(path: Path) -> str:
    """The file as people should see it: folder and name."""
    return f"{path.parent.name}/{path.name}"


def read_files(
    reader: duckdb.DuckDBPyConnection, paths: list[Path], layout: Layout, adjusted: set[str]
) -> Iterator[FetchResult]:
    """Read files of one folder. Files of the same shape are read together, which is several times faster.

    Args:
        reader: A connection in the time zone of New York; it gets temporary tables.
        paths: The files. Their total size should fit in memory.
        layout: How to read them.
        adjusted: The ids whose closes are adjusted for dividends, so that only adj_close and volume are used.

    Yields:
        One result per file, in the order of `paths`. A file that cannot be read has a `failure` and no rows.
    """
    results: dict[Path, FetchResult] = {}
    same_shape: dict[_Shape, list[Path]] = {}
    for path in paths:
        try:
            header = _header(reader, path)
            names = _resolve_names(header, layout, path.stem)
        except UnreadableFile as error:
            results[path] = _failed(path, error)
            continue
        if path.stem in adjusted:
            names = {name: column for name, column in names.items() if name in ("date", "adj_close", "volume")}
        same_shape.setdefault(_Shape(tuple(header), tuple(names.items()), path.suffix.lower()), []).append(path)
    # With one list of ids for all frames of a batch, the frames can be joined without converting the ids.
    ids = pd.CategoricalDtype(list(dict.fromkeys(path.stem for path in paths)))
    for shape, same in same_shape.items():
        results.update(_read_together(reader, same, shape, layout, adjusted, ids))
    yield from (results[path] for path in paths)


def read_groups(reader: duckdb.DuckDBPyConnection, path: Path) -> FetchResult:
    """Read groups.csv: who belongs to which group of instruments, and from when to when."""
    try:
        names = _header(reader, path)
        missing = [name for name in _GROUP_COLUMNS if name not in names]
        if missing:
            raise UnreadableFile(f"no column {', '.join(missing)}; the header reads {_printable(names)}")
        with _reading(reader, path):
            reader.execute(
                f"create or replace temp table memberships as from {_lines([path], names)}",
                {"paths": _patterns([path])},
            )
        cells = {f"{name}_cell": _cell(names.index(name)) for name in _GROUP_COLUMNS}
        frame = reader.execute(query("checks/file_groups", **cells)).df()
    except (UnreadableFile, duckdb.ConversionException) as error:
        return FetchResult("groups", path.name, failure=f"{path.name}: {first_line(error)}")
    return FetchResult("groups", path.name, {"group_members": frame}, tuple(_unparsed_lines(reader).get(str(path), ())))


def _failed(path: Path, error: UnreadableFile) -> FetchResult:
    return FetchResult(path.stem, origin(path), failure=f"{origin(path)}: {error}")


def _read_together(
    reader: duckdb.DuckDBPyConnection,
    paths: list[Path],
    shape: _Shape,
    layout: Layout,
    adjusted: set[str],
    ids: pd.CategoricalDtype,
) -> dict[Path, FetchResult]:
    """The results of files of one shape."""
    try:
        with _reading(reader, paths[0]):
            rows = _typed_rows(reader, paths, shape, layout)
    except UnreadableFile as error:
        if len(paths) == 1:
            return {paths[0]: _failed(paths[0], error)}
        # One of them is broken: read one by one, so that only that one fails.
        results: dict[Path, FetchResult] = {}
        for path in paths:
            results.update(_read_together(reader, [path], shape, layout, adjusted, ids))
        return results
    unparsed = _unparsed_lines(reader)
    is_bad = rows["payload"].notna()
    if is_bad.any():
        bad = rows.loc[is_bad, ["place", layout.table.date_column, "payload"]]
        for place, day, payload in bad.itertuples(index=False):
            reason = "the date cannot be read" if pd.isna(day) else "a value is not a number"
            unparsed.setdefault(str(paths[place]), []).append(UnparsedRow(payload, reason))
        rows = rows[~is_bad]
    id_of_place = ids.categories.get_indexer([path.stem for path in paths])
    rows.insert(0, layout.table.key[0], pd.Categorical.from_codes(id_of_place[rows["place"]], dtype=ids))
    of_place = rows.groupby("place").indices
    rows = rows.drop(columns=["place", "payload"])
    found = dict(shape.names)
    missing = [name for name in layout.columns if name not in found]
    return {
        path: _result(
            path,
            layout.table,
            rows.take(of_place.get(place, [])),
            unparsed.get(str(path), []),
            [] if path.stem in adjusted else missing,
        )
        for place, path in enumerate(paths)
    }


def _result(
    path: Path, table: Table, frame: pd.DataFrame, unparsed: list[UnparsedRow], missing: list[str]
) -> FetchResult:
    """The result of one file; its failure names missing columns, and says so if no row has a value."""
    notes = [f"no column {', '.join(missing)}, so it stays unknown"] if missing else []
    if frame.empty and not unparsed:
        notes.append("no row in it has a value")
    failure = f"{origin(path)}: {'; '.join(notes)}" if notes else None
    return FetchResult(path.stem, origin(path), {table.name: frame}, tuple(unparsed), failure)


def _header(reader: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """The column names in lower case. Raises UnreadableFile for a file that is empty, binary or not a table."""
    if not path.is_file():
        raise UnreadableFile("it is not a file")
    try:
        if path.stat().st_size == 0:
            raise UnreadableFile("the file is empty")
        if path.suffix.lower() == ".parquet":
            described = reader.execute("describe select * from read_parquet(?)", [_pattern(path)])
            names = [row[0] for row in described.fetchall()]
        else:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                names = next(csv.reader(lines))
            _check_line_ends(path.read_bytes())
    except (OSError, duckdb.Error, UnicodeDecodeError, StopIteration, csv.Error) as error:
        raise UnreadableFile(f"not readable as {path.suffix[1:]} ({first_line(error)})") from error
    clean = [name.strip().lower().replace(" ", "_") for name in names]
    if len(set(clean)) < len(clean) or not all(clean):
        raise UnreadableFile(f"the header has an empty or repeated name: {_printable(clean)}")
    return clean


def _check_line_ends(text: bytes) -> None:
    """Raises UnreadableFile for what makes DuckDB skip lines silently, or fail without a useful reason."""
    if text.count(b'"') % 2:
        raise UnreadableFile("a quotation mark is opened and never closed")
    if 0 < text.count(b"\r\n") < text.count(b"\n"):
        raise UnreadableFile("some lines end in CR LF and some in LF only; save it with one kind of line end")


@contextmanager
def _reading(reader: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """Read files like `path`. Raises UnreadableFile if one of them cannot be read.

    CSV lines that do not fit the header end up in reject_errors.
    """
    for table in ("reject_errors", "reject_scans"):
        reader.execute(f"drop table if exists {table}")
    try:
        yield
    except duckdb.Error as error:
        raise UnreadableFile(f"not readable as {path.suffix[1:]} ({first_line(error)})") from error


def _lines(paths: list[Path], header: list[str]) -> str:
    """SQL for all rows of files ($paths) with the same header, as text: a `_cell` per column, and the file."""
    if paths[0].suffix.lower() == ".parquet":
        rows = "read_parquet($paths, filename = true)"
    else:
        columns = ", ".join(f"'column_{number}': 'varchar'" for number in range(len(header)))
        rows = f"read_csv($paths, {_CSV_OPTIONS}, columns = {{{columns}}})"
    cells = ", ".join(_cell(number) for number in range(len(header)))
    return f"(select columns(*)::varchar from {rows}) as lines({cells}, file)"


def _cell(number: int) -> str:
    """The name of a file's column in SQL. The name in the header may be any text, even a name that we use."""
    return f"cell_{number}"


def _patterns(paths: list[Path]) -> list[str]:
    return [_pattern(path) for path in paths]


def _pattern(path: Path) -> str:
    """The path as a pattern that matches only this file, whatever characters are in its name."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _resolve_names(header: list[str], layout: Layout, stem: str) -> dict[str, str]:
    """Per column to read, its name in the file. Raises UnreadableFile if there is no date or no value to read."""
    names = {name: name for name in layout.columns if name in header}
    if "value" in layout.columns and stem.lower() in header:  # FRED names the column after the series
        names["value"] = stem.lower()
    day = next((name for name in _DATE_NAMES if name in header), None)
    if day is None:
        raise UnreadableFile(f"no date column; the header reads {_printable(header)}")
    if not any(name in names for name in layout.any_of):
        raise UnreadableFile(f"no column {' or '.join(layout.any_of)}; the header reads {_printable(header)}")
    return {"date": day, **names}


def _typed_rows(reader: duckdb.DuckDBPyConnection, paths: list[Path], shape: _Shape, layout: Layout) -> pd.DataFrame:
    """The rows of files of one shape, one file after the other, including the bad ones.

    Columns: place (which of the `paths`, from 0), the table's date and values, and payload: the whole row as JSON if
    its date or a number cannot be read, else null.
    """
    header = list(shape.header)
    cells = {name: _cell(header.index(column)) for name, column in shape.names}
    day = cells.pop("date")
    unknown = ", ".join(map(literal, _UNKNOWN))
    # Only cells that did not become a number are looked at as text, which are few. IN would become a join, which looks
    # at every cell and loses the order of the rows.
    is_unknown = f"list_contains([{unknown}], lower(trim({{cell}})))"
    unreadable = " or ".join(
        f"coalesce(case when {_quoted(name)} is null then not {is_unknown.format(cell=cell)} end, false)"
        for name, cell in cells.items()
    )
    skipped = []
    if layout.is_blank_unknown:
        skipped.append(f"coalesce({', '.join(map(_quoted, cells))}) is null")
    if layout.is_zero_unknown:
        skipped.append(f"coalesce({' and '.join(f'{_quoted(name)} = 0' for name in cells)}, false)")
    payload = ", ".join(f"{_quoted(name)} := {_cell(number)}" for number, name in enumerate(header))
    statement = query(
        "checks/file_rows",
        lines=_lines(paths, header),
        day_cell=day,
        numbers=", ".join(f"try_cast({cell} as double) as {_quoted(name)}" for name, cell in cells.items()),
        is_unreadable=unreadable,
        date_column=str(layout.table.date_column),
        values=", ".join(f"{_quoted(name)} as {layout.columns[name]}" for name in cells),
        payload=f"struct_pack({payload})",
        is_skipped=" or ".join(skipped) or "false",
    )
    return reader.execute(statement, {"paths": _patterns(paths), "files": [str(path) for path in paths]}).df()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unparsed_lines(reader: duckdb.DuckDBPyConnection) -> dict[str, list[UnparsedRow]]:
    """Per file of the last read, the lines that do not fit the header."""
    unparsed: dict[str, list[UnparsedRow]] = {}
    if reader.execute("select 1 from duckdb_tables() where table_name = 'reject_errors'").fetchall():
        for file, line in reader.execute(query("checks/file_unparsed_lines")).fetchall():
            unparsed.setdefault(file, []).append(UnparsedRow(line, "the line does not fit the header"))
    return unparsed


def _printable(header: list[str]) -> str:
    """Column names on one line, whatever is in them."""
    return "".join(letter if letter.isprintable() else " " for letter in ", ".join(header)[:200])
