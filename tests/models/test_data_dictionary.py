"""What the published file says of itself holds together, and lineage is what the SQL says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from bench import all_models
from shelf import Shelf

from assets.contracts.stored import PUBLISHED_SCHEMAS
from assets.models import lineage
from assets.models.data_dictionary import dictionary, unit_of
from assets.models.lineage import (
    LINEAGE_FILE,
    Lineage,
    LineageError,
    Source,
    as_text,
    for_dagster,
    load_lineage,
    parse_lineage,
    published_lineage,
    seen_through,
)
from assets.models.sql_files import read_models

ROOT = Path(__file__).parents[2]

# Numbers that name or count off and have no unit.
WITHOUT_UNIT = {"version", "bar_number", "position", "stage", "from_stage", "to_stage", "claim_id"}

# --- the published file -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file as a reader opens it."""
    shelf = Shelf(tmp_path_factory.mktemp("catalog") / "home", empty_warehouse)
    shelf.publish(has_catalog=True)
    with duckdb.connect(str(shelf.home.published(None)), read_only=True) as reader:
        yield reader


def test_comments_catalog_and_schema_are_the_same(published: duckdb.DuckDBPyConnection) -> None:
    there = published.execute(
        "select schema_name || '.' || table_name, column_name, column_index, lower(data_type), comment "
        "from duckdb_columns() where not internal order by all"
    ).fetchall()
    told = published.execute(
        "select table_name, column_name, position, type, description from meta.columns "
        "where not list_contains(['core.bars_as_of', 'core.macro_as_of'], table_name) order by all"
    ).fetchall()

    assert told == there
    assert len(there) > 400


def test_every_table_has_a_comment_in_the_published_file(published: duckdb.DuckDBPyConnection) -> None:
    assert (
        published.execute("select table_name from duckdb_tables() where coalesce(trim(comment), '') = ''").fetchall()
        == []
    )
    assert published.execute("select * from meta.columns where trim(description) = ''").fetchall() == []


