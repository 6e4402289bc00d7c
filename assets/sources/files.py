"""A folder of CSV or Parquet files as a source.

    equity/ID.csv       date, open, high, low, close, adj_close, volume   (date and close or adj_close are required)
    crypto/ID.csv       the same, in US dollars, per UTC day
    crypto_mcap/ID.csv  date, market_cap                                  (0 or blank means unknown)
    macro/ID.csv        date, value                                       (blank or '.' means no observation)
    groups.csv          group, symbol, valid_from, valid_to               (optional)
    MANIFEST.csv        kind, symbol, price_basis                         (optional)

The file name is the id of the instrument or series. Files whose id the universe does not list are delivered as well.
Set `price_basis` in the manifest to "OHLC and adj_close dividend-adjusted" for files whose closes are already adjusted
for dividends: only their adj_close and volume are used, because an adjusted close is not a price that was ever traded.

Here: finding the files, and what changed in them since they were last stored. Of a file that only grew, only the new
lines are read. Reading the text is in `file_reader`; whether a value is plausible is decided in `ingest`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb
import pandas as pd

from assets.config.calendars import NEW_YORK
from assets.contracts.errors import first_line
from assets.contracts.raw import RAW_TABLE
from assets.contracts.table import Table
from assets.sources.base import AssetClass, FetchRequest, FetchResult, SourceError
from assets.sources.file_reader import Layout, origin, read_files, read_groups

_SUFFIXES = (".csv", ".parquet")
# Files are read together up to this size: enough to be fast, far below the memory of all histories.
_BATCH_BYTES = 64_000_000
# A byte of Parquet holds about as much as this many bytes of text.
_PARQUET_WEIGHT = 6
_ADJUSTED_CLOSES = "ohlc and adj_close dividend-adjusted"

_BAR_COLUMNS = {name: name for name in ("open", "high", "low", "close", "adj_close", "volume")}
_LAYOUTS: dict[AssetClass, tuple[Layout, ...]] = {
    "equity": (Layout("equity", RAW_TABLE["equity_bars"], _BAR_COLUMNS, ("close", "adj_close")),),
    "crypto": (
        Layout("crypto", RAW_TABLE["crypto_bars"], _BAR_COLUMNS, ("close", "adj_close")),
        Layout(
            "crypto_mcap",
            RAW_TABLE["crypto_market_caps"],
            {"market_cap": "market_cap_usd"},
            ("market_cap",),
            is_blank_unknown=True,
            is_zero_unknown=True,
        ),
    ),
    "macro": (Layout("macro", RAW_TABLE["macro_observations"], {"value": "value"}, ("value",), is_blank_unknown=True),),
}


class FilesSource:
    """A folder with the layout that this module describes."""

    name = "files"
    is_synthetic = False
    has_clock = False

    def __init__(self, folder: Path) -> None:
        """Raises SourceError if the folder does not exist or has none of the expected folders in it."""
        self._folder = folder
        folders = [layout.folder for layouts in _LAYOUTS.values() for layout in layouts]
        if not folder.is_dir():
            raise SourceError(f"{folder} is not a folder; give --path a folder that holds {', '.join(folders)}")
        if not any((folder / name).is_dir() for name in folders):
            raise SourceError(f"{folder} has none of the folders {', '.join(folders)}; see the README for the layout")

    def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
        """Yield one result per file, in alphabetical order, with the state of the file. `request.since` is ignored."""
        adjusted = self._adjusted_ids()
        # Every file is read once, so a cache of their content would only take memory.
        with duckdb.connect(config={"enable_external_file_cache": False}) as reader:
            reader.execute(f"set timezone = '{NEW_YORK}'")
            wanted = [
                (layout, [path for path in self._files(layout.folder) if request.wants(path.stem)])
                for layout in _LAYOUTS[request.asset_class]
            ]
            total = sum(len(paths) for _, paths in wanted)
            for layout, paths in wanted:
                for batch in _batches(paths):
                    for result in _read_changes(reader, batch, layout, adjusted, request.seen):
                        yield replace(result, total=total)
            groups = self._folder / "groups.csv"
            if request.asset_class == "equity" and request.wants("groups") and groups.is_file():
                yield read_groups(reader, groups)

    def on_stored(self, asset_class: AssetClass) -> None:
        """Do nothing: this source keeps no cache."""

    def _files(self, folder: str) -> list[Path]:
        """Everything with the name of a data file. What turns out not to be a file fails later, with its name."""
        paths = (self._folder / folder).glob("*")
        return sorted(p for p in paths if p.suffix.lower() in _SUFFIXES and not p.name.startswith("."))

    def _adjusted_ids(self) -> set[str]:
        """The ids whose closes the manifest calls adjusted for dividends. Raises SourceError for a broken manifest."""
        path = self._folder / "MANIFEST.csv"
        if not path.is_file():
            return set()
        try:
            manifest = pd.read_csv(path, dtype=str)
            is_adjusted = manifest["price_basis"].str.lower().str.startswith(_ADJUSTED_CLOSES, na=False)
            return set(manifest.loc[is_adjusted, "symbol"])
        except KeyError as error:
            raise SourceError(f"{path} is not a manifest (no column {error}); correct it or remove it") from error
        except (OSError, ValueError) as error:
            raise SourceError(f"{path} is not a manifest ({first_line(error)}); correct it or remove it") from error


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


class _FileState(NamedTuple):
    """A file as it was read: how its closes were used, its number of bytes, and their hash."""

    closes: str
    size: int
    digest: str

    @classmethod
    def parse(cls, text: str) -> _FileState | None:
        """The state that `str` wrote; None for any other text."""
        parts = text.split(":")
        return cls(parts[0], int(parts[1]), parts[2]) if len(parts) == 3 and parts[1].isdigit() else None

    def __str__(self) -> str:
        return f"{self.closes}:{self.size}:{self.digest}"

    def has_grown_to(self, now: _FileState, content: bytes) -> bool:
        """Whether the file's content now is what it was, with whole lines appended."""
        return (
            self.closes == now.closes
            and 0 < self.size < now.size
            and content[self.size - 1 : self.size] == b"\n"
            and _digest(content[: self.size]) == self.digest
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_changes(
    reader: duckdb.DuckDBPyConnection, paths: list[Path], layout: Layout, adjusted: set[str], seen: Mapping[str, str]
) -> Iterator[FetchResult]:
    """Yield one result per file with what is new in it: nothing, the lines at its end, or the whole file."""
    nothing = {layout.table.name: pd.DataFrame()}
    unchanged: dict[Path, FetchResult] = {}
    states: dict[Path, str] = {}
    appended: dict[Path, Path] = {}
    with TemporaryDirectory() as folder:
        for path in paths:
            before = _FileState.parse(seen.get(origin(path), ""))
            try:
                content = path.read_bytes()
            except OSError:
                continue  # reading it below fails with the reason
            now = _FileState("adjusted" if path.stem in adjusted else "plain", len(content), _digest(content))
            states[path] = str(now)
            if now == before:
                unchanged[path] = FetchResult(path.stem, origin(path), nothing, is_continuation=True)
            elif before is not None and before.has_grown_to(now, content) and path.suffix.lower() == ".csv":
                # A file of the same name, with the header and the new lines only, is read in its place.
                end = Path(folder, path.parent.name, path.name)
                end.parent.mkdir(exist_ok=True)
                end.write_bytes(content[: content.index(b"\n") + 1] + content[before.size :])
                appended[path] = end
        to_read = [appended.get(path, path) for path in paths if path not in unchanged]
        results = dict(zip(to_read, read_files(reader, to_read, layout, adjusted), strict=True))
    for path in paths:
        if path in unchanged:
            yield unchanged[path]
        elif path in appended:
            yield _as_continuation(results[appended[path]], layout.table, states[path])
        else:
            yield replace(results[path], state=states.get(path))


def _as_continuation(result: FetchResult, table: Table, state: str) -> FetchResult:
    """The result of reading only the new lines of a file: it covers the days from the first of them on."""
    frame = result.tables.get(table.name)
    is_empty = frame is None or frame.empty
    return replace(
        result,
        state=state,
        is_continuation=True,
        since=None if frame is None or is_empty else frame[table.date_column].min().date(),
        # New lines without a value are no failure of a file that has values in other lines.
        failure=result.failure if result.unparsed or not is_empty else None,
    )
