"""How each symbol's delivery went: meta.deliveries and meta.source_states.

Here: which ids failed because every row was rejected or because they were not delivered, and what is remembered of a
delivery for readers and for the next run. The rows themselves are stored in `store`.
"""

from __future__ import annotations

import pandas as pd

from assets.ingest import fetch_plan
from assets.ingest.stage import Fetched, registered, staging


def fail_rejected_ids(fetched: Fetched) -> None:
    """Mark an id as failed if a table accepted no row of it, whatever other tables accepted."""
    for table in fetched.tables:
        # Rows without a readable date never reached the staging table.
        reasons = {row.id: row.reason for row in fetched.unparsed if row.table_name == table.full_name}
        for id_, rows, rejected, reason in fetched.run.connection.execute(
            f"select coalesce({table.key[0]}, ''), count(*), count(rejected_because), max(rejected_because) "
            f"from {staging(table)} group by all"
        ).fetchall():
            reasons.pop(id_, None)
            if rows == rejected:
                reasons[id_] = reason
        for id_, reason in sorted(reasons.items()):
            if reason not in fetched.result.failures.get(id_, ""):
                fetched.result.fail(id_, f"every row for {table.full_name} was rejected: {reason}")


def fail_missing_ids(fetched: Fetched) -> None:
    """Mark an id as failed if it was delivered before and is not now, unless it has ended or is no longer listed.

    If the run names its symbols, those that the universe lists in this class must be delivered.
    """
    run, result, asset_class = fetched.run, fetched.result, fetched.request.asset_class
    if fetched.request.only is not None:
        of_class = {i.id for i in run.universe.instruments if i.asset_class == asset_class}
        if asset_class == "macro":
            of_class |= {series.id for series in run.universe.series}
        for id_ in sorted((fetched.request.only & of_class) - fetched.origins.keys()):
            result.fail(id_, "not delivered")
        return
    listed = {item.id for item in run.universe.instruments} | {s.id for s in run.universe.series}
    ended = {item.id for item in run.universe.instruments if item.valid_to is not None}
    for id_, origin in run.connection.execute(
        "select id, origin from meta.deliveries where asset_class = ? order by id", [asset_class]
    ).fetchall():
        is_wanted = id_ in listed or not run.source.has_clock
        if id_ not in fetched.origins and is_wanted and id_ not in ended:
            fetched.origins[id_] = origin
            result.rows_delivered[id_] = 0
            result.fail(id_, "no longer delivered, stored data kept")


def record_deliveries(fetched: Fetched) -> None:
    """Write how each delivery went. An id without anything new, or that was not requested, keeps its row."""
    result, connection = fetched.result, fetched.run.connection
    columns = ["asset_class", "id", "origin", "rows_delivered", "rows_quarantined", "failure"]
    rows = [
        (
            result.asset_class,
            id_,
            fetched.origins[id_],
            rows,
            result.rows_rejected.get(id_, 0),
            result.failures.get(id_),
        )
        for id_, rows in result.rows_delivered.items()
    ]
    frame = pd.DataFrame(rows, columns=columns).astype({"failure": "object"})
    with registered(connection, "new_deliveries", frame):
        connection.execute(
            "delete from meta.deliveries where asset_class = ? and id in (select id from new_deliveries)",
            [result.asset_class],
        )
        connection.execute("insert into meta.deliveries by name select * from new_deliveries")
    # An origin that is unchanged since everything in it was stored has no failure any more.
    healed = {id_ for ids in result.continued.values() for id_ in ids} - result.rows_delivered.keys()
    connection.execute(
        "update meta.deliveries set failure = null where asset_class = ? and list_contains(?, id)",
        [result.asset_class, sorted(healed)],
    )


def record_states(fetched: Fetched) -> None:
    """Remember the states of the origins from which everything good is stored, so that they are not read again."""
    run, asset_class, states = fetched.run, fetched.request.asset_class, fetched.states
    if not states:
        return
    run.connection.execute(
        "delete from meta.source_states where asset_class = ? and list_contains(?, origin)",
        [asset_class, list(states)],
    )
    rules = fetch_plan.rules_hash(run)
    complete = [
        {"asset_class": asset_class, "origin": origin, "state": state, "rules": rules}
        for origin, (id_, state) in states.items()
        if id_ not in fetched.result.failures
    ]
    if complete:
        with registered(run.connection, "new_states", pd.DataFrame(complete)):
            run.connection.execute("insert into meta.source_states by name from new_states")
