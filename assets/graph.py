"""The Dagster assets and their checks.

Here: keys, groups, dependencies, versions, descriptions and metadata. What a step does is in `steps`. Every published
SQL model is an asset because its file exists. When assets are materialised is decided in `pipelines`.

An asset's code version changes with the files that define it, and the data version of a materialisation with its
content, so that Dagster marks what an edit or new data made out of date, and nothing else.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

import dagster as dg

from assets.config.calendars import FIRST_EQUITY_DAY, library_version
from assets.config.parameters import Parameters, load_parameters
from assets.contracts.queries import SQL_FOLDER
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.reference import CLAIMS_TABLES, UNIVERSE_TABLES
from assets.contracts.stored import PUBLISHED_SCHEMAS, STORED_TABLES
from assets.contracts.table import Column, Table
from assets.ingest.delivery_checks import CONTRACT, DELIVERY_CHECKS
from assets.models.build import SOUND, assets_read, code_version, is_asset
from assets.models.checks import DATA_CHECKS, model_rules
from assets.models.fingerprints import code, definition, digest
from assets.models.lineage import LineageError, for_dagster, published_lineage
from assets.models.sql_files import Model, read_models
from assets.sources.base import ASSET_CLASSES, AssetClass
from assets.steps import (
    CLOCK_TABLES,
    EVERYTHING_IS_FRESH,
    HISTORICAL_VIEW,
    PARQUET,
    PUBLISHED,
    REPORT,
    UNIVERSE,
    StepRunner,
)
from assets.warehouse.results import Check, CheckGroup, CheckSpec, StepFailed, TableBuilt

OWNERS = ["team:research"]
DagsterEvent = dg.MaterializeResult | dg.AssetCheckResult
# The tag in which Dagster keeps the data version of a materialisation.
DATA_VERSION = "dagster/data_version"
_STORED = {table.full_name: table for table in STORED_TABLES}

# The tables of the universe and claims files are one asset: the files are easier to read as a whole.
_UNIVERSE_TABLES = tuple(table.name for table in (*UNIVERSE_TABLES, *CLAIMS_TABLES))
# When a class should have been fetched again, on the wall clock: some hours after its schedule. Whether the data are as
# recent as they should be is answered by meta.freshness.
_FRESHNESS = {
    "equity": dg.FreshnessPolicy.cron("0 22 * * 1-5", timedelta(hours=6), timezone="America/New_York"),
    "crypto": dg.FreshnessPolicy.cron("0 4 * * *", timedelta(hours=6), timezone="UTC"),
    "macro": dg.FreshnessPolicy.cron("0 22 * * 1-5", timedelta(hours=16), timezone="America/New_York"),
}
_RAW_GROUP = {"equity": "equities", "crypto": "crypto", "macro": "macro"}
_HERE = Path(__file__).parent
_NAMED_QUERY = re.compile(r"""["'](checks|publish)/(\w+)["']""")


def key(full_name: str) -> dg.AssetKey:
    """The asset that makes a table."""
    schema, _, name = full_name.partition(".")
    if schema == "reference" and name in _UNIVERSE_TABLES:
        return key(UNIVERSE)
    return dg.AssetKey([schema, name])


def _schema(columns: Sequence[Column]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(c.name, c.type, c.description) for c in columns])


def _code(*patterns: str) -> str:
    """The version of the modules and files below assets/ that match, and of the SQL files that they name."""
    paths = {path for pattern in patterns for path in _HERE.glob(pattern)}
    named = {match for path in paths for match in _NAMED_QUERY.findall(path.read_text(encoding="utf-8"))}
    return code((*sorted(paths), *(SQL_FOLDER / folder / f"{name}.sql" for folder, name in sorted(named))))


def _stored_spec(table: Table, group: str, code_version: str, deps: Sequence[str] = ()) -> dg.AssetSpec:
    return dg.AssetSpec(
        key(table.full_name),
        deps=[key(name) for name in deps],
        code_version=code_version,
        description=table.description,
        group_name=group,
        kinds={"python", "duckdb"},
        owners=OWNERS,
        metadata={"dagster/column_schema": _schema(table.columns), "dagster/table_name": table.full_name},
        skippable=False,
    )


