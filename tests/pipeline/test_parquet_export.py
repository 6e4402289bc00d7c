"""The Parquet export holds what the published file holds, changes at once, and keeps what did not change."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from shelf import Shelf

from assets.publish import parquet_export
from assets.publish.parquet_export import ParquetExport, ParquetExportError, export_parquet
from assets.warehouse.connection import connect, resting


def published(shelf: Shelf) -> Path:
    return shelf.home.published(None)


def write(shelf: Shelf) -> ParquetExport:
    """Publish what is there and export it."""
    shelf.publish()
    return export_parquet(published(shelf), shelf.home.parquet)


@pytest.fixture(scope="module")
def exported(stocked_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A home with an export, for tests that change nothing."""
    made = Shelf(tmp_path_factory.mktemp("exported") / "home", stocked_warehouse)
    assert write(made).parts_kept == 0
    return made


def bars(folder: Path, asset_class: str, year: int) -> Path:
    return folder / "core" / "bars" / f"asset_class={asset_class}" / f"year={year}"


def files(folder: Path) -> dict[str, int]:
    """Every Parquet file below the folder with its number on the disk."""
    there = folder.resolve()
    return {str(path.relative_to(there)): path.stat().st_ino for path in there.rglob("*.parquet")}


@pytest.mark.slow
def test_every_table_is_exported_row_for_row(exported: Shelf) -> None:
    folder = exported.home.parquet
    with duckdb.connect() as reader:
        reader.execute("set timezone = 'UTC'")
        reader.execute(f"attach '{published(exported)}' as published (read_only)")
        tables = reader.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'published' order by all"
        ).fetchall()
        assert len(tables) > 25
        for schema, table in tables:
            name = f"published.{schema}.{table}"
            path = folder / schema / (f"{table}.parquet" if table != "bars" else "bars/**/*.parquet")
            columns = [row[0] for row in reader.execute(f"describe {name}").fetchall()]
            as_files = f"(select {', '.join(columns)} from read_parquet('{path}'))"
            assert reader.execute(f"from {name} except all from {as_files}").fetchall() == [], name
            assert reader.execute(f"from {as_files} except all from {name}").fetchall() == [], name
    assert len(files(folder)) == len(tables) - 1 + 4


def test_bars_lie_in_parts_by_class_and_year(exported: Shelf) -> None:
    with duckdb.connect() as reader:
        rows = reader.execute(
            "select asset_class, year, instrument_id, close "
            f"from read_parquet('{exported.home.parquet}/core/bars/**/*.parquet', hive_partitioning = true) "
            "order by all"
        ).fetchall()
    assert rows == [
        ("crypto", 2023, "BTC", 42000.5),
        ("crypto", 2024, "BTC", 44000.25),
        ("equity", 2023, "RUT", 2027.07),
        ("equity", 2024, "RUT", 2012.8),
    ]


def test_counts_stay_integers(exported: Shelf) -> None:
    """Parquet has no HUGEINT, and a count that turns into a floating-point number is a trap."""
    with duckdb.connect() as reader:
        types = dict(
            reader.execute(
                f"select column_name, column_type from (describe from '{exported.home.parquet}/marts/claims.parquet')"
            ).fetchall()
        )
    assert types["n"] == "BIGINT"


def test_only_what_changed_is_written_again(shelf: Shelf) -> None:
    write(shelf)
    before = files(shelf.home.parquet)
    shelf.change("update core.bars set close = 2012.9 where session_date = '2024-01-02'")

    result = write(shelf)

    after = files(shelf.home.parquet)
    changed = {path for path, number in after.items() if before.get(path) != number}
    # The run log differs each time, and so do the published tables about snapshots.
    assert changed == {
        "core/bars/asset_class=equity/year=2024/data_0.parquet",
        "meta/runs.parquet",
        "meta/snapshots.parquet",
    }
    assert (result.parts_written, result.parts_kept) == (3, len(after) - 3)


@pytest.mark.slow
def test_a_part_that_is_no_more_is_not_in_the_export(shelf: Shelf) -> None:
    write(shelf)
    shelf.change("delete from core.bars where instrument_id = 'BTC' and session_date = '2023-12-31'")

    write(shelf)

    assert bars(shelf.home.parquet, "crypto", 2024).is_dir()
    assert not bars(shelf.home.parquet, "crypto", 2023).exists()


@pytest.mark.slow
def test_the_same_snapshot_is_exported_once(shelf: Shelf) -> None:
    first = write(shelf)
    before = shelf.home.parquet.readlink()

    again = export_parquet(published(shelf), shelf.home.parquet)

    assert (again.parts_written, again.parts_kept) == (0, first.parts_written)
    assert shelf.home.parquet.readlink() == before


@pytest.mark.slow
def test_a_reader_of_the_resolved_folder_keeps_its_state(shelf: Shelf) -> None:
    write(shelf)
    held = shelf.home.parquet.resolve()
    shelf.change("update marts.claims set verdict = 'supported'")
    write(shelf)

    with duckdb.connect() as reader:
        verdicts = [
            reader.execute(f"select verdict from '{folder}/marts/claims.parquet'").fetchall()
            for folder in (held, shelf.home.parquet)
        ]
    assert verdicts == [[("contradicted",)], [("supported",)]]
    write(shelf)
    assert not held.exists()  # it stays for one run, not for ever
    assert len([*shelf.home.folder.glob(".parquet-*")]) == 2


