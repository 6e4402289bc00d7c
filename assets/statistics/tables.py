"""Between tables and arrays: reading groups of rows as arrays, and writing rows as typed frames.

Here: what the table functions of this package share. What they compute is in the other modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import duckdb
import pandas as pd
from numpy.typing import NDArray

# The day of an entry as a number: days since 1970.
ENTRY_DAY = "entry_date - '1970-01-01'::date"


def groups_of(
    groups: duckdb.DuckDBPyRelation, members: duckdb.DuckDBPyRelation
) -> Iterator[tuple[tuple[Any, ...], dict[str, NDArray[Any]]]]:
    """The rows of each group as arrays.

    Args:
        groups: One row per group: its keys, and in the last column its number of rows.
        members: The rows of all groups, ordered by the keys of `groups`, without the keys.

    Yields:
        The keys of a group, and each column of its rows as an array (rows,), in order of the keys.
    """
    columns = members.fetchnumpy()
    end = 0
    for *keys, size in groups.order(", ".join(groups.columns[:-1])).fetchall():
        start, end = end, end + size
        yield tuple(keys), {name: column[start:end] for name, column in columns.items()}


def typed_frame(rows: Iterable[tuple[object, ...]], types: Mapping[str, str]) -> pd.DataFrame:
    """The rows as a frame with these columns and pandas types. An empty frame has the types, too."""
    return pd.DataFrame(list(rows), columns=list(types)).astype(dict(types))
