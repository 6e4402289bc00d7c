"""The shape every source answers in.

Here: the `Source` protocol, the `FetchResult` it yields and nothing that knows a vendor. A source does its own parsing
and naming; it never judges whether a value is plausible (that is the contracts' and the screens' work) and never
touches the warehouse.
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
    """The source as a whole cannot be read. The message is one line and names the cure."""


@dataclass(frozen=True)
class UnparsedRow:
    """A row that cannot even be given a key (no readable date), kept word for word.

    `payload` is the row as JSON text, `reason` one sentence for the person who looks at meta.quarantine.
    """

    payload: str
    reason: str


@dataclass(frozen=True)
class FetchRequest:
    """What a run asks of a source.

    `since` gives, per id, the first day wanted; an id that is not in it is wanted whole. `only` names the ids wanted
    (None: all that the source has). `seen` gives, per origin, the state in which it was when it was last stored whole.
    """

    asset_class: AssetClass
    since: Mapping[str, date] = field(default_factory=dict)
    only: frozenset[str] | None = None
    seen: Mapping[str, str] = field(default_factory=dict)

    def wants(self, id_: str) -> bool:
        """Whether the id is asked for."""
        return self.only is None or id_ in self.only


@dataclass(frozen=True)
class FetchResult:
    """What a source has for one instrument or series, whole or from `since` on.

    `tables` maps the name of a raw contract ("equity_bars", "crypto_market_caps", ...) to a frame with the contract's
    own columns, without the book-keeping ones (source, captured_at, version). Dates are `datetime64`, numbers are
    `float64`, unknown is NaN. `origin` is where the rows came from, for people ("yahoo:^RUT", "equity/RUT.csv").
    `failure` is set when nothing, or not everything, could be had; what did arrive still counts.

    `since` is the first day that the delivery is about; None when it is the whole history. `state` is what a source
    that can tell says of the state of the origin; `is_continuation` that the origin still is what was seen before, and
    the tables hold only what it has more of, which may be nothing. `of` is how many deliveries the answer has in all,
    where the source knows it before.
    """

    id: str
    origin: str
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    rejected: tuple[UnparsedRow, ...] = ()
    failure: str | None = None
    since: date | None = None
    state: str | None = None
    is_continuation: bool = False
    of: int | None = None


# The name of the only source whose numbers no market made.
SYNTHETIC = "demo"


class Source(Protocol):
    """A place that market data comes from.

    `name` is the name of the home that it fills (data/<name>); `is_synthetic` marks data that no market made.
    `has_clock` is true when data is as of now (live), false when it is as of its own last session.
    """

    name: str
    is_synthetic: bool
    has_clock: bool

    def fetch(self, request: FetchRequest) -> Iterator[FetchResult]:
        """One delivery or more per instrument or series that is asked for, in a stable order.

        A source that cannot ask for less may deliver more. Raises SourceError when there is nothing to read at all.
        """
        ...

    def stored(self, asset_class: AssetClass) -> None:
        """Hears that what was fetched of the class is in the warehouse now, and need not be kept anywhere else."""
        ...


def is_synthetic(source_name: str) -> bool:
    """Whether a source's numbers are generated, by its name in meta.runs and in file manifests."""
    return source_name == SYNTHETIC
