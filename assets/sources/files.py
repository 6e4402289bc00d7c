"""A folder of CSV or Parquet files as a source.

    equity/ID.csv       date, open, high, low, close, adj_close, volume   (date and one of the closes are enough)
    crypto/ID.csv       the same, in US dollars, per UTC day
    crypto_mcap/ID.csv  date, market_cap                                  (0 or blank means unknown)
    macro/ID.csv        date, value                                       (blank or '.' means no observation)
    groups.csv          group, symbol, valid_from, valid_to               (optional)
    MANIFEST.csv        kind, symbol, price_basis                         (optional)

Here: finding the files and turning their text into typed rows; any of them may be broken without harm to the others.
A file whose instrument the universe does not know is delivered all the same. Whether a value is plausible is judged
elsewhere. Of a file that only grew since it was last stored only the new lines are read. The manifest tells which
files hold closes that are already adjusted for dividends: of those only adj_close is taken, since such a close is not
the price that anybody paid.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb
import pandas as pd

from assets.config.calendars import NEW_YORK
from assets.contracts.raw import RAW_TABLE
from assets.contracts.table import Table
from assets.sources.base import AssetClass, FetchRequest, FetchResult, SourceError, UnparsedRow

_SUFFIXES = (".csv", ".parquet")
# What vendors call the date, and how they mark an unknown value.
_DATE_NAMES = ("date", "observation_date", "timestamp", "datetime")
_UNKNOWN = ("", ".", "nan", "null", "none", "n/a", "na")
# Files are read together up to this size: enough to be fast, far from the memory of a whole history.
_BATCH_BYTES = 64_000_000
# A byte of Parquet is as much as these of text.
_PARQUET_WEIGHT = 6
_ADJUSTED_CLOSES = "ohlc and adj_close dividend-adjusted"


class _Unreadable(Exception):
    """The file as a whole cannot be used. The message says why."""


@dataclass(frozen=True)
class _Layout:
    """How one folder's files become rows of one raw table.

    `columns` maps a name in the file to the table's; of `any_of` at least one must be there, and a file without one of
    the others is delivered with a note. `is_blank_unknown`: a row without a value is no row, rather than a bad one.
    """

    folder: str
    table: Table
    columns: Mapping[str, str]
    any_of: tuple[str, ...]
    is_blank_unknown: bool = False
    is_zero_unknown: bool = False


class _Look(NamedTuple):
    """What files must share to be read together: header, which column holds what, and the format."""

    header: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    suffix: str


_BAR_COLUMNS = {name: name for name in ("open", "high", "low", "close", "adj_close", "volume")}
_LAYOUTS: dict[AssetClass, tuple[_Layout, ...]] = {
    "equity": (_Layout("equity", RAW_TABLE["equity_bars"], _BAR_COLUMNS, ("close", "adj_close")),),
    "crypto": (
        _Layout("crypto", RAW_TABLE["crypto_bars"], _BAR_COLUMNS, ("close", "adj_close")),
        _Layout(
            "crypto_mcap",
            RAW_TABLE["crypto_market_caps"],
            {"market_cap": "market_cap_usd"},
            ("market_cap",),
            is_blank_unknown=True,
            is_zero_unknown=True,
        ),
    ),
    "macro": (
        _Layout("macro", RAW_TABLE["macro_observations"], {"value": "value"}, ("value",), is_blank_unknown=True),
    ),
}


class FilesSource:
    """A folder laid out as the module says."""

    name = "files"
    is_synthetic = False
    has_clock = False

    def __init__(self, folder: Path) -> None:
        """Raises SourceError when there is no such folder, or none of the expected ones in it."""
        self._folder = folder
        folders = [layout.folder for layouts in _LAYOUTS.values() for layout in layouts]
        if not folder.is_dir():
            raise SourceError(f"{folder} is not a folder; give --path a folder that holds {', '.join(folders)}")
        if not any((folder / name).is_dir() for name in folders):
            raise SourceError(f"{folder} has none of the folders {', '.join(folders)}; see the README for the layout")

    def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
        """One delivery per file, in alphabetical order, with the file's state; `since` is not needed for files."""
        adjusted = self._adjusted_closes()
        # Every file is read once; to keep what was read of all of them would take the memory of a history.
        with duckdb.connect(config={"enable_external_file_cache": False}) as reader:
            reader.execute(f"set timezone = '{NEW_YORK}'")
            wanted = [
                (layout, [path for path in self._files(layout.folder) if request.wants(path.stem)])
                for layout in _LAYOUTS[request.asset_class]
            ]
            number = sum(len(paths) for _, paths in wanted)
            for layout, paths in wanted:
                for batch in _batches(paths):
                    for delivery in _read_news(reader, batch, layout, adjusted, request.seen):
                        yield replace(delivery, total=number)
            if request.asset_class == "equity" and request.wants("groups"):
                yield from self._groups(reader)

    def on_stored(self, asset_class: AssetClass) -> None:
        """Nothing is kept: the files stay where they are."""

    def _files(self, folder: str) -> list[Path]:
        """Everything that is named like a file of data; what is none fails later, with its name."""
        paths = (self._folder / folder).glob("*")
        return sorted(p for p in paths if p.suffix.lower() in _SUFFIXES and not p.name.startswith("."))

    def _adjusted_closes(self) -> set[str]:
        path = self._folder / "MANIFEST.csv"
        if not path.is_file():
            return set()
        try:
            manifest = pd.read_csv(path, dtype=str)
            is_adjusted = manifest["price_basis"].str.lower().str.startswith(_ADJUSTED_CLOSES, na=False)
            return set(manifest.loc[is_adjusted, "symbol"])
        except KeyError as error:
            raise SourceError(f"{path} is no manifest (no column {error}); correct it or remove it") from error
        except (OSError, ValueError) as error:
            raise SourceError(f"{path} is no manifest ({_first_line(error)}); correct it or remove it") from error

    def _groups(self, reader: duckdb.DuckDBPyConnection) -> Iterator[FetchResult]:
        path = self._folder / "groups.csv"
        if not path.is_file():
            return
        try:
            names = _header(reader, path)
            missing = [name for name in ("group", "symbol", "valid_from", "valid_to") if name not in names]
            if missing:
                raise _Unreadable(f"no column {', '.join(missing)}; the header reads {_shown(names)}")
            with _reading(reader, path):
                reader.execute(
                    f"create or replace temp table memberships as from {_lines([path], names)}",
                    {"paths": _literals([path])},
                )
            group, symbol, valid_from, valid_to = (
                _cell(names.index(name)) for name in ("group", "symbol", "valid_from", "valid_to")
            )
            frame = reader.execute(
                f"""
                select
                    trim({group}) as group_id,
                    trim({symbol}) as instrument_id,
                    {valid_from}::date as valid_from,
                    nullif(trim({valid_to}), '')::date as valid_to
                from memberships
                """
            ).df()
        except (_Unreadable, duckdb.ConversionException) as error:
            yield FetchResult("groups", path.name, failure=f"{path.name}: {_first_line(error)}")
        else:
            unfit = tuple(_unfit(reader).get(str(path), ()))
            yield FetchResult("groups", path.name, {"group_members": frame}, unfit)