def _name(asset_key: dg.AssetKey) -> str:
    return ".".join(asset_key.path)


def _events(context: dg.AssetExecutionContext, runner: StepRunner, step: str) -> Iterator[DagsterEvent]:
    """Run what is selected of a step: its tables with their checks, or checks alone. Yields Dagster's events.

    Raises dagster.Failure when the step failed.
    """
    if runner.run.as_of is not None:
        raise dg.Failure("a run of a past day makes publish/cascade_asof only; the other assets have the newest state")
    tables = {_name(selected) for selected in context.selected_asset_keys}
    checks = {(_name(check.asset_key), check.name) for check in context.selected_asset_check_keys}
    try:
        for event in runner.events(step, tables) if tables else ():
            if isinstance(event, TableBuilt):
                yield from _materialized(context, event)
            elif (event.table_name, event.name) in checks:
                yield _verdict(event)
        alone = {(table, name) for table, name in checks if table not in tables}
        for verdict in runner.verdicts(step, alone) if alone else ():
            yield _verdict(verdict)
    except StepFailed as error:
        raise dg.Failure(str(error)) from error


def _verdict(verdict: Check | CheckGroup) -> dg.AssetCheckResult:
    return _group_result(verdict) if isinstance(verdict, CheckGroup) else _check_result(verdict)


def _materialized(context: dg.AssetExecutionContext, built: TableBuilt) -> Iterator[dg.MaterializeResult]:
    """Report a table that was built. The tables of a class are stored together, even if only one is selected."""
    result = _result(built)
    if result.asset_key in context.selected_asset_keys:
        yield result
    else:
        context.log_event(
            dg.AssetMaterialization(
                key(built.table_name), metadata=result.metadata, tags={DATA_VERSION: str(built.content)}
            )
        )


def _result(built: TableBuilt) -> dg.MaterializeResult:
    metadata: dict[str, dg.MetadataValue | dg.TableSchema | dg.TableColumnLineage | int | float | str] = {
        name: _shown(name, fact) for name, fact in built.facts.items()
    }
    if built.rows is not None:
        metadata["dagster/row_count"] = built.rows
    if built.columns:
        metadata["dagster/column_schema"] = _schema(built.columns)
    if built.table_name in _lineage():
        metadata["dagster/column_lineage"] = _lineage()[built.table_name]
    version = dg.DataVersion(built.content) if built.content else None
    return dg.MaterializeResult(asset_key=key(built.table_name), metadata=metadata, data_version=version)


@cache
def _lineage() -> dict[str, dg.TableColumnLineage]:
    """For each published model which columns its columns are made of."""
    try:
        lineage = published_lineage(read_models(), PUBLISHED_SCHEMAS)
    except LineageError:
        # A model with wrong SQL fails when it is built, and says why.
        return {}
    return {name: for_dagster(found, key) for name, found in lineage.items()}


def _shown(name: str, fact: int | float | str) -> dg.MetadataValue | int | float | str:
    """A fact as the UI should show it: a path can be copied, a picture is looked at."""
    if name == "path":
        return dg.MetadataValue.path(str(fact))
    return dg.MetadataValue.md(str(fact)) if name.startswith("preview") else fact


def _group_result(group: CheckGroup) -> dg.AssetCheckResult:
    """A blocking check with a line for each rule."""
    lines = "\n".join(
        f"| {c.name} | {'holds' if c.passed else '**broken**'} | {c.rows_checked:,} | {c.rows_failed:,} |"
        for c in group.checks
    )
    return dg.AssetCheckResult(
        check_name=group.name,
        asset_key=key(group.table_name),
        passed=group.broken is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=group.broken,
        metadata={
            "rules": dg.MetadataValue.md(
                f"| rule | verdict | rows checked | rows failed |\n|---|---|---:|---:|\n{lines}"
            ),
            "rows_failed": sum(check.rows_failed for check in group.checks),
        },
    )


