"""Published files are kept, found again and compared; a crash leaves nothing that needs repair."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from shelf import Shelf

from assets.publish import published_file
from assets.publish.snapshot_diff import Change, StateChange, compare_snapshots
from assets.publish.snapshots import (
    SnapshotError,
    find_snapshot,
    keep_snapshot,
    list_snapshots,
    read_snapshot,
    table_columns,
    table_hash,
)
from pipelines.cli.main import main

CHANGES = """
update marts.claims set verdict = 'supported', n = 13;
update marts.breakouts set status = 'failed', margin = margin * (1 + 1e-12);
insert into marts.breakouts by name
    select 'BTC:all_time_high:2024-01-01' as event_id, 'BTC' as subject_id, '2024-01-01'::date as session_date,
        'open' as status;
update core.bars set close = 2012.9 where session_date = '2024-01-02';
delete from core.bars where session_date = '2023-12-31';
insert into core.bars by name
    select 'RUT' as instrument_id, '2024-01-03'::date as session_date, 1959.2 as close, 3 as bar_number;
"""


@pytest.fixture(scope="module")
def compared(stocked_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A home that was published, changed and published again; to look at only."""
    made = Shelf(tmp_path_factory.mktemp("compared") / "home", stocked_warehouse)
    made.publish()
    made.change(CHANGES)
    made.publish()
    return made


# --- keeping ------------------------------------------------------------------------------------------------------


def test_a_published_file_is_kept_under_a_second_name(shelf: Shelf) -> None:
    snapshot = shelf.publish()

    path = shelf.home.folder / snapshot.path
    assert path.samefile(shelf.home.published(None))  # no byte was copied
    manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert manifest["snapshot_id"] == snapshot.snapshot_id
    assert manifest["run_id"] == "00000001-of-the-shelf"
    assert manifest["as_of"] == "2000-01-01"
    assert manifest["code_version"] == "0.1.0+test"
    assert manifest["source"] == "files"
    assert manifest["is_synthetic"] is False
    assert manifest["content_hash"] == snapshot.content_hash
    assert manifest["table_hashes"].keys() == {
        name
        for (name,) in shelf.ask(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'meta'"
        )
    }
    assert list_snapshots(shelf.home) == [snapshot]


def test_the_file_that_is_replaced_stays_as_it_was(shelf: Shelf) -> None:
    first = shelf.publish()
    before = (shelf.home.folder / first.path).read_bytes()
    shelf.change("update marts.claims set verdict = 'supported'")

    second = shelf.publish()

    assert (shelf.home.folder / first.path).read_bytes() == before
    assert shelf.ask("select verdict from marts.claims", shelf.home.folder / first.path) == [("contradicted",)]
    assert shelf.ask("select verdict from marts.claims") == [("supported",)]
    assert list_snapshots(shelf.home) == [second, first]
    assert shelf.ask("select snapshot_id, path, content_hash from meta.snapshots order by published_at desc") == [
        (second.snapshot_id, second.path, second.content_hash),
        (first.snapshot_id, first.path, first.content_hash),
    ]


@pytest.mark.slow
def test_a_file_is_itself_also_after_the_clock_was_set_back(shelf: Shelf) -> None:
    first = shelf.publish()
    manifest = (shelf.home.folder / first.path).with_suffix(".json")
    ahead = {**json.loads(manifest.read_text(encoding="utf-8")), "published_at": "2999-01-01T00:00:00+00:00"}
    manifest.write_text(json.dumps(ahead), encoding="utf-8")
    shelf.change("update marts.claims set verdict = 'supported'")

    second = shelf.publish()

    assert second.snapshot_id != first.snapshot_id
    assert (shelf.home.folder / second.path).samefile(shelf.home.published(None))


