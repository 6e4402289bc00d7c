"""The ledger of forecasts: what the tables said when a signal came is written down once and never touched again.

Here: the one statement that adds to the ledger. What a forecast says, and how it is scored, stands in the models.
"""

from __future__ import annotations

from assets.contracts.reference import FROZEN_FORECASTS
from assets.warehouse.run import Run


def freeze(run: Run) -> int:
    """Add the forecasts of marts.forecasts that are not in the ledger yet. Returns how many.

    It is one statement, so all of them are added or none; a second time there is nothing to add. A look at the past
    adds nothing.
    """
    if run.as_of is not None:
        return 0
    # The responses behind a forecast are too many to be shown with it, so they come from where it was made. That may
    # have been built anew on its own since; a forecast that it no longer fits waits for a run that builds both.
    selected = ", ".join(
        f"{'bases' if column.name == 'responses' else 'forecasts'}.{column.name}" for column in FROZEN_FORECASTS.columns
    )
    added = run.connection.execute(
        f"""
        insert into {FROZEN_FORECASTS.full_name} by name
        select {selected}
        from marts.forecasts as forecasts
        inner join intermediate.forecast_bases as bases
            on {_same("bases", "forecasts")}
            and bases.trigger_at = forecasts.trigger_at
            and bases.n_events = forecasts.n_events
            and (bases.median, bases.low, bases.high)
                is not distinct from (forecasts.median, forecasts.low, forecasts.high)
        where not exists (select 1 from {FROZEN_FORECASTS.full_name} as frozen where {_same("frozen", "forecasts")})
        order by all
        """
    ).fetchall()
    return int(added[0][0])


def _same(one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} = {other}.{name}" for name in FROZEN_FORECASTS.key)
