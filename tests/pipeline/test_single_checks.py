"""Every check that Dagster offers, executed alone: it judges the stored table again, and writes nothing else.

All checks are executed on an untouched warehouse, and each one after something was broken that it must notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from bench import NoSource, usual_parameters
from folders import healthy_home

from assets.config.universe import load_universe
from assets.graph import build_assets
from assets.models.fingerprints import content
from assets.steps import StepRunner
from assets.warehouse.connection import transaction
from assets.warehouse.home import Home
from assets.warehouse.run import Run

ASSETS = build_assets()
CHECKS = sorted(check for asset in ASSETS for check in asset.check_keys)
# No series can be required.
NEVER_FAILS = dg.AssetCheckKey(dg.AssetKey(["raw", "macro_observations"]), "required_delivered")
CLASS_OF = {"equity_bars": "equity", "crypto_bars": "crypto", "macro_observations": "macro"}
# What breaks a table so that the check of that name must notice. Two rows of nulls break any grain.
BREAKS = {
    "is_sound": "insert into {table} by name select null as {column} from range(2)",
    "equity_bars contract": "update {table} set close = -1 where rowid = 0",
    "crypto_bars contract": "update {table} set volume = -1 where rowid = 0",
    "equity_actions contract": "insert into {table} values ('X', '2025-01-02', 'dividend', 0, 'x', '2025-01-03', 1)",
    "crypto_market_caps contract": "update {table} set market_cap_usd = 0 where rowid = 0",
    "macro_observations contract": "update {table} set value = 'infinity' where rowid = 0",
    "every_pair_has_its_legs": "delete from core.pairs where pair_id = 'RUT/SPX'",
    "equity_is_fresh": "update meta.freshness set status = 'stale' where asset_class = 'equity'",
    "crypto_is_fresh": "update meta.freshness set status = 'stale' where asset_class = 'crypto'",
    "macro_is_fresh": "update meta.freshness set status = 'stale' where asset_class = 'macro'",
    "no_recent_gap": "insert into meta.gaps by name select 'SPX' as instrument_id, as_of - 9 as session_date "
    "from reference.clock",
    "everything_is_fresh": "update meta.deliveries set failure = 'gone' where id = 'SPX'",
    "nothing_quarantined": "update meta.deliveries set rows_quarantined = 1 where asset_class = '{asset_class}'",
    "every_symbol_delivered": "update meta.deliveries set failure = 'gone' where asset_class = '{asset_class}'",
    "nothing_vanished": "insert into meta.vanished values ('{table}', 'X', '2025-01-02', '2025-01-03')",
    "class_delivered": "update meta.deliveries set failure = 'gone', rows_delivered = 0 "
    "where asset_class = '{asset_class}'",
    "required_delivered": "update meta.deliveries set failure = 'gone', rows_delivered = 0 "
    "where asset_class = '{asset_class}'",
}


class Undone(Exception):
    """Takes back what a test did to the shared warehouse."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run on a warehouse that a whole run has filled. Its source must not be asked."""
    home = healthy_home(tmp_path_factory.getbasetemp()).copy(tmp_path_factory.mktemp("checks") / "home")
    with duckdb.connect(str(home.warehouse)) as connection:
        yield Run(
            id="checks",
            connection=connection,
            home=Home(Path(home.path)),
            source=NoSource(has_clock=False),
            universe=load_universe(),
            parameters=usual_parameters(),
            as_of=None,
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            code_version="test",
        )


def executed(run: Run, selection: dg.AssetSelection) -> dg.ExecuteInProcessResult:
    return dg.materialize(ASSETS, resources={"run": StepRunner(run)}, selection=selection, raise_on_error=False)


def rows_failed(found: dg.AssetCheckEvaluation) -> int:
    return int(str(found.metadata["rows_failed"].value))


@pytest.fixture(scope="module")
def untouched(run: Run) -> dict[dg.AssetCheckKey, int]:
    """The rows that each check finds bad before anything is broken: all checks executed without their assets."""
    result = executed(run, dg.AssetSelection.all_asset_checks())
    assert (result.success, result.get_asset_materialization_events()) == (True, [])
    found = {check.asset_check_key: rows_failed(check) for check in result.get_asset_check_evaluations()}
    assert sorted(found) == CHECKS
    return found