@pytest.mark.parametrize("kept", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_the_oldest_go_first_and_the_newest_never(shelf: Shelf, kept: int) -> None:
    published = [shelf.publish(kept=kept) for _ in range(kept + 2)]

    stay = published[:0:-1]
    assert list_snapshots(shelf.home) == stay
    assert {path.stem for path in shelf.home.snapshots.iterdir()} == {snapshot.snapshot_id for snapshot in stay}
    # The published file lists the snapshots that exist, and no other.
    assert shelf.ask("select snapshot_id from meta.snapshots order by published_at desc") == [
        (snapshot.snapshot_id,) for snapshot in stay
    ]


def test_a_look_at_the_past_is_no_snapshot(shelf: Shelf) -> None:
    first = shelf.publish()

    past = shelf.publish(as_of=date(2000, 1, 1))

    assert past.path == "cascade-asof-2000-01-01.duckdb"
    assert list_snapshots(shelf.home) == [first]
    path = shelf.home.published(date(2000, 1, 1))
    assert shelf.ask("select snapshot_id from meta.snapshots", path) == [(past.snapshot_id,)]


@pytest.mark.slow
def test_a_disk_without_second_names_gets_a_copy(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    snapshot = shelf.publish()

    path = shelf.home.folder / snapshot.path
    assert not path.samefile(shelf.home.published(None))
    assert path.read_bytes() == shelf.home.published(None).read_bytes()


class Killed(BaseException):
    """The end of a process, as far as files can tell."""


def stop_before(function: str, monkeypatch: pytest.MonkeyPatch, call: int = 1) -> None:
    """Let a run end for good before a call of a function of the publisher."""
    calls: list[int] = []
    original: Callable[..., None] = getattr(published_file, function)

    def stop(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == call:
            raise Killed
        original(*arguments)

    monkeypatch.setattr(published_file, function, stop)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "call", "is_published"), [("_build", 1, False), ("swap_in", 1, False), ("_keep", 2, True)]
)
def test_a_crash_needs_no_repair(
    function: str, call: int, is_published: bool, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shelf.publish()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_before(function, patch, call)
        shelf.publish()
    left = read_snapshot(shelf.home.published(None))
    assert (left != first) is is_published
    assert list_snapshots(shelf.home) == [first]

    last = shelf.publish()

    assert list_snapshots(shelf.home) == ([last, left, first] if is_published else [last, first])


def test_what_a_crash_left_in_the_folder_goes(shelf: Shelf) -> None:
    snapshot = shelf.publish()
    (shelf.home.snapshots / "20200101T000000Z-00000000.json").write_text("{", encoding="utf-8")
    (shelf.home.snapshots / "20200101T000000Z-00000000.duckdb.tmp").write_bytes(b"half")
    assert list_snapshots(shelf.home) == [snapshot]

    keep_snapshot(shelf.home, 7)

    assert {path.stem for path in shelf.home.snapshots.iterdir()} == {snapshot.snapshot_id}


def test_a_file_of_somebody_else_is_left_alone(shelf: Shelf) -> None:
    shelf.publish(kept=0)
    mine = shelf.home.snapshots / "before-the-crash.duckdb"
    mine.write_bytes(b"precious")

    shelf.publish(kept=0)

    assert mine.read_bytes() == b"precious"
    assert len(list_snapshots(shelf.home)) == 1


@pytest.mark.slow
def test_a_published_file_that_cannot_be_read_is_replaced(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf.home.published(None).write_bytes(b"not a database" * 100)

    snapshot = shelf.publish()

    assert list_snapshots(shelf.home) == [snapshot]
    assert "not kept as a snapshot" in caplog.text


def test_a_manifest_that_is_none_is_named(shelf: Shelf) -> None:
    snapshot = shelf.publish()
    (shelf.home.folder / snapshot.path).with_suffix(".json").write_text("{}", encoding="utf-8")

    with pytest.raises(SnapshotError, match="is not a manifest"):
        list_snapshots(shelf.home)


# --- the hash -----------------------------------------------------------------------------------------------------

ROWS = "select * from (values (1, 'a', 0.5), (2, 'b', null), (2, 'b', null)) as t(n, name, x)"


def hash_of(sql: str) -> str:
    with duckdb.connect() as connection:
        connection.execute(f"create schema core; create table core.t as {sql}")
        return table_hash(connection, "core.t", table_columns(connection, ["core"])["core.t"])


def test_the_hash_does_not_depend_on_the_order_of_rows() -> None:
    assert hash_of(ROWS) == hash_of(f"{ROWS} order by n desc, name")


@pytest.mark.parametrize(
    "other",
    [
        "select * from (values (1, 'a', 0.5), (2, 'b', null)) as t(n, name, x)",
        "select * from (values (1, 'a', 0.5), (2, 'b', null), (2, 'b', 0)) as t(n, name, x)",
        "select * from (values (1, 'b', 0.5), (2, 'a', null), (2, 'b', null)) as t(n, name, x)",
        f"select n, name, x as y from ({ROWS})",
        f"select n::bigint as n, name, x from ({ROWS})",
        f"from ({ROWS}) where false",
    ],
)
def test_the_hash_depends_on_everything_else(other: str) -> None:
    assert hash_of(other) != hash_of(ROWS)


@pytest.mark.slow
def test_the_same_data_have_the_same_content_hash(shelf: Shelf) -> None:
    first, second = shelf.publish(), shelf.publish()
    shelf.change("update core.bars set close = close + 1e-6 where instrument_id = 'BTC'")
    third = shelf.publish()

    assert first.content_hash == second.content_hash != third.content_hash
    assert {table for table, hash_ in third.table_hashes.items() if hash_ != first.table_hashes[table]} == {"core.bars"}


# --- finding ------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_found_by_what_people_call_it(compared: Shelf) -> None:
    second, first = list_snapshots(compared.home)
    place = compared.home.folder / second.path

    assert find_snapshot(compared.home, "latest") == compared.home.published(None)
    assert find_snapshot(compared.home, first.snapshot_id) == compared.home.folder / first.path
    assert find_snapshot(compared.home, "2000-01-01") == place
    assert find_snapshot(compared.home, second.published_at.date().isoformat()) == place
    assert find_snapshot(compared.home, str(place)) == place


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("2", "2 snapshots have ids that begin with 2; write more of the id"),
        ("1999-01-01", "there is no snapshot 1999-01-01; `cascade snapshots` lists"),
        ("nothing", "there is no snapshot nothing"),
        ("no/such.duckdb", "no/such.duckdb does not exist"),
    ],
)
def test_what_is_not_there_is_told(named: str, reason: str, compared: Shelf) -> None:
    with pytest.raises(SnapshotError, match=reason):
        find_snapshot(compared.home, named)


# --- comparing ----------------------------------------------------------------------------------------------------


def test_what_changed_is_told_by_the_key_of_each_table(compared: Shelf) -> None:
    second, first = list_snapshots(compared.home)

    found = compare_snapshots(compared.home.folder / first.path, compared.home.published(None))

    assert (found.one, found.other) == (first, second)
    assert found.verdicts == [StateChange("6. An altseason followed.", "contradicted", "supported")]
    assert found.breakouts == [
        StateChange("BTC:all_time_high:2024-01-01", None, "open"),
        StateChange("RUT:year_high:2023-12-29", "open", "failed"),
    ]
    assert [(t.table_name, t.rows_added, t.rows_removed, t.rows_changed) for t in found.tables] == [
        ("marts.breakouts", 1, 0, 1),
        ("marts.claims", 0, 0, 1),
        ("core.bars", 1, 1, 1),
    ]
    breakouts, claims, bars = found.tables
    # A number that differs in its last digits only has not changed.
    assert breakouts.changed == [Change("RUT:year_high:2023-12-29", "status", "open", "failed")]
    assert claims.changed == [Change("6", "n", "12", "13"), Change("6", "verdict", "contradicted", "supported")]
    assert bars.changed == [Change("RUT, 2024-01-02", "close", "2012.8", "2012.9")]
    assert (bars.added, bars.removed) == (["RUT, 2024-01-03"], ["BTC, 2023-12-31"])


@pytest.mark.slow
def test_values_that_come_or_go_have_changed(shelf: Shelf) -> None:
    first = shelf.publish()
    shelf.change("update core.bars set close = null where instrument_id = 'BTC'; update core.bars set volume = 1")
    shelf.publish()

    (bars,) = compare_snapshots(shelf.home.folder / first.path, shelf.home.published(None)).tables

    assert bars.rows_changed == 4
    assert Change("BTC, 2024-01-01", "close", "44000.25", None) in bars.changed
    assert Change("BTC, 2024-01-01", "volume", None, "1.0") in bars.changed
    assert len({change.key for change in bars.changed}) == 3  # examples have an end, counts have not


@pytest.mark.slow
def test_two_files_with_the_same_data_differ_in_nothing(shelf: Shelf) -> None:
    first = shelf.publish()
    shelf.change("update marts.claims set as_of = '2000-01-02'")  # only repeats the day of the file
    shelf.publish()
    latest = shelf.home.published(None)

    assert compare_snapshots(shelf.home.folder / first.path, latest).is_empty
    assert compare_snapshots(latest, latest).is_empty


@pytest.mark.slow
def test_tables_and_columns_that_come_and_go_are_told(shelf: Shelf) -> None:
    first = shelf.publish()
    shelf.change(
        "alter table marts.claims add column weight double; alter table marts.claims drop column reason; "
        "alter table marts.claims alter n type bigint; drop table marts.altseason; "
        "create table marts.moods (mood varchar)"
    )
    shelf.publish()

    found = compare_snapshots(shelf.home.folder / first.path, shelf.home.published(None))

    assert (found.tables_added, found.tables_removed) == (["marts.moods"], ["marts.altseason"])
    claims = next(table for table in found.tables if table.table_name == "marts.claims")
    assert (claims.columns_added, claims.columns_removed) == (["weight"], ["reason"])
    assert claims.types_changed == ["n: HUGEINT to BIGINT"]
    assert claims.rows_changed == 0


def test_what_is_no_published_file_cannot_be_compared(compared: Shelf, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    duckdb.connect(str(other)).close()

    with pytest.raises(SnapshotError, match=r"other\.duckdb is not a published file of Cascade"):
        compare_snapshots(compared.home.published(None), other)


# --- the commands -------------------------------------------------------------------------------------------------


def invoke(shelf: Shelf, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--home", str(shelf.home.folder)])


def test_snapshots_are_listed(compared: Shelf) -> None:
    second, first = list_snapshots(compared.home)

    shown, as_json = invoke(compared, "snapshots"), invoke(compared, "snapshots", "--json")

    assert shown.exit_code == as_json.exit_code == 0
    assert shown.output.index(second.snapshot_id) < shown.output.index(first.snapshot_id)
    assert "SYNTHETIC" not in shown.output
    listed = [json.loads(line) for line in as_json.output.splitlines()]
    assert [one["snapshot_id"] for one in listed] == [second.snapshot_id, first.snapshot_id]
    assert listed[0]["published_at"] == second.published_at.isoformat()
    assert listed[0]["table_hashes"] == second.table_hashes


@pytest.mark.slow
def test_differences_are_shown_with_verdicts_first(compared: Shelf) -> None:
    _, first = list_snapshots(compared.home)

    shown, as_json = invoke(compared, "diff", first.snapshot_id), invoke(compared, "diff", first.snapshot_id, "--json")

    assert shown.exit_code == as_json.exit_code == 0
    places = [shown.output.index(text) for text in ("6. An altseason", "RUT:year_high", "core.bars", "2012.9")]
    assert places == sorted(places)
    changes = json.loads(as_json.output)
    assert changes["verdicts"] == [{"subject": "6. An altseason followed.", "old": "contradicted", "new": "supported"}]
    assert changes["one"]["snapshot_id"] == first.snapshot_id


@pytest.mark.slow
def test_snapshots_of_a_synthetic_market_say_so(shelf: Shelf) -> None:
    shelf.publish(source="demo")

    assert "SYNTHETIC" in invoke(shelf, "snapshots").output
    assert "SYNTHETIC" in invoke(shelf, "diff", "latest").output
    assert json.loads(invoke(shelf, "snapshots", "--json").output)["is_synthetic"] is True


def test_what_is_missing_is_reported_in_one_line(shelf: Shelf) -> None:
    before = invoke(shelf, "snapshots")
    assert (before.exit_code, before.stderr.count("\n")) == (1, 1)
    assert before.stderr.startswith(f"cascade: {shelf.home.snapshots} has no snapshots; create one with: cascade run")
    shelf.publish()
    unknown = invoke(shelf, "diff", "1999-01-01")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)