def _batches(paths: list[Path]) -> Iterator[list[Path]]:
    """The files in order, a bounded number of bytes at a time."""
    batch: list[Path] = []
    size = 0
    for path in paths:
        batch.append(path)
        weight = _PARQUET_WEIGHT if path.suffix.lower() == ".parquet" else 1
        size += weight * path.stat().st_size if path.is_file() else 0
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_news(
    reader: duckdb.DuckDBPyConnection, paths: list[Path], layout: _Layout, adjusted: set[str], seen: Mapping[str, str]
) -> Iterator[FetchResult]:
    """One delivery per file of what is new in it: nothing, the lines at its end, or the whole file."""
    nothing = {layout.table.name: pd.DataFrame()}
    unchanged: dict[Path, FetchResult] = {}
    states: dict[Path, str] = {}
    ends: dict[Path, Path] = {}
    with TemporaryDirectory() as folder:
        for path in paths:
            before = _State.parse(seen.get(_origin(path), ""))
            try:
                content = path.read_bytes()
            except OSError:
                continue  # it is read below, and named there for what it is
            now = _State("adjusted" if path.stem in adjusted else "plain", len(content), _digest(content))
            states[path] = str(now)
            if now == before:
                unchanged[path] = FetchResult(path.stem, _origin(path), nothing, is_continuation=True)
            elif before is not None and before.has_grown_to(now, content) and path.suffix.lower() == ".csv":
                # A file of the same name with the header and the new lines is read in its place.
                end = Path(folder, path.parent.name, path.name)
                end.parent.mkdir(exist_ok=True)
                end.write_bytes(content[: content.index(b"\n") + 1] + content[before.size :])
                ends[path] = end
        to_read = [ends.get(path, path) for path in paths if path not in unchanged]
        read = dict(zip(to_read, _read_batch(reader, to_read, layout, adjusted), strict=True))
    for path in paths:
        if path in unchanged:
            yield unchanged[path]
        elif path in ends:
            yield _as_end(read[ends[path]], layout.table, states[path])
        else:
            yield replace(read[path], state=states.get(path))


