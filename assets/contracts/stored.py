"""All stored tables together, and the schemas of all tables.

Here: lists only. The contracts are in `raw`, `reference` and `meta`; derived tables are described in their SQL files.
"""

from __future__ import annotations

from assets.contracts.meta import META_TABLES
from assets.contracts.raw import RAW_TABLES
from assets.contracts.reference import REFERENCE_TABLES
from assets.contracts.table import Table

STORED_TABLES: tuple[Table, ...] = (*RAW_TABLES, *REFERENCE_TABLES, *META_TABLES)
STORED_TABLE = {table.full_name: table for table in STORED_TABLES}

SCHEMAS = ("raw", "reference", "core", "intermediate", "marts", "meta")

# The schemas of the published file. The universe is in core. Intermediate tables are not published, as they may change
# without notice.
PUBLISHED_SCHEMAS = ("raw", "core", "marts", "meta")
