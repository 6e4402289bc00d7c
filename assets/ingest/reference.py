"""The reference tables: universe, claims and parameters, sessions, releases and the clock.

Here: writing configuration and calendars into tables, so that SQL can read them. No price is read here.
"""

from __future__ import annotations

import re
from datetime import date

import duckdb
import pandas as pd

from assets.config import calendars
from assets.config.claims import Claim, ClaimsBook, ClaimsError, load_claims
from assets.config.parameters import PARAMETER_NAME, Parameters, with_unit
from assets.config.universe import Universe
from assets.contracts.raw import RAW_TABLE, RAW_TABLES
from assets.contracts.stored import STORED_TABLES
from assets.warehouse.connection import replace_rows, transaction
from assets.warehouse.run import Run

_TABLE = {table.full_name: table for table in STORED_TABLES}


class ClockError(Exception):
    """The run has no valid as-of date. The message is one line that says what to do."""


def write_universe(run: Run) -> dict[str, int]:
    """Replace the tables that come from the universe, claims and parameter files. Returns the rows per table.

    Raises ClaimsError if a claim names a parameter that does not exist.
    """
    parameters = [{"name": name, **parameter.model_dump()} for name, parameter in run.parameters.items()]
    claims = _claims_rows(load_claims(), run.parameters)
    tables = {**_universe_rows(run.universe), **claims, "meta.parameters": parameters}
    with transaction(run.connection):
        for name, rows in tables.items():
            # The columns come from the contract, because there may be no row to take them from.
            replace_rows(run.connection, name, pd.DataFrame(rows, columns=[c.name for c in _TABLE[name].columns]))
    return {name: len(rows) for name, rows in tables.items()}


def write_sessions(run: Run) -> int:
    """Write reference.sessions if the calendar library or the last day changed. Returns the number of sessions.

    They reach to the end of next year, so that future sessions are known too.
    """
    last_day = date(run.started_at.year + 1, 12, 31)
    build = (calendars.library_version(), last_day)
    connection = run.connection
    if connection.execute("select library_version, last_day from reference.session_builds").fetchall() != [build]:
        with transaction(connection):
            replace_rows(connection, "reference.sessions", calendars.sessions(last_day))
            replace_rows(
                connection,
                "reference.session_builds",
                pd.DataFrame({"library_version": [build[0]], "last_day": [pd.Timestamp(last_day)]}),
            )
    return _count(connection, "reference.sessions")


def write_clock(run: Run) -> date:
    """Set the as-of instant of everything derived, and return its day.

    It is the end of the day given by --as-of; else now for a live source; else the end of the last stored session.
    Raises ClockError if no price is stored, or none is as old as --as-of.
    """
    span = _span_of_bars(run.connection)
    if run.as_of is not None:
        if span is not None and run.as_of < span[0]:
            raise ClockError(f"no data as of {run.as_of}: the first price is of {span[0]}; choose a later day")
        as_of, as_of_at = run.as_of, calendars.end_of_day(run.as_of)
    elif run.source.has_clock:
        as_of, as_of_at = run.started_at.date(), run.started_at
    else:
        if span is None:
            raise ClockError("no price is stored, so there is no as-of date; check the source")
        as_of = span[1]
        as_of_at = min(calendars.end_of_day(as_of), run.started_at)
    frame = pd.DataFrame({"as_of": [pd.Timestamp(as_of)], "as_of_at": [pd.Timestamp(as_of_at)]})
    with transaction(run.connection):
        replace_rows(run.connection, "reference.clock", frame)
    return as_of


def require_current_clock(run: Run) -> None:
    """Check that no raw row is newer than the clock that the tables are built as of.

    Raises:
        ClockError: The clock was never set, or was set before the newest rows were stored.
    """
    clock = run.connection.execute("select as_of, as_of_at from reference.clock").fetchall()
    if not clock:
        raise ClockError("the clock was never set; materialise reference/clock and what follows from it")
    as_of, as_of_at = clock[0]
    if run.as_of is None and run.source.has_clock:
        captures = " union all ".join(
            f"select max(captured_at) as captured_at from {table.full_name}" for table in RAW_TABLES
        )
        newest = run.connection.execute(f"select max(captured_at) from ({captures})").fetchall()[0][0]
        is_current = newest is None or newest <= as_of_at
    else:
        span = _span_of_bars(run.connection)
        newest = None if span is None else span[1]
        is_current = newest is None or run.as_of is not None or newest == as_of
    if not is_current:
        raise ClockError(
            f"rows up to {newest} are stored, but the tables are as of {as_of}; "
            "materialise reference/clock and what follows from it"
        )


def _span_of_bars(connection: duckdb.DuckDBPyConnection) -> tuple[date, date] | None:
    """The first and the last day of the stored bars; None if there are no bars."""
    bars = [f"select session_date from {table.full_name}" for table in RAW_TABLES if table.is_bars]
    row = connection.execute(
        f"select min(session_date), max(session_date) from ({' union all '.join(bars)})"
    ).fetchone()
    return (row[0], row[1]) if row and row[0] else None