@pytest.mark.parametrize("step", [pytest.param("_check", marks=pytest.mark.slow), "_point"])
def test_an_export_that_fails_leaves_the_old_one(step: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    write(shelf)
    before, link = files(shelf.home.parquet), shelf.home.parquet.readlink()
    shelf.change("update marts.claims set verdict = 'supported'")

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(parquet_export, step, fail)
        write(shelf)

    assert (files(shelf.home.parquet), shelf.home.parquet.readlink()) == (before, link)
    assert [*shelf.home.folder.glob(".parquet-*.tmp")] == []
    assert export_parquet(published(shelf), shelf.home.parquet).parts_written == 3
    assert len([*shelf.home.folder.glob(".parquet-*")]) == 2


@pytest.mark.slow
def test_files_with_other_rows_than_the_tables_are_not_published(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    write(shelf)
    link = shelf.home.parquet.readlink()
    shelf.change("insert into core.bars by name select 'RUT' as instrument_id, '2024-01-03'::date as session_date")
    monkeypatch.setattr(parquet_export, "_selected", lambda columns, source, *more: f"select *, from {source} limit 0")

    with pytest.raises(
        ParquetExportError, match=r"core/bars/asset_class=equity/year=2024 has 0 rows in the export but 2"
    ):
        write(shelf)

    assert shelf.home.parquet.readlink() == link


@pytest.mark.slow
def test_an_old_file_that_is_gone_is_written_again(shelf: Shelf) -> None:
    write(shelf)
    (shelf.home.parquet / "core" / "macro.parquet").unlink()
    shutil.rmtree(bars(shelf.home.parquet, "equity", 2023))

    result = write(shelf)

    assert (shelf.home.parquet / "core" / "macro.parquet").is_file()
    assert [*bars(shelf.home.parquet, "equity", 2023).iterdir()]
    assert result.parts_written == 4  # and the two tables of the run log


@pytest.mark.slow
def test_a_manifest_that_cannot_be_read_costs_a_whole_export(shelf: Shelf) -> None:
    write(shelf)
    (shelf.home.parquet / "manifest.json").write_text("{", encoding="utf-8")

    assert write(shelf).parts_kept == 0


def test_a_folder_that_cascade_did_not_make_is_left_alone(shelf: Shelf) -> None:
    shelf.publish()
    shelf.home.parquet.mkdir()
    (shelf.home.parquet / "thesis.docx").write_bytes(b"precious")

    with pytest.raises(ParquetExportError, match="is not an export of Cascade; move it away"):
        export_parquet(published(shelf), shelf.home.parquet)

    assert (shelf.home.parquet / "thesis.docx").read_bytes() == b"precious"


@pytest.mark.slow
def test_a_copied_home_goes_on(shelf: Shelf) -> None:
    """Many ways to copy a folder turn the link into what it points to."""
    write(shelf)
    target = shelf.home.parquet.resolve()
    shelf.home.parquet.unlink()
    shutil.copytree(target, shelf.home.parquet)
    shutil.rmtree(target)

    result = write(shelf)

    assert shelf.home.parquet.is_symlink()
    assert result.parts_written == 2
    assert [path.name for path in shelf.home.folder.glob(".parquet*")] == [str(shelf.home.parquet.readlink())]


def test_the_export_says_what_it_is(exported: Shelf) -> None:
    manifest = json.loads((exported.home.parquet / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["snapshot_id"] == exported.ask("select max_by(snapshot_id, published_at) from meta.snapshots")[0][0]
    assert manifest["is_synthetic"] is False
    assert manifest["parts"]["core/bars/asset_class=equity/year=2024"]["rows"] == 1
    assert "SYNTHETIC" not in (exported.home.parquet / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_synthetic_export_says_so_in_every_file(shelf: Shelf) -> None:
    shelf.publish(source="demo")
    export_parquet(published(shelf), shelf.home.parquet)

    folder = shelf.home.parquet
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["is_synthetic"] is True
    assert "SYNTHETIC DATA" in (folder / "README.md").read_text(encoding="utf-8")
    with duckdb.connect() as reader:
        silent = reader.execute(
            f"select file_name from parquet_kv_metadata('{folder}/**/*.parquet') group by file_name "
            "having not bool_or(key::varchar = 'source' and value::varchar = 'demo (synthetic)')"
        ).fetchall()
    assert silent == []


def test_the_link_is_never_missing(tmp_path: Path) -> None:
    """A reader that looks all the time, while the export is replaced hundreds of times."""
    folder = tmp_path / "parquet"
    states = [tmp_path / f".parquet-{name}" for name in ("one", "other")]
    for state in states:
        state.mkdir()
        (state / "manifest.json").write_text("{}", encoding="utf-8")
    nothing = parquet_export._Old.read(folder)
    parquet_export._point(folder, states[0], nothing)
    missed, looks, is_over = [0], [0], threading.Event()

    def look() -> None:
        while not is_over.is_set():
            looks[0] += 1
            missed[0] += not (folder / "manifest.json").exists()

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(300):
        parquet_export._point(folder, states[number % 2], nothing)
    is_over.set()
    reader.join()

    assert looks[0] > 50
    assert missed[0] == 0


@pytest.mark.slow
def test_a_resting_warehouse_gives_its_memory_back_and_has_it_again(tmp_path: Path) -> None:
    def held() -> tuple[str, int]:
        return connection.execute(
            "select current_setting('memory_limit'), (select sum(memory_usage_bytes) from duckdb_memory())::bigint"
        ).fetchall()[0]

    with closing(connect(str(tmp_path / "warehouse.duckdb"), tmp_path / "spill")) as connection:
        connection.execute("create temp table rows as select random() as value from range(20_000_000)")
        (before, much) = held()
        with resting(connection):
            (_, little) = held()
        assert (held()[0], connection.execute("select count(*) from rows").fetchall()) == (before, [(20_000_000,)])
    assert little < 110 * 2**20 < much