def test_the_data_dictionary_is_that_of_the_published_file(published: duckdb.DuckDBPyConnection) -> None:
    assert dictionary(published) == (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")


def test_macros_are_told_of_like_tables(published: duckdb.DuckDBPyConnection) -> None:
    there = published.execute("describe from core.bars_as_of('2024-01-01')").fetchall()
    told = published.execute(
        "select column_name, upper(type) from meta.columns where table_name = 'core.bars_as_of' order by position"
    ).fetchall()

    assert told == [row[:2] for row in there]


def test_names_say_what_types_are(published: duckdb.DuckDBPyConnection) -> None:
    """A date is a DATE, an instant has a time zone, a question of yes or no is a BOOLEAN."""
    kinds = {
        "timestamp with time zone": r".*_at$",
        "date": r"^(?!is_).*(_date|_day|^as_of|_end|_session|_from|valid_to|_before|^on_since|_start)$",
        "boolean": r"^(is|has)_.*",
    }
    columns = published.execute("select table_name, column_name, type from meta.columns").fetchall()
    for type_, pattern in kinds.items():
        named = {(table, name) for table, name, _ in columns if re.match(pattern, name)}
        typed = {(table, name) for table, name, its in columns if its == type_}
        assert named - typed == set()


def test_every_number_has_a_unit(published: duckdb.DuckDBPyConnection) -> None:
    without = published.execute(
        r"select column_name from meta.columns where unit is null and regexp_matches(type, '^(.*int|integer|double)$')"
    ).fetchall()
    with_one = published.execute(
        r"select table_name, column_name from meta.columns where unit is not null "
        r"and not regexp_matches(type, '^(.*int|integer|double)(\[\])?$')"
    ).fetchall()

    assert {name for (name,) in without} == WITHOUT_UNIT
    assert with_one == []


@pytest.mark.parametrize(
    ("name", "type_", "description", "unit"),
    [
        ("depth", "double", "How far it fell [fraction, negative]; null before.", "fraction"),
        ("net_musd", "double", "Net liquidity.", "USD millions"),
        ("horizon_days", "integer", "Days held.", "days"),
        ("responses", "double[]", "All of them [fraction].", "fraction"),
        ("p_value", "double", "How often by chance.", "probability"),
        ("stage", "integer", "Place in the order.", None),
        ("regime", "varchar", "Which [of two].", None),
        ("is_on", "boolean", "Whether [it is].", None),
    ],
)
def test_units_are_read_from_descriptions_and_names(name: str, type_: str, description: str, unit: str | None) -> None:
    assert unit_of(name, type_, description) == unit


def test_every_table_has_a_key(published: duckdb.DuckDBPyConnection) -> None:
    without = published.execute(
        "select table_name from meta.columns group by table_name having not bool_or(is_key)"
    ).fetchall()
    assert without == []


def test_lineage_in_the_published_file_leads_to_what_there_is(published: duckdb.DuckDBPyConnection) -> None:
    """Every edge begins at a published column and ends at one, or at a table of the schema reference."""
    nowhere = published.execute(
        """
        with ends as (
            select table_name, column_name, upstream, upstream_column from meta.column_lineage
            union all
            select table_name, null, upstream, unnest(columns) from meta.lineage
        )

        select * from ends
        where (
                column_name is not null
                and not exists (
                    select 1 from meta.columns as known
                    where known.table_name = ends.table_name and known.column_name = ends.column_name
                )
            )
            or (
                not starts_with(upstream, 'reference.')
                and not exists (
                    select 1 from meta.columns as known
                    where known.table_name = ends.upstream
                        and known.column_name = coalesce(ends.upstream_column, known.column_name)
                )
            )
        """
    ).fetchall()
    orphans = published.execute(
        "select table_name, upstream from meta.column_lineage except select table_name, upstream from meta.lineage"
    ).fetchall()

    assert nowhere == []
    assert orphans == []


def test_where_net_liquidity_comes_from_can_be_asked(published: duckdb.DuckDBPyConnection) -> None:
    values = published.execute(
        "select upstream, upstream_column from meta.column_lineage "
        "where table_name = 'marts.liquidity' and column_name = 'reverse_repo_musd'"
    ).fetchall()
    steps = published.execute(
        "select steps from meta.lineage where table_name = 'marts.liquidity' and upstream = 'raw.macro_observations'"
    ).fetchall()

    assert values == [("raw.macro_observations", "value")]
    assert steps == [(["intermediate.macro_at_close", "intermediate.macro_versions"],)]


# --- lineage ------------------------------------------------------------------------------------------------------


def made_of(folder: Path, **queries: str) -> dict[str, Lineage]:
    """The lineage of models written down in a folder: name is schema__table, the text is what the CTE final holds."""
    for name, query in queries.items():
        path = folder / f"{name.replace('__', '/')}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"-- description: x\n-- grain: a\n-- known_at: the run's clock\n{query}\n", encoding="utf-8")
    return parse_lineage(read_models(folder))


def columns(found: Lineage) -> dict[str, list[str]]:
    """Readable, for comparing."""
    return {
        column: sorted(f"{source.table}.{source.column or '*'}" for source in sources)
        for column, sources in found.columns.items()
    }


def test_columns_are_followed_through_a_query(tmp_path: Path) -> None:
    query = """
with bars as (
    select instrument_id, session_date, close, volume, captured_at, version from raw.equity_bars
),
caps as (
    select instrument_id, market_cap_usd from raw.crypto_market_caps where version = 1
),
latest as (
    select *, row_number() over newest as place, sum(volume) over newest as total
    from bars
    window newest as (partition by instrument_id order by captured_at)
),
changed as (
    select latest.* replace (close * 2 as close) from latest
    union all by name
    select instrument_id, market_cap_usd as close, 1 as place from caps
),
final as (
    select
        changed.instrument_id as a, -- one
        close, -- two
        close + total as b, -- three
        b / 2 as c, -- four
        place, -- five
        (select max(market_cap_usd) from caps where caps.instrument_id = changed.instrument_id) as d, -- six
        count(*) over () as e, -- seven
        list_filter([session_date], lambda day: day > session_date) as f, -- eight
    from changed
    semi join caps on caps.instrument_id = changed.instrument_id
)

select * from final
"""
    found = made_of(tmp_path, marts__one=query)["marts.one"]

    bars, caps = "raw.equity_bars", "raw.crypto_market_caps"
    assert columns(found) == {
        "a": [f"{caps}.instrument_id", f"{bars}.instrument_id"],
        "close": [f"{caps}.market_cap_usd", f"{bars}.close"],
        "b": [f"{caps}.market_cap_usd", f"{bars}.close", f"{bars}.volume"],
        "c": [f"{caps}.market_cap_usd", f"{bars}.close", f"{bars}.volume"],
        "place": [f"{bars}.captured_at"],  # a position in an order is made of what is ordered by
        "d": [f"{caps}.market_cap_usd"],
        "e": [],
        "f": [f"{bars}.session_date"],
    }
    # What only filters is read as well, though nothing is made of it.
    assert Source(caps, "version") in found.reads
    assert Source(bars, "version") in found.reads


def test_steps_in_between_are_seen_through(tmp_path: Path) -> None:
    found = made_of(
        tmp_path,
        intermediate__first="""
with final as (
    select
        close * 2 as a, -- one
        version as b, -- two
    from raw.equity_bars
)

select * from final
""",
        intermediate__second="""
with final as (
    select
        a as c, -- one
    from intermediate.first
    where b = 1
)

select * from final
""",
        marts__last="""
with final as (
    select
        c as d, -- one
    from intermediate.second
)

select * from final
""",
    )
    seen = seen_through(found, lambda name: name.startswith("intermediate."))

    assert list(seen) == ["marts.last"]
    assert columns(seen["marts.last"]) == {"d": ["raw.equity_bars.close"]}
    assert seen["marts.last"].reads == {Source("raw.equity_bars", "close"), Source("raw.equity_bars", "version")}
    assert seen["marts.last"].steps == {"raw.equity_bars": {"intermediate.first", "intermediate.second"}}


def test_what_python_works_out_is_made_of_tables() -> None:
    found = published_lineage(all_models(), PUBLISHED_SCHEMAS)

    p_value = found["marts.lead_lag"].columns["p_value"]
    assert p_value
    assert {source.column for source in p_value} == {None}
    assert columns(found["marts.lead_lag"])["as_of"] == ["reference.clock.as_of"]


def test_a_column_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    query = (
        "with final as (\n    select\n        nothing as a, -- one\n    from raw.equity_bars\n)\nselect * from final"
    )
    with pytest.raises(LineageError, match=r"sql/marts/one\.sql: the origin of nothing cannot be found"):
        made_of(tmp_path, marts__one=query)


def test_the_committed_lineage_is_that_of_the_sql() -> None:
    models = all_models()
    assert LINEAGE_FILE.read_text(encoding="utf-8") == as_text(parse_lineage(models), models), "run `make docs`"


def test_the_parser_finds_the_tables_that_are_read() -> None:
    for name, found in load_lineage(all_models()).items():
        model = next(model for model in all_models() if model.full_name == name)
        assert {source.table for source in found.reads} == set(model.upstream), name
        assert list(found.columns) == list(model.column_descriptions), name


def test_lineage_is_read_anew_only_where_the_sql_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = all_models()
    asked: list[int] = []
    monkeypatch.setattr(lineage, "parse_lineage", lambda models: asked.append(len(models)))

    load_lineage(models)
    assert asked == []

    kept = json.loads(LINEAGE_FILE.read_text(encoding="utf-8"))
    kept["marts.beta"]["sql"] = "another"
    (tmp_path / "lineage.json").write_text(json.dumps(kept), encoding="utf-8")
    load_lineage(models, tmp_path / "lineage.json")
    load_lineage(models, tmp_path / "missing.json")
    assert asked == [len(models)] * 2


def test_dagster_gets_the_lineage_of_a_table() -> None:
    found = published_lineage(all_models(), PUBLISHED_SCHEMAS)

    told = for_dagster(found["marts.claims"], lambda table: dg.AssetKey(table.split(".")))

    assert told.deps_by_column["n"] == [dg.TableColumnDep(dg.AssetKey(["marts", "claim_parts"]), "n")]
    assert set(told.deps_by_column) == set(found["marts.claims"].columns)