class _State(NamedTuple):
    """What a file was when it was read: how its closes were taken, its bytes, and their hash."""

    closes: str
    size: int
    digest: str

    @classmethod
    def parse(cls, text: str) -> _State | None:
        """The state that `str` wrote; None for anything else."""
        parts = text.split(":")
        return cls(parts[0], int(parts[1]), parts[2]) if len(parts) == 3 and parts[1].isdigit() else None

    def __str__(self) -> str:
        return f"{self.closes}:{self.size}:{self.digest}"

    def has_grown_to(self, now: _State, content: bytes) -> bool:
        """Whether the file is what it was, with more lines at the end."""
        return (
            self.closes == now.closes
            and 0 < self.size < now.size
            and content[self.size - 1 : self.size] == b"\n"
            and _digest(content[: self.size]) == self.digest
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_end(delivery: FetchResult, table: Table, state: str) -> FetchResult:
    """The delivery of the new lines of a file, which are about the days from the first of them on."""
    frame = delivery.tables.get(table.name)
    is_empty = frame is None or frame.empty
    return replace(
        delivery,
        state=state,
        is_continuation=True,
        since=None if frame is None or is_empty else frame[table.date_column].min().date(),
        # Lines without a value are nothing new, and no fault of a file that has others.
        failure=delivery.failure if delivery.rejected or not is_empty else None,
    )


def _read_batch(
    reader: duckdb.DuckDBPyConnection, paths: list[Path], layout: _Layout, adjusted: set[str]
) -> Iterator[FetchResult]:
    """One delivery per file. Files that look alike are read in one go, which is several times faster."""
    deliveries: dict[Path, FetchResult] = {}
    alike: dict[_Look, list[Path]] = {}
    for path in paths:
        try:
            header = _header(reader, path)
            resolved = _resolve_names(header, layout, path.stem)
        except _Unreadable as error:
            deliveries[path] = FetchResult(path.stem, _origin(path), failure=f"{_origin(path)}: {error}")
            continue
        if path.stem in adjusted:
            resolved = {name: column for name, column in resolved.items() if name in ("date", "adj_close", "volume")}
        alike.setdefault(_Look(tuple(header), tuple(resolved.items()), path.suffix.lower()), []).append(path)
    # With one list of ids for all frames of a batch they go together again as they are.
    ids = pd.CategoricalDtype(list(dict.fromkeys(path.stem for path in paths)))
    for look, same in alike.items():
        deliveries.update(_read_alike(reader, same, look, layout, adjusted, ids))
    yield from (deliveries[path] for path in paths)


def _read_alike(
    reader: duckdb.DuckDBPyConnection,
    paths: list[Path],
    look: _Look,
    layout: _Layout,
    adjusted: set[str],
    ids: pd.CategoricalDtype,
) -> dict[Path, FetchResult]:
    names = dict(look.names)
    deliveries: dict[Path, FetchResult] = {}
    try:
        with _reading(reader, paths[0]):
            rows = _typed(reader, paths, look, layout)
    except _Unreadable as error:
        if len(paths) == 1:
            return {paths[0]: FetchResult(paths[0].stem, _origin(paths[0]), failure=f"{_origin(paths[0])}: {error}")}
        # One of them is broken: read one by one, so that only that one fails.
        for path in paths:
            deliveries.update(_read_alike(reader, [path], look, layout, adjusted, ids))
        return deliveries
    rejected = _unfit(reader)
    is_bad = rows["payload"].notna()
    if is_bad.any():
        for place, day, payload in rows.loc[is_bad, ["place", layout.table.date_column, "payload"]].itertuples(
            index=False
        ):
            reason = "the date cannot be read" if pd.isna(day) else "a value is not a number"
            rejected.setdefault(str(paths[place]), []).append(UnparsedRow(payload, reason))
        rows = rows[~is_bad]
    id_of_place = ids.categories.get_indexer([path.stem for path in paths])
    rows.insert(0, layout.table.key[0], pd.Categorical.from_codes(id_of_place[rows["place"]], dtype=ids))
    of_place = rows.groupby("place").indices
    rows = rows.drop(columns=["place", "payload"])
    for place, path in enumerate(paths):
        frame = rows.take(of_place.get(place, []))
        missing = [] if path.stem in adjusted else [name for name in layout.columns if name not in names]
        notes = [f"no column {', '.join(missing)}, so it stays unknown"] if missing else []
        if frame.empty and str(path) not in rejected:
            notes.append("no row in it has a value")
        deliveries[path] = FetchResult(
            path.stem,
            _origin(path),
            {layout.table.name: frame},
            tuple(rejected.get(str(path), ())),
            f"{_origin(path)}: {'; '.join(notes)}" if notes else None,
        )
    return deliveries


def _origin(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _header(reader: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """The column names in lower case. Raises _Unreadable for a file that is empty, binary or no table at all."""
    if not path.is_file():
        raise _Unreadable("it is no file")
    try:
        if path.stat().st_size == 0:
            raise _Unreadable("the file is empty")
        if path.suffix.lower() == ".parquet":
            described = reader.execute("describe select * from read_parquet(?)", [_literal(path)])
            names = [row[0] for row in described.fetchall()]
        else:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                names = next(csv.reader(lines))
            _check_lines(path.read_bytes())
    except (OSError, duckdb.Error, UnicodeDecodeError, StopIteration, csv.Error) as error:
        raise _Unreadable(f"not readable as {path.suffix[1:]} ({_first_line(error)})") from error
    clean = [name.strip().lower().replace(" ", "_") for name in names]
    if len(set(clean)) < len(clean) or not all(clean):
        raise _Unreadable(f"the header has an empty or repeated name: {_shown(clean)}")
    return clean


def _check_lines(text: bytes) -> None:
    """Raises _Unreadable for what makes the database lose lines without a word, or fail without a reason."""
    if text.count(b'"') % 2:
        raise _Unreadable("a quotation mark is opened and never closed")
    if 0 < text.count(b"\r\n") < text.count(b"\n"):
        raise _Unreadable("some lines end in CR LF and some in LF only; save it with one kind of line end")


@contextmanager
def _reading(reader: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """Read files like `path`. Raises _Unreadable when one of them cannot be read.

    CSV lines that do not fit the header end up in reject_errors.
    """
    for table in ("reject_errors", "reject_scans"):
        reader.execute(f"drop table if exists {table}")
    try:
        yield
    except duckdb.Error as error:
        raise _Unreadable(f"not readable as {path.suffix[1:]} ({_first_line(error)})") from error


def _lines(paths: list[Path], header: list[str]) -> str:
    """SQL for all rows of files ($paths) with the same header, as text: a `_cell` per column, and the file."""
    if paths[0].suffix.lower() == ".parquet":
        rows = "read_parquet($paths, filename = true)"
    else:
        # Types are not guessed: guessing takes longer than reading, and one odd row would change a column's type.
        columns = ", ".join(f"'column_{number}': 'varchar'" for number in range(len(header)))
        rows = f"""read_csv(
            $paths, auto_detect = false, header = false, skip = 1, delim = ',', quote = '"', escape = '"',
            null_padding = true, store_rejects = true, filename = true, columns = {{{columns}}}
        )"""
    cells = ", ".join(_cell(number) for number in range(len(header)))
    return f"(select columns(*)::varchar from {rows}) as lines({cells}, file)"


def _cell(number: int) -> str:
    """The name of a file's column in SQL. What the header calls it may be anything, even a name of ours."""
    return f"cell_{number}"


def _literals(paths: list[Path]) -> list[str]:
    return [_literal(path) for path in paths]


def _literal(path: Path) -> str:
    """The path as the database takes it for itself rather than for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _resolve_names(header: list[str], layout: _Layout, stem: str) -> dict[str, str]:
    """Which column of the file holds what. Raises _Unreadable when there is no date or nothing to read."""
    names = {name: name for name in layout.columns if name in header}
    if "value" in layout.columns and stem.lower() in header:  # FRED names the column after the series
        names["value"] = stem.lower()
    day = next((name for name in _DATE_NAMES if name in header), None)
    if day is None:
        raise _Unreadable(f"no date column; the header reads {_shown(header)}")
    if not any(name in names for name in layout.any_of):
        raise _Unreadable(f"no column {' or '.join(layout.any_of)}; the header reads {_shown(header)}")
    return {"date": day, **names}


def _typed(reader: duckdb.DuckDBPyConnection, paths: list[Path], look: _Look, layout: _Layout) -> pd.DataFrame:
    """The rows of files that look alike, one file after the other: those with a date and readable numbers, and the bad.

    Columns: place (which of the `paths`, from 0), the table's date and values, and payload: of a bad row all that it
    says, as JSON; null for the others.
    """
    header = list(look.header)
    cells = {name: _cell(header.index(column)) for name, column in look.names}
    day = cells.pop("date")
    unknown = ", ".join(f"'{mark}'" for mark in _UNKNOWN)
    # Only what did not become a number is looked at as text: that is a hundred times rarer. The database would make a
    # join of IN, look at everything, and forget the order of the rows.
    unreadable = " or ".join(
        f'coalesce(case when "{name}" is null then not list_contains([{unknown}], lower(trim({cell}))) end, false)'
        for name, cell in cells.items()
    )
    skipped = []
    if layout.is_blank_unknown:
        skipped.append(f"coalesce({', '.join(map(_named, cells))}) is null")
    if layout.is_zero_unknown:
        skipped.append(f"coalesce({' and '.join(f'{_named(name)} = 0' for name in cells)}, false)")
    said = ", ".join(f"{_named(name)} := {_cell(number)}" for number, name in enumerate(header))
    return reader.execute(
        f"""
        with typed as (
            select
                *,
                -- A date may come with a time: midnight in New York, written in UTC.
                coalesce(try_cast({day} as date), try_cast({day} as timestamptz)::date) as any_day,
                {", ".join(f"try_cast({cell} as double) as {_named(name)}" for name, cell in cells.items())}
            from {_lines(paths, header)}
        ),
        judged as (
            select
                *,
                -- The database also takes "infinity" and the year 20250 for dates.
                if(any_day between date '0001-01-01' and date '9999-12-31', any_day, null) as day,
                day is null or {unreadable} as is_bad
            from typed
        )
        select
            list_position($files, file)::integer - 1 as place,
            day as {layout.table.date_column},
            {", ".join(f"{_named(name)} as {layout.columns[name]}" for name in cells)},
            case when is_bad then to_json(struct_pack({said}))::varchar end as payload
        from judged
        where is_bad or not ({" or ".join(skipped) or "false"})
        """,
        {"paths": _literals(paths), "files": [str(path) for path in paths]},
    ).df()


def _named(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unfit(reader: duckdb.DuckDBPyConnection) -> dict[str, list[UnparsedRow]]:
    """Per file, the lines that the last _load could not bring under the header."""
    rejected: dict[str, list[UnparsedRow]] = {}
    if reader.execute("select 1 from duckdb_tables() where table_name = 'reject_errors'").fetchall():
        lines = reader.execute(
            """
            select distinct reject_scans.file_path, csv_line
            from reject_errors
            inner join reject_scans
                on reject_scans.scan_id = reject_errors.scan_id
                and reject_scans.file_id = reject_errors.file_id
            order by all
            """
        ).fetchall()
        for file, line in lines:
            rejected.setdefault(file, []).append(UnparsedRow(line, "the line does not fit the header"))
    return rejected


def _shown(header: list[str]) -> str:
    """Column names on one line, whatever is in them."""
    return "".join(letter if letter.isprintable() else " " for letter in ", ".join(header)[:200])


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
