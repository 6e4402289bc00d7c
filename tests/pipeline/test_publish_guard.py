"""Assets that are materialised in parts: tables that do not belong together are never published."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from folders import CascadeHome, MarketFolder, differences, healthy_home, market_folder

from pipelines.definitions import defs
from pipelines.failures import why_failed

PUBLISH = ("publish/cascade_duckdb",)
EQUITIES = ("raw/equity_bars", "raw/equity_actions", "raw/group_members")
CLOCK = ("reference/clock", "reference/releases")


@pytest.fixture
def folder(tmp_path: Path) -> MarketFolder:
    return market_folder(tmp_path / "market")


@pytest.fixture
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> CascadeHome:
    return healthy_home(tmp_path_factory.getbasetemp()).copy(tmp_path / "home")


def materialise(home: CascadeHome, folder: MarketFolder, *assets: str) -> str | None:
    """Materialise some assets, as in the UI. Returns why it failed."""
    config = {"source": "files", "path": str(folder.path), "home": str(home.path)}
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(name.split("/")) for name in assets],
            run_config={
                "resources": {"run": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
        return None if result.success else why_failed(instance, result.run_id)[0]


def new_session(folder: MarketFolder) -> None:
    for name in ("equity/RUT", "equity/SPX", "equity/IWM"):
        folder.add(name, "2025-12-15" + folder.line(name, "2025-12-12").removeprefix("2025-12-12"))


def correction(folder: MarketFolder) -> None:
    folder.edit("equity/IWM", "2025-12-10", volume="123456")


def test_publishing_alone_is_allowed_when_nothing_has_changed(home: CascadeHome, folder: MarketFolder) -> None:
    before = home.copy(home.path.with_name("before"))
    assert materialise(home, folder, *PUBLISH) is None
    assert differences(before.published, home.published) == {}
    assert home.ask("select status, as_of::varchar from meta.runs order by started_at desc limit 1") == [
        ("published", "2025-12-12")
    ]


def test_new_raw_rows_are_not_published_next_to_old_tables(home: CascadeHome, folder: MarketFolder) -> None:
    new_session(folder)
    before = home.published.read_bytes()
    assert materialise(home, folder, *EQUITIES) is None
    assert materialise(home, folder, *PUBLISH) == (
        "publish__cascade_duckdb: rows up to 2025-12-15 are stored, but the tables are as of 2025-12-12; "
        "materialise reference/clock and what follows from it"
    )
    assert materialise(home, folder, *CLOCK, *PUBLISH) is not None
    assert home.published.read_bytes() == before
    assert home.run(folder).code == 3  # the others have no bar of that day
    assert home.ask("select max(session_date)::varchar from core.bars") == [("2025-12-15",)]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((EQUITIES,), id="raw", marks=pytest.mark.slow),
        pytest.param((EQUITIES, CLOCK), id="raw then clock", marks=pytest.mark.slow),
        pytest.param(((*EQUITIES, *CLOCK, "core/bars"),), id="one table"),
        pytest.param(((*EQUITIES, *CLOCK, "core/bars", "marts/breakouts"),), id="two tables", marks=pytest.mark.slow),
        pytest.param((EQUITIES, (*CLOCK, "marts/relative_strength")), id="not what it reads", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("change", [pytest.param(new_session, marks=pytest.mark.slow), correction])
def test_a_part_of_the_tables_is_not_published(
    home: CascadeHome, folder: MarketFolder, parts: tuple[tuple[str, ...], ...], change: object
) -> None:
    assert callable(change)
    change(folder)
    before = home.published.read_bytes()
    for part in parts:
        materialise(home, folder, *part)
    reason = materialise(home, folder, *PUBLISH)
    assert reason is not None and "materialise" in reason, reason
    assert home.published.read_bytes() == before
