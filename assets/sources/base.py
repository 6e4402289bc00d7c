"""The interface between a source of market data and the pipeline.

Here: the `Source` protocol, the `FetchRequest` that a source gets and the `FetchResult` that it returns. A source
parses what its vendor sends and names the columns. It does not judge whether a value is plausible (`ingest` does), and
it never touches the warehouse. Nothing in this module knows a vendor.

A minimal source, which reads closes of one coin from a CSV file:

    class OneCoin:
        name = "onecoin"         # its data goes to data/onecoin
        is_synthetic = False
        has_clock = False        # a file is as of its last session, not as of now

        def __init__(self, path: Path) -> None:
            self._path = path

        def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
            if request.asset_class != "crypto" or not request.wants("BTC"):
                return
            rows = pd.read_csv(self._path, parse_dates=["date"])
            bars = pd.DataFrame({"instrument_id": "BTC", "session_date": rows["date"], "close": rows["close"]})
            yield FetchResult("BTC", str(self._path), {"crypto_bars": bars})

        def on_stored(self, asset_class: AssetClass) -> None:
            pass                 # it keeps nothing between runs

Then list and construct it in `pipelines.settings`, and `cascade run --source onecoin` works. If its data is generated,
also add its name to `SYNTHETIC_SOURCES` below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import pandas as pd

AssetClass = Literal["equity", "crypto", "macro"]
ASSET_CLASSES: tuple[AssetClass, ...] = ("equity", "crypto", "macro")


class SourceError(Exception):
    """The source as a whole cannot be read. The message is one line that says what is wrong and how to fix it."""


@dataclass(frozen=True)
class UnparsedRow:
    """A row that has no usable key, for instance because its date cannot be read. It goes to meta.quarantine.

    Attributes:
        payload: The row as it arrived: JSON text, or the line of the file.
        reason: Why it could not be parsed, in one sentence.
    """

    payload: str
    reason: str


@dataclass(frozen=True)
class FetchRequest:
    """What a run requests from a source: one asset class.

    Attributes:
        asset_class: The class to deliver.
        since: Per id, the first day to deliver. Deliver the full history of an id that is not in it.
        only: The ids to deliver; None for every id that the source has.
        seen: Per origin, its `FetchResult.state` when everything from it was last stored. A source that reports
            states can skip what has not changed since; other sources ignore it.
    """

    asset_class: AssetClass
    since: Mapping[str, date] = field(default_factory=dict)
    only: frozenset[str] | None = None
    seen: Mapping[str, str] = field(default_factory=dict)

    def wants(self, id_: str) -> bool:
        """Whether the id is requested."""
        return self.only is None or id_ in self.only


@dataclass(frozen=True)
class FetchResult:
    """What a source has for one instrument or series. An id may have several results, say prices and market values.

    Attributes:
        id: The instrument or series.
        origin: Where the rows come from, for people: "yahoo:^RUT", "equity/RUT.csv".
        tables: Per raw table ("equity_bars", "crypto_market_caps", ...; see `contracts.raw`) a frame with that table's
            own columns, without source, captured_at and version. Dates are datetime64, numbers are float64, NaN means
            unknown. A column that is left out is unknown in every row.
        unparsed: Rows that could not be parsed.
        failure: Why nothing, or not everything, could be fetched; None if all went well. The rows that did arrive are
            stored all the same.
        may_pass: True if the same request may succeed a little later: the vendor could not be reached, did not answer,
            or asked to wait.
        since: The first day that the result covers; None for the day that was requested, or for the full history if
            no day was. A stored row of a covered day that is not delivered counts as vanished.
        state: Any text that changes when the origin changes (a hash, a version, an ETag). It comes back in
            `FetchRequest.seen` on the next run. None if the source cannot tell.
        is_continuation: True if the origin still holds what it held in the `seen` state, and `tables` holds only the
            rows that were added since, if any.
        total: How many results this fetch yields in all, for the progress display; None if not known beforehand.
    """

    id: str
    origin: str
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    unparsed: tuple[UnparsedRow, ...] = ()
    failure: str | None = None
    may_pass: bool = False
    since: date | None = None
    state: str | None = None
    is_continuation: bool = False
    total: int | None = None


# The synthetic market that comes with Cascade.
DEMO = "demo"
# The sources whose numbers no market made. A published file records only the name of its source, so add the name of
# every new source with is_synthetic = True.
SYNTHETIC_SOURCES = frozenset({DEMO})


class Source(Protocol):
    """A place that market data comes from.

    Attributes:
        name: The value of `--source`, and the folder of its data: data/<name>.
        is_synthetic: True for generated data. Everything published from it says "synthetic", if its name is in
            `SYNTHETIC_SOURCES`.
        has_clock: True if the data is as of now (a live market), False if it is as of its own last session (files).
    """

    name: str
    is_synthetic: bool
    has_clock: bool

    def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
        """Yield at least one result per requested instrument or series, always in the same order.

        A source may deliver more days than requested, never fewer. If one id cannot be fetched, yield a result with a
        `failure` and go on with the next.

        Args:
            request: The asset class, and optionally which ids and days of it.

        Yields:
            One `FetchResult` after the other, as they arrive.

        Raises:
            SourceError: There is nothing to read at all.
        """
        ...

    def on_stored(self, asset_class: AssetClass) -> None:
        """Called when everything fetched of the class is in the warehouse, so that caches of it can be dropped."""
        ...


def shown_name(source: Source) -> str:
    """The source's name for readers, marked if its data is synthetic."""
    return source.name + (" (synthetic)" if source.is_synthetic else "")


def is_synthetic(source_name: str) -> bool:
    """Whether a source's numbers are generated, by its name in meta.runs and in file manifests."""
    return source_name in SYNTHETIC_SOURCES
