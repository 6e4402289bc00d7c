"""Frozen forecasts: what the tables said when a signal occurred is written down once and never changed.

Here: adding the new ones. What a forecast says, and how it is scored, is in the models.
"""

from __future__ import annotations

from assets.contracts.queries import query
from assets.contracts.reference import FROZEN_FORECASTS
from assets.warehouse.run import Run


def freeze(run: Run) -> int:
    """Add the forecasts of marts.forecasts that are not frozen yet. Returns their number.

    One statement adds all of them, so a failure adds none. A historical view adds none.
    """
    if run.as_of is not None:
        return 0
    added = run.connection.execute(
        f"insert into {FROZEN_FORECASTS.full_name} by name {query('publish/new_forecasts')}"
    ).fetchall()
    return int(added[0][0])