def _check_result(check: Check) -> dg.AssetCheckResult:
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
    code_version=_code("config/*.yaml", "ingest/reference.py"),
    description="The universe, claims and parameter files as tables: "
    + ", ".join(_UNIVERSE_TABLES)
    + " and meta.parameters.",
)
def universe(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """The universe, claims and parameter files."""
    yield from _events(context, run, "universe")


# The calendar library decides the sessions, and with the release rules when each macro value became public.
_CALENDAR_CODE = digest([_code("config/calendars.py", "ingest/reference.py"), library_version()])


@dg.multi_asset(name="sessions", specs=[_stored_spec(_STORED["reference.sessions"], "reference", _CALENDAR_CODE)])
def sessions(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """The exchange's and the crypto market's calendar."""
    yield from _events(context, run, "sessions")


@dg.multi_asset(
    name="clock",
    specs=[
        _stored_spec(_STORED[name], "clock", _CALENDAR_CODE, deps=[t.full_name for t in RAW_TABLE.values()])
        for name in CLOCK_TABLES
    ],
)
def clock(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """The instant as of which everything derived is true, and when each macro value became public."""
    yield from _events(context, run, "clock")


# --- ingest -------------------------------------------------------------------------------------------------------


def _check_spec(check: CheckSpec, table_name: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name, asset=key(table_name), blocking=check.is_blocking, description=check.description
    )


def _ingest_check_specs(asset_class: AssetClass) -> list[dg.AssetCheckSpec]:
    tables = [RAW_TABLE[name] for name in TABLES_OF_CLASS[asset_class]]
    return [
        *(_check_spec(CONTRACT, table.full_name) for table in tables if table.rules),
        *(_check_spec(check, tables[0].full_name) for check in DELIVERY_CHECKS),
    ]


def _ingest_asset(asset_class: AssetClass) -> dg.AssetsDefinition:
    tables = TABLES_OF_CLASS[asset_class]
    code_version = _code("ingest/*.py", "sources/**/*.py", "contracts/raw.py", "contracts/table.py")

    @dg.multi_asset(
        name=_RAW_GROUP[asset_class],
        specs=[
            _stored_spec(RAW_TABLE[name], "raw", code_version, [UNIVERSE, "reference.sessions"]).replace_attributes(
                freshness_policy=_FRESHNESS[asset_class]
            )
            for name in tables
        ],
        check_specs=_ingest_check_specs(asset_class),
        can_subset=True,
        # Classes run in the order in which they are fetched ahead.
        op_tags={"dagster/priority": str(-ASSET_CLASSES.index(asset_class))},
        description=f"Fetch the class {asset_class}, reject bad rows with the reason, store what changed.",
    )
    def ingest_class(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
        yield from _events(context, run, asset_class)

    return ingest_class


# --- models -------------------------------------------------------------------------------------------------------


def _model_spec(model: Model, models: Mapping[str, Model], parameters: Parameters) -> dg.AssetSpec:
    return dg.AssetSpec(
        key(model.full_name),
        deps=sorted({key(name) for name in assets_read(model, models)}),
        code_version=code_version({model.full_name}, models, parameters),
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
    description = " ".join(model_rules(model).values())
    return dg.AssetCheckSpec(SOUND, asset=key(model.full_name), blocking=True, description=description)


def _models_asset(models: Sequence[Model], parameters: Parameters) -> dg.AssetsDefinition:
    """Every published table is an asset, and all are one step: Dagster takes a tenth of a second for each step."""
    by_name = {model.full_name: model for model in models}
    assets = [model for model in models if is_asset(model)]

    @dg.multi_asset(
        name="models",
        specs=[_model_spec(model, by_name, parameters) for model in assets],
        check_specs=[*map(_model_check_spec, assets), *_data_check_specs(assets)],
        can_subset=True,
        description="Build the tables that the files below sql/ define, each after those that it reads.",
    )
    def build(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
        # A table that is broken fails the step: those that read it are built in the same one, and a blocking check
        # alone would stop none of them.
        yield from _events(context, run, "models")

    return build


def _data_check_specs(models: Sequence[Model]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=key(table), description=description)
        for table in (model.full_name for model in models)
        for name, description, _, _ in DATA_CHECKS.get(table, ())
    ]


# --- publish ------------------------------------------------------------------------------------------------------


_PUBLISHING = ("publish/*.py", "models/data_dictionary.py", "models/lineage.py", "contracts/*.py")


def _publish_asset(models: Sequence[Model], parameters: Parameters) -> dg.AssetsDefinition:
    macros = [part for model in models if model.form == "macro" for part in definition(model, parameters)]

    @dg.multi_asset(
        name="publish__cascade_duckdb",
        specs=[
            dg.AssetSpec(
                key(PUBLISHED),
                deps=[key(model.full_name) for model in models if is_asset(model)],
                code_version=digest([_code(*_PUBLISHING), *macros]),
                description="The one file that readers query, swapped in at once.",
                group_name="publish",
                kinds={"duckdb"},
                owners=OWNERS,
            )
        ],
        check_specs=[_check_spec(EVERYTHING_IS_FRESH, PUBLISHED)],
        can_subset=True,
    )
    def cascade_duckdb(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
        yield from _events(context, run, "publish")

    return cascade_duckdb


def _historical_asset(models: Sequence[Model], parameters: Parameters) -> dg.AssetsDefinition:
    """Views of the past are an asset of their own, so that the catalog keeps the newest state of all others."""
    by_name = {model.full_name: model for model in models}
    everything = code_version({name for name, model in by_name.items() if is_asset(model)}, by_name, parameters)

    # No dependencies: it is made in a copy of the warehouse, and what is stored later does not change it.
    @dg.asset(
        key=key(HISTORICAL_VIEW),
        partitions_def=dg.DailyPartitionsDefinition(start_date=str(FIRST_EQUITY_DAY)),
        code_version=digest([_code(*_PUBLISHING), everything]),
        group_name="history",
        kinds={"duckdb"},
        owners=OWNERS,
        description="What was known at the end of a past day (UTC), in a file of its own: cascade-asof-DATE.duckdb.",
    )
    def cascade_asof(run: dg.ResourceParam[StepRunner]) -> dg.MaterializeResult:
        if run.run.as_of is None:
            raise dg.Failure("choose a day: a historical view is made for one partition")
        try:
            return _result(run.historical_view())
        except StepFailed as error:
            raise dg.Failure(str(error)) from error

    return cascade_asof


@dg.multi_asset(
    name="exports",
    specs=[
        dg.AssetSpec(
            key(PARQUET),
            deps=[key(PUBLISHED)],
            code_version=_code("publish/parquet_export.py"),
            group_name="publish",
            kinds={"parquet"},
            owners=OWNERS,
            description="The published tables as Parquet files, for readers other than DuckDB.",
        ),
        dg.AssetSpec(
            key(REPORT),
            deps=[key(PUBLISHED)],
            code_version=digest([_code("report/*.*"), code(tuple(sorted((SQL_FOLDER / "report").glob("*.sql"))))]),
            group_name="publish",
            kinds={"html"},
            owners=OWNERS,
            description="The report as one page that needs no network, with its pictures in the metadata.",
        ),
    ],
)
def exports(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """What is made of the published file for those who do not query it."""
    yield from _events(context, run, "exports")


def build_assets() -> list[dg.AssetsDefinition]:
    """Every asset, in the order of the data: reference, raw, models, publish."""
    parameters = load_parameters()
    models = [model.worded(parameters) for model in read_models()]
    return [
        universe,
        sessions,
        *(_ingest_asset(asset_class) for asset_class in ASSET_CLASSES),
        clock,
        _models_asset(models, parameters),
        _publish_asset(models, parameters),
        exports,
        _historical_asset(models, parameters),
    ]


def ingest_selection(asset_class: AssetClass) -> dg.AssetSelection:
    """The universe, one class of raw tables, and all that follows from them."""
    raw = [key(RAW_TABLE[name].full_name) for name in TABLES_OF_CLASS[asset_class]]
    return dg.AssetSelection.groups("reference") | dg.AssetSelection.assets(*raw).downstream()
