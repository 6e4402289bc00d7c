"""All stored tables together, and the schemas that tables lie in.

Here: lists only. What a table holds is written in `raw`, `reference` and `meta`; derived tables describe themselves in
their SQL files.
"""

from __future__ import annotations

from assets.contracts.meta import META_TABLES
from assets.contracts.raw import RAW_TABLES
from assets.contracts.reference import REFERENCE_TABLES
from assets.contracts.table import Table

STORED_TABLES: tuple[Table, ...] = (*RAW_TABLES, *REFERENCE_TABLES, *META_TABLES)
STORED_TABLE = {table.full_name: table for table in STORED_TABLES}

SCHEMAS = ("raw", "reference", "core", "intermediate", "marts", "meta")

# What readers get: every version of the inputs, and all that is derived. The universe is in core; intermediate tables
# may change without notice.
PUBLISHED_SCHEMAS = ("raw", "core", "marts", "meta")