def write_releases(run: Run) -> int:
    """Write when each macro observation became public, or should have. Returns the number of observations.

    Besides the stored observations these are the ones that are due: those expected from the frequency of a series after
    its last one, up to the day of the run. A series that is not in the universe gets the most cautious rule for a daily
    series: the next business day at noon.
    """
    observed = run.connection.execute(
        f"select distinct series_id, observation_date from {RAW_TABLE['macro_observations'].full_name}"
    ).df()
    listed = {series.id: series for series in run.universe.series}
    parts = []
    for series_id, rows in observed.groupby("series_id", sort=True):
        series = listed.get(str(series_id))
        days = rows["observation_date"]
        if series is not None:
            due = calendars.observations_due(series.frequency, days.max().date(), run.started_at.date())
            days = pd.concat([days.astype(due.dtype), due], ignore_index=True) if len(due) else days
        rule = calendars.ReleaseRule(series.release if series else "next business day 12:00")
        parts.append(
            pd.DataFrame({"series_id": series_id, "observation_date": days, "released_at": rule.released_at(days)})
        )
    frame = pd.concat(parts) if parts else pd.DataFrame(columns=["series_id", "observation_date", "released_at"])
    with transaction(run.connection):
        replace_rows(run.connection, "reference.releases", frame)
    return len(frame)


def _universe_rows(universe: Universe) -> dict[str, list[dict[str, object]]]:
    """Per table that comes from the universe file, its rows."""
    return {
        "reference.instruments": [
            {**i.model_dump(exclude={"id", "yahoo"}), "instrument_id": i.id, "calendar": i.calendar}
            for i in universe.instruments
        ],
        "reference.pairs": [
            {"pair_id": p.id, "numerator": p.numerator, "denominator": p.denominator} for p in universe.pairs
        ],
        "reference.signals": [
            {"signal_id": s.id, "subject_id": s.subject, "kind": s.kind, "trigger": s.trigger} for s in universe.signals
        ],
        "reference.targets": [{"target_id": id_} for id_ in universe.target_ids],
        "reference.horizons": [{"horizon_days": days} for days in universe.targets.horizons_days],
        "reference.lagged_series": [
            {"series_id": id_, "side": side}
            for side, ids in (("signal", universe.lead_lag.signals), ("target", universe.lead_lag.targets))
            for id_ in ids
        ],
        "reference.primary_family": [
            {"signal_id": signal, "target_id": target, "horizon_days": days}
            for signal in universe.primary_family.signals
            for target in universe.primary_family.targets
            for days in universe.primary_family.horizons_days
        ],
        "reference.ingredients": [
            {
                "stage": number,
                "stage_name": stage.name,
                "ingredient": ingredient.id,
                "subject_id": ingredient.subject,
                "measure": ingredient.measure,
            }
            for number, stage in enumerate(universe.stages, start=1)
            for ingredient in stage.ingredients
        ],
        "reference.breadth_groups": [
            {"role": role, "group_id": group, "preference": preference}
            for entry in universe.breadth
            for role in entry.roles
            for preference, group in enumerate(entry.groups, start=1)
        ],
        "reference.series": [
            {**s.model_dump(exclude={"id", "release", "fred"}), "series_id": s.id, "release_rule": s.release}
            for s in universe.series
        ],
    }


def _claims_rows(book: ClaimsBook, parameters: Parameters) -> dict[str, list[dict[str, object]]]:
    """Per table that comes from the claims file, its rows."""
    return {
        "reference.claims": [
            {
                "claim_id": claim.id,
                "claim": claim.claim,
                "test": _test(claim, parameters),
                "sql_ref": claim.sql_ref,
                "scored_on": book.article.scored_on,
            }
            for claim in book.claims
        ],
        "reference.claim_parts": [
            {"claim_id": claim.id, "part": part, "position": position, "kind": kind, "reason": reason}
            for claim in book.claims
            for position, (part, kind, reason) in enumerate(
                [
                    *((part, kind, None) for part, kind in claim.parts.items()),
                    *((part, "untestable", reason) for part, reason in claim.untestable.items()),
                ],
                start=1,
            )
        ],
    }


def _test(claim: Claim, parameters: Parameters) -> str:
    """The test of a claim, with numbers and units in place of `$name`. Raises ClaimsError for an unknown name."""

    def shown(found: re.Match[str]) -> str:
        parameter = parameters.get(found[1])
        if parameter is None:
            raise ClaimsError(f"claims.yaml: claim {claim.id}: there is no parameter {found[1]} in parameters.yaml")
        return with_unit(parameter.value, parameter.unit)

    return PARAMETER_NAME.sub(shown, claim.test)


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    row = connection.execute(f"select count(*) from {name}").fetchone()
    return int(row[0]) if row else 0