def verdict(run: Run, check: dg.AssetCheckKey) -> tuple[bool, dg.AssetCheckEvaluation]:
    """Whether the run that executed a check ended well, and what it found. It reports nothing else."""
    result = executed(run, dg.AssetSelection.checks(check))
    assert result.get_asset_materialization_events() == []
    (found,) = result.get_asset_check_evaluations()
    assert found.asset_check_key == check
    return result.success, found


def break_table(run: Run, check: dg.AssetCheckKey) -> None:
    """Break what the check looks at."""
    schema, name = check.asset_key.path
    statement = BREAKS.get(check.name) or BREAKS[f"{name} {check.name}"]
    column = run.connection.table(f"{schema}.{name}").columns[0] if "{column}" in statement else ""
    run.connection.execute(
        statement.format(table=f"{schema}.{name}", column=column, asset_class=CLASS_OF.get(name, ""))
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.asset_key.path[-1]}-{check.name}")
def test_a_check_alone_judges_the_stored_table(
    run: Run, untouched: dict[dg.AssetCheckKey, int], check: dg.AssetCheckKey
) -> None:
    with suppress(Undone), transaction(run.connection):
        break_table(run, check)
        success, after = verdict(run, check)
        if check != NEVER_FAILS:
            assert not after.passed
            assert after.description
            assert rows_failed(after) > untouched[check]
        # A failed check of severity ERROR makes the run fail.
        assert success == (after.passed or after.severity is dg.AssetCheckSeverity.WARN)
        raise Undone


def test_a_table_that_a_check_found_broken_is_built_again(run: Run) -> None:
    noted = "select count(*) from reference.builds where table_name = 'core.pairs'"
    check = dg.AssetCheckKey(dg.AssetKey(["core", "pairs"]), "is_sound")
    with suppress(Undone), transaction(run.connection):
        break_table(run, check)
        assert run.connection.execute(noted).fetchall() == [(1,)]
        assert not verdict(run, check)[0]
        assert run.connection.execute(noted).fetchall() == [(0,)]
        raise Undone


def test_a_check_of_a_table_that_was_never_built_says_so(run: Run) -> None:
    with suppress(Undone), transaction(run.connection):
        run.connection.execute("drop table core.pairs")
        result = executed(run, dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(["core", "pairs"]), "is_sound")))
        (event,) = [event for event in result.all_events if event.is_step_failure]
        assert "core.pairs: not built yet; materialise it first" in str(event.step_failure_data.error)
        raise Undone


def test_a_table_without_its_checks_and_a_check_of_another_one(run: Run) -> None:
    pairs, sessions = dg.AssetKey(["core", "pairs"]), dg.AssetKey(["core", "sessions"])
    other = dg.AssetSelection.checks(dg.AssetCheckKey(sessions, "is_sound"))
    with suppress(Undone), transaction(run.connection):
        result = executed(run, dg.AssetSelection.assets(pairs).without_checks() | other)
        assert result.success
        assert [event.asset_key for event in result.get_asset_materialization_events()] == [pairs]
        assert [found.asset_key for found in result.get_asset_check_evaluations()] == [sessions]
        raise Undone


def test_the_tables_of_a_class_are_all_reported_if_one_is_selected(run: Run) -> None:
    # The view of a past day of a live market stores nothing, so the source is not asked here either.
    past = replace(run, source=NoSource(has_clock=True))
    caps = dg.AssetKey(["raw", "crypto_market_caps"])
    with suppress(Undone), transaction(run.connection), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "may_fetch", False)
        result = executed(past, dg.AssetSelection.assets(caps))
        reported = {
            event.asset_key: (event.materialization.tags or {})["dagster/data_version"]
            for event in result.get_asset_materialization_events()
        }
        assert result.success
        assert reported == {
            dg.AssetKey(["raw", name]): content(run.connection, f"raw.{name}")[0]
            for name in ("crypto_bars", "crypto_market_caps")
        }
        assert [found.asset_key for found in result.get_asset_check_evaluations()] == [caps]
        raise Undone


def test_a_run_of_a_past_day_makes_none_of_the_other_assets(run: Run) -> None:
    past = replace(run, as_of=date(2025, 6, 30))
    result = executed(past, dg.AssetSelection.assets(dg.AssetKey(["reference", "sessions"])))
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert "a run of a past day makes publish/cascade_asof only" in str(event.step_failure_data.error)
