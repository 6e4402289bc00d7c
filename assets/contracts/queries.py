"""The SQL files that make no table: the queries of checks (sql/checks), of publishing (sql/publish), and of the report
and the command line (sql/report).

Here: reading such a file and putting names into it. Files that become tables are read in `models.sql_files`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_ASSETS = Path(__file__).parents[1]
# In a checkout sql/ is next to the package; a wheel has it inside (setup.py).
SQL_FOLDER = next(folder for folder in (_ASSETS / "sql", _ASSETS.parent / "sql") if folder.is_dir())

_NAME = re.compile(r"\$([a-z][a-z0-9_]*)")


def query(name: str, **identifiers: str) -> str:
    """The text of a query.

    In the file, `$name` stands for a table, a column or a condition if it is among `identifiers`; every other `$name`
    is a value, which the caller binds when the query is executed.

    Args:
        name: Path below sql/ without its ending, for instance "checks/price_overlaps".
        identifiers: SQL that takes the place of `$name`. It must come from contracts, never from data.

    Returns:
        The SQL, ready to be executed with its values.

    Raises:
        KeyError: The file has no place for one of the identifiers.
    """
    text = _read(name)
    if missing := identifiers.keys() - set(_NAME.findall(text)):
        raise KeyError(f"sql/{name}.sql has no ${', $'.join(sorted(missing))}")
    return _NAME.sub(lambda match: identifiers.get(match[1], match[0]), text)


@cache
def _read(name: str) -> str:
    return (SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
