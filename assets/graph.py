"""The Dagster assets and their checks.

Here: keys, groups, dependencies, descriptions and metadata. What a step does is in `steps`. Every published SQL model
is an asset because its file exists. When assets are materialised is decided in `pipelines`.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import timedelta
from functools import cache

import dagster as dg

from assets.config.parameters import load_parameters
from assets.contracts.raw import RAW_TABLE, TABLES_OF_CLASS
from assets.contracts.reference import CLAIMS_TABLES, UNIVERSE_TABLES
from assets.contracts.stored import PUBLISHED_SCHEMAS, STORED_TABLES
from assets.contracts.table import Column, Table
from assets.ingest.delivery_checks import CONTRACT, DELIVERY_CHECKS
from assets.models.build import SOUND, assets_read, is_asset
from assets.models.checks import DATA_CHECKS, model_rules
from assets.models.lineage import LineageError, for_dagster, published_lineage
from assets.models.sql_files import Model, read_models
from assets.sources.base import ASSET_CLASSES, AssetClass
from assets.steps import CLOCK_TABLES, EVERYTHING_IS_FRESH, PARQUET, PUBLISHED, REPORT, UNIVERSE, StepRunner
from assets.warehouse.results import Check, CheckGroup, CheckSpec, StepEvent, StepFailed, TableBuilt

OWNERS = ["team:research"]
DagsterEvent = dg.MaterializeResult | dg.AssetCheckResult
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


def _events(runner: StepRunner, step: str, selected: Set[str] | None = None) -> Iterator[DagsterEvent]:
    """What a step reports, as Dagster's events. Raises dagster.Failure when the step failed."""
    try:
        for event in runner.events(step, selected):
            yield _dagster_event(event)
    except StepFailed as error:
        raise dg.Failure(str(error)) from error


def _dagster_event(event: StepEvent) -> DagsterEvent:
    if isinstance(event, TableBuilt):
        return _materialized(event)
    return _group_result(event) if isinstance(event, CheckGroup) else _check_result(event)


def _materialized(built: TableBuilt) -> dg.MaterializeResult:
    metadata: dict[str, dg.MetadataValue | dg.TableSchema | dg.TableColumnLineage | int | float | str] = {
        name: _shown(name, fact) for name, fact in built.facts.items()
    }
    if built.rows is not None:
        metadata["dagster/row_count"] = built.rows
    if built.columns:
        metadata["dagster/column_schema"] = _schema(built.columns)
    if built.table_name in _lineage():
        metadata["dagster/column_lineage"] = _lineage()[built.table_name]
    return dg.MaterializeResult(asset_key=key(built.table_name), metadata=metadata)


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
    description="The universe, claims and parameter files as tables: "
    + ", ".join(_UNIVERSE_TABLES)
    + " and meta.parameters.",
)
def universe(run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """The universe, claims and parameter files."""
    yield from _events(run, "universe")


@dg.multi_asset(name="sessions", specs=[_stored_spec(_STORED["reference.sessions"], "reference", {"python", "duckdb"})])
def sessions(run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """The exchange's and the crypto market's calendar."""
    yield from _events(run, "sessions")


@dg.multi_asset(
    name="clock",
    specs=[
        _stored_spec(_STORED[name], "clock", {"python", "duckdb"}, deps=[t.full_name for t in RAW_TABLE.values()])
        for name in CLOCK_TABLES
    ],
)
def clock(run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """The instant as of which everything derived is true, and when each macro value became public."""
    yield from _events(run, "clock")


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

    @dg.multi_asset(
        name=_RAW_GROUP[asset_class],
        specs=[
            _stored_spec(
                RAW_TABLE[name], "raw", {"python", "duckdb"}, [UNIVERSE, "reference.sessions"]
            ).replace_attributes(freshness_policy=_FRESHNESS[asset_class])
            for name in tables
        ],
        check_specs=_ingest_check_specs(asset_class),
        # Classes run in the order in which they are fetched ahead.
        op_tags={"dagster/priority": str(-ASSET_CLASSES.index(asset_class))},
        description=f"Fetch the class {asset_class}, reject bad rows with the reason, store what changed.",
    )
    def ingest_class(run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
        yield from _events(run, asset_class)

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
    description = " ".join(model_rules(model).values())
    return dg.AssetCheckSpec(SOUND, asset=key(model.full_name), blocking=True, description=description)


def _models_asset(models: Sequence[Model]) -> dg.AssetsDefinition:
    """Every published table is an asset, and all are one step: Dagster takes a tenth of a second for each step."""
    by_name = {model.full_name: model for model in models}
    assets = [model for model in models if is_asset(model)]

    @dg.multi_asset(
        name="models",
        specs=[_model_spec(model, assets_read(model, by_name)) for model in assets],
        check_specs=[*map(_model_check_spec, assets), *_data_check_specs(assets)],
        can_subset=True,
        description="Build the tables that the files below sql/ define, each after those that it reads.",
    )
    def build(context: dg.AssetExecutionContext, run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
        # A table that is broken fails the step: those that read it are built in the same one, and a blocking check
        # alone would stop none of them.
        yield from _events(
            run, "models", {model.full_name for model in assets if key(model.full_name) in context.selected_asset_keys}
        )

    return build


def _data_check_specs(models: Sequence[Model]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=key(table), description=description)
        for table in (model.full_name for model in models)
        for name, description, _, _ in DATA_CHECKS.get(table, ())
    ]


# --- publish ------------------------------------------------------------------------------------------------------


def _publish_asset(models: Sequence[Model]) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(PUBLISHED),
        deps=[key(model.full_name) for model in models if is_asset(model)],
        group_name="publish",
        kinds={"duckdb"},
        owners=OWNERS,
        check_specs=[_check_spec(EVERYTHING_IS_FRESH, PUBLISHED)],
    )
    def cascade_duckdb(run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
        """The one file that readers query, swapped in at once."""
        yield from _events(run, "publish")

    return cascade_duckdb


@dg.multi_asset(
    name="exports",
    specs=[
        dg.AssetSpec(
            key(PARQUET),
            deps=[key(PUBLISHED)],
            group_name="publish",
            kinds={"parquet"},
            owners=OWNERS,
            description="The published tables as Parquet files, for readers other than DuckDB.",
        ),
        dg.AssetSpec(
            key(REPORT),
            deps=[key(PUBLISHED)],
            group_name="publish",
            kinds={"html"},
            owners=OWNERS,
            description="The report as one page that needs no network, with its pictures in the metadata.",
        ),
    ],
)
def exports(run: dg.ResourceParam[StepRunner]) -> Iterator[DagsterEvent]:
    """What is made of the published file for those who do not query it."""
    yield from _events(run, "exports")


def build_assets() -> list[dg.AssetsDefinition]:
    """Every asset, in the order of the data: reference, raw, models, publish."""
    parameters = load_parameters()
    models = [model.worded(parameters) for model in read_models()]
    return [
        universe,
        sessions,
        *(_ingest_asset(asset_class) for asset_class in ASSET_CLASSES),
        clock,
        _models_asset(models),
        _publish_asset(models),
        exports,
    ]


def ingest_selection(asset_class: AssetClass) -> dg.AssetSelection:
    """The universe, one class of raw tables, and all that follows from them."""
    raw = [key(RAW_TABLE[name].full_name) for name in TABLES_OF_CLASS[asset_class]]
    return dg.AssetSelection.groups("reference") | dg.AssetSelection.assets(*raw).downstream()
