"""Everything that exists, as Dagster assets: thin wrappers that call the modules and report what they did.

Here: keys, groups, descriptions, metadata, checks, and in which order models are built. What a step does is in the
module that it calls; a published SQL model becomes an asset because its file is there. Nothing here decides when
anything runs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from graphlib import TopologicalSorter
from queue import SimpleQueue
from threading import Lock
from time import perf_counter
from typing import NamedTuple

import dagster as dg

from assets import ledger
from assets.contracts import CLAIMS_TABLES, RAW_TABLE, STORED_TABLES, TABLES_OF_CLASS, UNIVERSE_TABLES, Column, Table
from assets.forecasts import freeze
from assets.ingest import ContractBroken, Ingested, already_stored, ingest
from assets.ledger import Check
from assets.models import Model, check_model, read_models, run_model
from assets.publish import PUBLISHED_SCHEMAS, publish
from assets.reference import write_clock, write_releases, write_sessions, write_universe
from assets.run import Run, log
from assets.sources.base import ASSET_CLASSES, AssetClass, SourceError

OWNERS = ["team:research"]
# The names of the two checks that gather the rules of a table.
CONTRACT = "contract"
SOUND = "is_sound"
_STORED = {table.full_name: table for table in STORED_TABLES}
# Models that are built at a time: more share two cores no better and take more memory.
BUILDERS = 2
# How many guilty rows or failed symbols a check's metadata names; the rest is in meta.quarantine and meta.deliveries.
NAMED = 10

# Tables that one asset stands for: the universe and claims files as a whole are easier to look at than its parts.
UNIVERSE = "reference.universe"
_UNIVERSE_TABLES = tuple(table.name for table in (*UNIVERSE_TABLES, *CLAIMS_TABLES))
_CLOCK_TABLES = ("reference.clock", "reference.releases")
# By when a class should have been asked for again, on the wall clock: some hours after its schedule. Whether what came
# is as new as it should be is another question, which meta.freshness answers.
_FRESHNESS = {
    "equity": dg.FreshnessPolicy.cron("0 22 * * 1-5", timedelta(hours=6), timezone="America/New_York"),
    "crypto": dg.FreshnessPolicy.cron("0 4 * * *", timedelta(hours=6), timezone="UTC"),
    "macro": dg.FreshnessPolicy.cron("0 22 * * 1-5", timedelta(hours=16), timezone="America/New_York"),
}
_RAW_GROUP = {"equity": "equities", "crypto": "crypto", "macro": "macro"}


def key(full_name: str) -> dg.AssetKey:
    """The asset that makes a table."""
    schema, _, name = full_name.partition(".")
    if schema == "reference" and name in _UNIVERSE_TABLES:
        return key(UNIVERSE)
    return dg.AssetKey([schema, name])


def _schema(columns: Sequence[Column]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(c.name, c.type, c.description) for c in columns])


def _stored_spec(table: Table, group: str, kinds: set[str], deps: Sequence[str] = ()) -> dg.AssetSpec:
    return dg.AssetSpec(
        key(table.full_name),
        deps=[key(name) for name in deps],
        description=table.description,
        group_name=group,
        kinds=kinds,
        owners=OWNERS,
        metadata={"dagster/column_schema": _schema(table.columns), "dagster/table_name": table.full_name},
        skippable=False,
    )


def _rows(run: Run, full_name: str) -> int:
    return int(run.connection.execute(f"select count(*) from {full_name}").fetchall()[0][0])


def _source(run: Run) -> str:
    return run.source.name + (" (synthetic)" if run.source.is_synthetic else "")


def _materialized(run: Run, full_name: str, **metadata: int) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        asset_key=key(full_name),
        metadata={"dagster/row_count": _rows(run, full_name), "source": _source(run), **metadata},
    )


def _together(name: str, full_name: str, checks: Sequence[Check]) -> dg.AssetCheckResult:
    """Several blocking verdicts on one table as one check, with a line for each: the UI stays readable and fast."""
    lines = "\n".join(
        f"| {c.name} | {'holds' if c.passed else '**broken**'} | {c.rows_checked:,} | {c.rows_failed:,} |"
        for c in checks
    )
    broken = [check.detail or check.name for check in checks if not check.passed]
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=key(full_name),
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(broken) or None,
        metadata={
            "rules": dg.MetadataValue.md(
                f"| rule | verdict | rows checked | rows failed |\n|---|---|---:|---:|\n{lines}"
            ),
            "rows_failed": sum(check.rows_failed for check in checks),
        },
    )


def _result(check: Check) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=key(check.table_name),
        passed=check.passed,
        severity=dg.AssetCheckSeverity(check.severity),
        description=check.detail,
        metadata={"rows_checked": check.rows_checked, "rows_failed": check.rows_failed},
    )


# --- reference ----------------------------------------------------------------------------------------------------


@dg.asset(
    key=key(UNIVERSE),
    group_name="reference",
    kinds={"yaml", "duckdb"},
    owners=OWNERS,
    description="The universe, claims and parameter files as tables: "
    + ", ".join(_UNIVERSE_TABLES)
    + " and meta.parameters.",
)
def universe(run: dg.ResourceParam[Run]) -> dg.MaterializeResult:
    """Write the universe, claims and parameter files into tables."""
    log.info("universe")
    rows = write_universe(run)
    return dg.MaterializeResult(metadata={"dagster/row_count": sum(rows.values()), "source": _source(run), **rows})


@dg.multi_asset(name="sessions", specs=[_stored_spec(_STORED["reference.sessions"], "reference", {"python", "duckdb"})])
def sessions(run: dg.ResourceParam[Run]) -> dg.MaterializeResult:
    """The exchange's and the crypto market's calendar."""
    log.info("calendars")
    write_sessions(run)
    return _materialized(run, "reference.sessions")


@dg.multi_asset(
    name="clock",
    specs=[
        _stored_spec(_STORED[name], "clock", {"python", "duckdb"}, deps=[t.full_name for t in RAW_TABLE.values()])
        for name in _CLOCK_TABLES
    ],
)
def clock(run: dg.ResourceParam[Run]) -> Iterator[dg.MaterializeResult]:
    """The instant as of which everything derived is true, and when each macro value became public."""
    as_of = write_clock(run)
    ledger.note_as_of(run)
    log.info("as of %s", as_of)
    write_releases(run)
    for name in _CLOCK_TABLES:
        yield _materialized(run, name)


# --- ingest -------------------------------------------------------------------------------------------------------


def _check_specs(asset_class: AssetClass) -> list[dg.AssetCheckSpec]:
    specs = []
    first = RAW_TABLE[TABLES_OF_CLASS[asset_class][0]]
    for name in TABLES_OF_CLASS[asset_class]:
        table = RAW_TABLE[name]
        if table.rules:
            specs.append(
                dg.AssetCheckSpec(
                    CONTRACT,
                    asset=key(table.full_name),
                    blocking=True,
                    description="What is about to be stored keeps every rule of its contract, says Great Expectations.",
                )
            )
    return [
        *specs,
        dg.AssetCheckSpec(
            "nothing_quarantined",
            asset=key(first.full_name),
            description="No row was refused. Refused rows are in meta.quarantine with their reason.",
        ),
        dg.AssetCheckSpec(
            "every_symbol_delivered",
            asset=key(first.full_name),
            description="Every instrument or series that was asked for arrived whole.",
        ),
        dg.AssetCheckSpec(
            "nothing_vanished",
            asset=key(first.full_name),
            description="No stored row was missing from a delivery that covers its day. What is stored stays.",
        ),
        dg.AssetCheckSpec(
            "class_delivered",
            asset=key(first.full_name),
            blocking=True,
            description="The source did not lose the class as a whole.",
        ),
        dg.AssetCheckSpec(
            "required_delivered",
            asset=key(first.full_name),
            blocking=True,
            description="Every instrument without which nothing makes sense arrived.",
        ),
    ]


def _contract_checks(result: Ingested) -> list[Check]:
    return [
        Check(
            outcome.rule_name,
            outcome.table_name,
            outcome.rows_failed == 0,
            "ERROR",
            outcome.rows_checked,
            outcome.rows_failed,
            outcome.reason if outcome.rows_failed else None,
        )
        for outcome in result.outcomes
    ]


def _ingest_checks(run: Run, result: Ingested) -> list[Check]:
    """What the delivery as a whole must satisfy."""
    first = RAW_TABLE[TABLES_OF_CLASS[result.asset_class][0]]
    checks: list[Check] = []
    delivered = sum(result.rows_delivered.values())
    refused = Counter(id_ for _, id_, _, _ in result.refusals)
    firsts = {id_: f"{id_} {day or ''}: {reason}" for _, id_, day, reason in reversed(result.refusals)}
    named = "; ".join(
        firsts[id_] + (f" (and {rows - 1} more rows)" if rows > 1 else "") for id_, rows in refused.most_common(NAMED)
    )
    more = f"; and rows of {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    checks.append(
        Check(
            "nothing_quarantined",
            first.full_name,
            not result.refusals,
            "WARN",
            delivered,
            len(result.refusals),
            f"{named}{more}" or None,
        )
    )
    failures = [f"{id_}: {why}" for id_, why in result.failures.items()]
    checks.append(
        Check(
            "every_symbol_delivered",
            first.full_name,
            not failures,
            "WARN",
            len(result.rows_delivered),
            len(failures),
            "; ".join(failures[:NAMED]) or None,
        )
    )
    vanished = [f"{id_} {day}" for id_, day in result.vanished]
    checks.append(
        Check(
            "nothing_vanished",
            first.full_name,
            not vanished,
            "WARN",
            delivered,
            len(vanished),
            ", ".join(vanished[:NAMED]) or None,
        )
    )
    # A class that never was there (a folder with prices only) is not lost; one that fails or was there before is.
    is_lost = not result.usable and (bool(result.rows_delivered) or _rows(run, first.full_name) > 0)
    checks.append(
        Check(
            "class_delivered",
            first.full_name,
            not is_lost,
            "ERROR",
            len(result.rows_delivered),
            int(is_lost),
            f"the source delivered nothing usable of the class {result.asset_class}" if is_lost else None,
        )
    )
    usable = set(result.usable)
    required = [i.id for i in run.universe.instruments if i.is_required and i.asset_class == result.asset_class]
    missing = [id_ for id_ in required if id_ not in usable]
    reasons = "; ".join(f"{id_}: {result.failures.get(id_, 'not delivered')}" for id_ in missing)
    checks.append(
        Check("required_delivered", first.full_name, not missing, "ERROR", len(required), len(missing), reasons or None)
    )
    return checks


def _ingest_asset(asset_class: AssetClass) -> dg.AssetsDefinition:
    tables = TABLES_OF_CLASS[asset_class]

    @dg.multi_asset(
        name=_RAW_GROUP[asset_class],
        specs=[
            _stored_spec(
                RAW_TABLE[name], "raw", {"python", "duckdb"}, [UNIVERSE, "reference.sessions"]
            ).replace_attributes(freshness_policy=_FRESHNESS[asset_class])
            for name in tables
        ],
        check_specs=_check_specs(asset_class),
        description=f"Fetch the class {asset_class}, refuse bad rows with their reason, store what changed.",
    )
    def ingest_class(run: dg.ResourceParam[Run]) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        log.info("%s: fetching", asset_class)
        try:
            result = ingest(run, asset_class) if run.may_fetch else already_stored(run, asset_class)
        except SourceError as error:
            raise dg.Failure(str(error)) from error
        except ContractBroken as error:
            raise dg.Failure(f"after quarantine the contract is still broken: {error}") from error
        ledger.note_rows(run, sum(result.rows_new.values()), sum(result.rows_restated.values()))
        rules, checks = _contract_checks(result), _ingest_checks(run, result)
        ledger.note_checks(run, [*rules, *checks])
        for name in tables:
            full_name = RAW_TABLE[name].full_name
            yield _materialized(
                run,
                full_name,
                rows_new=result.rows_new[full_name],
                rows_restated=result.rows_restated[full_name],
            )
            if RAW_TABLE[name].rules:
                yield _together(CONTRACT, full_name, [rule for rule in rules if rule.table_name == full_name])
        for check in checks:
            yield _result(check)

    return ingest_class


# --- models -------------------------------------------------------------------------------------------------------


def _model_spec(model: Model, tables_read: Iterable[str]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key(model.full_name),
        deps=sorted({key(name) for name in tables_read}),
        description=model.description,
        group_name=model.schema,
        kinds={"sql", "duckdb"},
        owners=OWNERS,
        metadata={
            "grain": ", ".join(model.grain),
            "known_at": model.known_at or "as of the run's clock",
            "sql": dg.MetadataValue.md(f"`{model.sql_path}`\n```sql\n{model.text}\n```"),
            "dagster/table_name": model.full_name,
        },
    )


def _model_check_spec(model: Model) -> dg.AssetCheckSpec:
    sound = f"{', '.join(model.grain)} tell rows apart; an unknown number is null, never NaN"
    if model.known_at:
        sound += "; no row was known only after the run's clock"
    return dg.AssetCheckSpec(SOUND, asset=key(model.full_name), blocking=True, description=f"{sound}.")


def _is_asset(model: Model) -> bool:
    """What is published is an asset. A step in between is made on the way: dozens of them would hide the rest."""
    return model.form == "table" and model.schema in PUBLISHED_SCHEMAS


def _assets_read(model: Model, models: Mapping[str, Model]) -> set[str]:
    """The tables of other assets that a model is made of, with those behind the steps in between."""
    read: set[str] = set()
    for name in model.upstream:
        upstream = models.get(name)
        read |= {name} if upstream is None or _is_asset(upstream) else _assets_read(upstream, models)
    return read


def _with_steps(selected: Set[str], models: dict[str, Model]) -> list[Model]:
    """The selected assets, the steps on the way to them, and the macros that ask nothing else."""
    wanted = {
        name
        for name, model in models.items()
        if name in selected or (model.form == "macro" and _assets_read(model, models) <= selected)
    }
    for name, model in reversed(models.items()):
        if name in wanted:
            wanted |= {up for up in model.upstream if up in models and not _is_asset(models[up])}
    return [model for name, model in models.items() if name in wanted]


class _Built(NamedTuple):
    """What became of a model: what to report, and what is broken."""

    results: list[dg.MaterializeResult | dg.AssetCheckResult]
    broken: str | None


def _models_asset(models: Sequence[Model]) -> dg.AssetsDefinition:
    """Every published table is an asset, and all are one step: Dagster takes a tenth of a second for each step."""
    by_name = {model.full_name: model for model in models}
    assets = [model for model in models if _is_asset(model)]

    @dg.multi_asset(
        name="models",
        specs=[_model_spec(model, _assets_read(model, by_name)) for model in assets],
        check_specs=[*map(_model_check_spec, assets), *_data_check_specs()],
        can_subset=True,
        description="Build the tables that the files below sql/ define, each after those that it reads.",
    )
    def build(
        context: dg.AssetExecutionContext, run: dg.ResourceParam[Run]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        selected = {model.full_name for model in assets if key(model.full_name) in context.selected_asset_keys}
        if missing := _missing(run, selected, by_name):
            raise dg.Failure(
                f"{', '.join(missing)}: not there yet; materialise it before, or together with, what reads it"
            )
        for results, broken in _built_side_by_side(run, _with_steps(selected, by_name)):
            yield from results
            if broken:
                # Those that read the table are built in the same step: a blocking check alone stops none.
                raise dg.Failure(broken)

    return build


def _missing(run: Run, selected: Set[str], models: Mapping[str, Model]) -> list[str]:
    """The tables that the selected assets read, are not selected themselves, and were never built."""
    there = {
        f"{schema}.{table}"
        for schema, table in run.connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
    }
    return sorted({read for name in selected for read in _assets_read(models[name], models)} - selected - there)


def _built_side_by_side(run: Run, models: Sequence[Model]) -> Iterator[_Built]:
    """Build models two at a time, each after those that it reads, and tell of each when it is done.

    Much of a small query is planned on one core, and so is what Dagster takes down meanwhile in this thread. What
    reads a broken table is not built.
    """
    by_name = {model.full_name: model for model in models}
    order = TopologicalSorter({name: by_name.keys() & set(model.upstream) for name, model in by_name.items()})
    order.prepare()
    told: SimpleQueue[_Built | BaseException] = SimpleQueue()
    in_turn = Lock()

    def build(name: str) -> None:
        # Whatever is raised, also by starting the next one, is raised where it is waited for; when the run has given
        # up and nothing can be started any more, nobody waits.
        try:
            with run.connection.cursor() as connection:
                built = _built(replace(run, connection=connection), by_name[name])
            told.put(built)
            if not built.broken:
                with in_turn:
                    order.done(name)
                    start_ready()
        except BaseException as error:
            told.put(error)

    def start_ready() -> None:
        for ready in order.get_ready():
            builders.submit(build, ready)

    builders = ThreadPoolExecutor(max_workers=BUILDERS)
    try:
        with in_turn:
            start_ready()
        for _ in models:
            built = told.get()
            if isinstance(built, BaseException):
                raise built
            yield built
    finally:
        builders.shutdown(cancel_futures=True)


def _built(run: Run, model: Model) -> _Built:
    """Build and check one model."""
    started = perf_counter()
    rows, columns = run_model(run.connection, model, run.parameters)
    if model.form != "table":
        return _Built([], None)
    log.info("%s", model.full_name)
    verdicts = [
        Check(
            check.name,
            model.full_name,
            check.rows_failed == 0,
            "ERROR",
            check.rows_checked,
            check.rows_failed,
            None if check.rows_failed == 0 else f"{check.rows_failed} rows: not so that {check.description}",
        )
        for check in check_model(run.connection, model, columns)
    ]
    facts = list(_data_checks(run, model.full_name))
    ledger.note_checks(run, [*verdicts, *facts])
    results: list[dg.MaterializeResult | dg.AssetCheckResult] = []
    if _is_asset(model):
        results.append(
            dg.MaterializeResult(
                asset_key=key(model.full_name),
                metadata={
                    "dagster/row_count": rows,
                    "dagster/column_schema": _schema(columns),
                    "seconds": round(perf_counter() - started, 3),
                    "source": _source(run),
                },
            )
        )
        results.append(_together(SOUND, model.full_name, verdicts))
    results += [_result(fact) for fact in facts]
    broken = [verdict.detail for verdict in verdicts if not verdict.passed]
    return _Built(results, f"{model.full_name}: {'; '.join(map(str, broken))}" if broken else None)


# Facts about the data that a person should see and that stop nothing: per table the name of the check, what it asks,
# rows looked at, and the guilty ones as text.
_DATA_CHECKS = {
    "core.pairs": [
        (
            "every_pair_has_its_legs",
            "Of every ratio in the universe file both legs have bars. One without is left out.",
            "select count(*) from reference.pairs",
            "select pair_id from reference.pairs except select pair_id from core.pairs order by pair_id",
        )
    ],
    "meta.freshness": [
        (
            f"{asset_class}_is_fresh",
            f"No {what} is older than its calendar expects: a weekend or a holiday makes nothing stale.",
            f"select count(*) from meta.freshness where asset_class = '{asset_class}'",
            "select id || ': last value of ' || last_session || ', expected ' || expected_session from meta.freshness "
            f"where status = 'stale' and asset_class = '{asset_class}' order by last_session, id",
        )
        for asset_class, what in (("equity", "index or fund"), ("crypto", "coin"), ("macro", "series"))
    ],
    "meta.gaps": [
        (
            "no_recent_gap",
            "No session of the last year is missing between two others. Gaps are asked for again, and stay gaps until "
            "a source fills them.",
            "select count(*) from core.bars",
            "select instrument_id || ' ' || session_date from meta.gaps cross join reference.clock "
            "where session_date > as_of - 366 order by session_date desc, instrument_id",
        )
    ],
}


def _data_check_specs() -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=key(table), description=description)
        for table, checks in _DATA_CHECKS.items()
        for name, description, _, _ in checks
    ]


def _data_checks(run: Run, table: str) -> Iterator[Check]:
    for name, _, counted, guilty in _DATA_CHECKS.get(table, ()):
        rows = run.connection.execute(counted).fetchall()[0][0]
        named = [text for (text,) in run.connection.execute(guilty).fetchall()]
        more = f"; and {len(named) - NAMED} more" if len(named) > NAMED else ""
        yield Check(name, table, not named, "WARN", rows, len(named), "; ".join(named[:NAMED]) + more or None)


# --- publish ------------------------------------------------------------------------------------------------------


def _publish_asset(models: Sequence[Model]) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey(["publish", "cascade_duckdb"]),
        deps=[key(model.full_name) for model in models if _is_asset(model)],
        group_name="publish",
        kinds={"duckdb"},
        owners=OWNERS,
        check_specs=[
            dg.AssetCheckSpec(
                "everything_is_fresh",
                asset=dg.AssetKey(["publish", "cascade_duckdb"]),
                description="No instrument or series failed to arrive or is older than its calendar expects.",
            )
        ],
    )
    def cascade_duckdb(run: dg.ResourceParam[Run]) -> dg.MaterializeResult:
        """The one file that readers query, swapped in at once."""
        log.info("publishing")
        troubles = ledger.troubles(run)
        verdict = Check(
            "everything_is_fresh",
            "publish.cascade_duckdb",
            not troubles,
            "WARN",
            _rows(run, "meta.freshness"),
            len(troubles),
            "; ".join(troubles[:NAMED]) or None,
        )
        ledger.note_checks(run, [verdict])
        # Every table is built and sound by now: what is about to be said in public is what is frozen.
        frozen = freeze(run)
        published = publish(run, "published_with_failures" if troubles else "published")
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(published.path)),
                "tables": published.tables,
                "rows": published.rows,
                "megabytes": round(published.size / 1e6, 1),
                "forecasts_frozen": frozen,
                "source": _source(run),
            },
            check_results=[_result(verdict)],
        )

    return cascade_duckdb


def build_assets() -> list[dg.AssetsDefinition]:
    """Every asset, in the order of the data: reference, raw, models, publish."""
    models = read_models()
    return [
        universe,
        sessions,
        *(_ingest_asset(asset_class) for asset_class in ASSET_CLASSES),
        clock,
        _models_asset(models),
        _publish_asset(models),
    ]


def ingest_selection(asset_class: AssetClass) -> dg.AssetSelection:
    """The universe, one class of raw tables, and all that follows from them."""
    raw = [key(RAW_TABLE[name].full_name) for name in TABLES_OF_CLASS[asset_class]]
    return dg.AssetSelection.groups("reference") | dg.AssetSelection.assets(*raw).downstream()
