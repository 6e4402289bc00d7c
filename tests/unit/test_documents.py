"""Documents and code say the same: the data dictionary, the contract of the published tables, the README's queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from assets.config.claims import load_claims
from assets.config.parameters import load_parameters, with_unit
from assets.models.data_dictionary import dictionary

ROOT = Path(__file__).parents[2]

# The columns that are promised to readers; more may be there.
PROMISED = {
    "core.instruments": "instrument_id name asset_class role calendar currency volume_proxy price_basis history_start "
    "last_session",
    "core.groups": "group_id instrument_id valid_from valid_to is_proxy",
    "core.pairs": "pair_id numerator denominator calendar price_basis",
    "core.series": "series_id name unit frequency release_rule stale_after_days",
    "core.sessions": "calendar session_date opens_at closes_at is_half_day",
    "core.bars": "instrument_id session_date open high low close adj_close volume source is_final known_at "
    "captured_at version",
    "core.actions": "instrument_id ex_date kind value known_at",
    "core.macro": "series_id observation_date value unit known_at vintage_quality captured_at version",
    "core.market_cap": "instrument_id session_date market_cap_usd source known_at",
    "marts.relative_strength": "pair_id session_date numerator denominator ratio price_basis mansfield_rs return_63 "
    "zscore_252 is_high_252 known_at",
    "marts.relative_rotation": "pair_id week_end rs_ratio rs_momentum quadrant heading_deg distance known_at",
    "marts.breakouts": "event_id subject_id subject_kind kind session_date level level_date base_sessions base_depth "
    "close margin is_left_censored relative_volume breadth_sma200 liquidity_change_91d decided_at status confirmed_at "
    "failed_at retested_at closes_below_20 outcome_20_at max_drawdown_63 outcome_63_at",
    "marts.breakout_states": "event_id state session_date decided_at",
    "marts.beta": "instrument_id benchmark_id session_date beta_126 correlation_126 up_capture_252 down_capture_252 "
    "known_at",
    "marts.pullbacks": "instrument_id peak_date depth_so_far trough_date decided_at recovered_at absorbed_at deep_at "
    "sessions_to_recover status",
    "marts.breadth": "group_id session_date members share_above_sma50 share_above_sma200 new_highs_252 new_lows_252 "
    "is_proxy known_at",
    "marts.liquidity": "session_date balance_sheet_musd treasury_account_musd reverse_repo_musd net_liquidity_musd "
    "change_28d_musd change_91d_musd zscore_3y regime known_at",
    "marts.altseason": "session_date index_pct members known coverage regime is_proxy known_at",
    "marts.cascade": "session_date stage stage_name score is_on on_since known_at",
    "marts.cascade_ingredients": "session_date stage ingredient value known_at",
    "marts.cascade_lags": "from_stage to_stage turn_on_date nearest_turn_on_date lag_days to_was_on in_order known_at",
    "marts.cascade_order": "from_stage to_stage turn_ons share_in_order share_by_chance as_of",
    "marts.rotation_responses": "event_id trigger target_id horizon_days entry_date entry_at exit_date forward_return "
    "max_run_up max_drawdown is_complete known_at",
    "marts.rotation_summary": "signal_id target_id horizon_days n_events n_episodes mean_return median_return hit_rate "
    "baseline_mean baseline_median excess_mean p_value min_p q_value leave_one_out_min leave_one_out_max evidence "
    "as_of",
    "marts.claims": "claim_id claim test measured expected n p_value specification_share verdict reason sql_ref as_of",
    "marts.claim_parts": "claim_id part moment kind measured expected n p_value agrees verdict reason as_of",
    "marts.lead_lag": "signal_id target_id aggregation lag correlation n n_eff p_value as_of",
    "marts.lead_lag_best": "signal_id target_id aggregation best_lag correlation p_value q_value as_of",
    "marts.specification_grid": "price_id kind quiet_sessions margin target_id horizon_days n_events excess_mean "
    "p_value as_of",
    "marts.confirmation_value": "filter target_id horizon_days n_kept n_dropped excess_kept excess_dropped p_value "
    "evidence as_of",
    "marts.forecasts": "event_id trigger target_id horizon_days frozen_at code_version is_backtest median low high "
    "evidence realised realised_at percentile inside",
    "meta.runs": "run_id source started_at finished_at as_of status rows_new rows_restated code_version",
    "meta.parameters": "name value unit reason",
    "meta.restatements": "id session_date captured_at field old_value new_value kind",
    "meta.freshness": "id asset_class last_session expected_session age_sessions status",
    "meta.checks": "run_id check_name table_name passed severity rows_checked rows_failed detail",
    "meta.quarantine": "id session_date captured_at reason payload",
    "meta.columns": "table_name column_name type unit description",
    "meta.lineage": "table_name upstream columns",
    "meta.column_lineage": "table_name column_name upstream upstream_column",
    "meta.snapshots": "snapshot_id published_at as_of code_version path content_hash",
}

# Numbers of definitions in documents: the file, the text with {} for the number, and the parameter, whose name is next
# to the number.
DEFINITIONS = [
    ("evidence.md", "Events within {} days", "episode_gap_days"),
    ("evidence.md", "fewer than {} episodes", "minimum_episodes"),
    ("evidence.md", "needs q <= {}", "supporting_q"),
    ("evidence.md", "sample deviation of the {}", "lag_scale"),
    ("evidence.md", "Blocks of {}", "lag_week"),
    ("evidence.md", "and {}", "lag_month"),
    ("evidence.md", "at least {}", "lag_guard"),
    ("evidence.md", "The best lag* of 1..{}", "lead_reach"),
    ("evidence.md", "{} cases", "claim_counterexamples"),
    ("evidence.md", "and {} cases", "minimum_episodes"),
    ("evidence.md", "it needs {} cases", "minimum_episodes"),
    ("evidence.md", "p <= {}", "claim_p_value"),
    ("evidence.md", "`marts.rotation_summary`, at {}", "supporting_q"),
    ("evidence.md", "The other 20 are tested at {}", "claim_p_value"),
    ("cookbook.md", "turns on at a score of {}", "stage_on"),
    ("cookbook.md", "off at {}", "stage_off"),
    ("cookbook.md", "sign of the change over {} days", "liquidity_quarter_days"),
    ("cookbook.md", "The change over {} days", "liquidity_month_days"),
    ("cookbook.md", "over the last {} days", "altseason_days"),
    ("cookbook.md", "fewer than {} episodes", "minimum_episodes"),
    ("cookbook.md", "beta over the last {} sessions", "beta_sessions"),
    ("cookbook.md", "part in over {}", "capture_sessions"),
    ("cookbook.md", "Falls of {:%}", "equity_pullback"),
    ("cookbook.md", "of coins {:%}", "crypto_pullback"),
    ("cookbook.md", "Twenty parts are tested at {}", "claim_p_value"),
    ("example.ipynb", "fewer than {} episodes", "minimum_episodes"),
]


@pytest.fixture(scope="module")
def empty(empty_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Every table, built from no data at all."""
    with duckdb.connect(str(empty_warehouse), read_only=True) as connection:
        yield connection


def test_models_can_be_built_from_nothing(empty: duckdb.DuckDBPyConnection) -> None:
    assert empty.execute("select count(*) from marts.breakouts").fetchall() == [(0,)]


def test_the_data_dictionary_is_up_to_date(empty: duckdb.DuckDBPyConnection) -> None:
    written = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert written == dictionary(empty), "run `make docs`"


def test_every_published_table_and_column_says_what_it_is(empty: duckdb.DuckDBPyConnection) -> None:
    silent = empty.execute(
        """
        select schema_name || '.' || table_name, null from duckdb_tables()
        where comment is null and schema_name <> 'intermediate'
        union all
        select schema_name || '.' || table_name, column_name from duckdb_columns()
        where comment is null and schema_name <> 'intermediate' and not internal
        """
    ).fetchall()
    assert silent == []


@pytest.mark.parametrize("table", PROMISED)
def test_promised_columns_are_there(empty: duckdb.DuckDBPyConnection, table: str) -> None:
    there = [row[0] for row in empty.execute(f"describe {table}").fetchall()]
    assert [name for name in PROMISED[table].split() if name not in there] == []


def test_the_queries_of_the_readme_run(empty: duckdb.DuckDBPyConnection) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    queries = re.findall(r"(?m)^    (select .*(?:\n    .*)*)", text)
    queries += re.findall(r'cascade query "([^"]+)"', text)
    assert len(queries) >= 5
    for query in queries:
        empty.execute(query)


def test_the_queries_of_the_cookbook_run(empty: duckdb.DuckDBPyConnection) -> None:
    text = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    queries = re.findall(r"(?ms)^### ([^\n]+)\n\n```sql\n(.*?)^```", text)
    assert len(queries) >= 15
    for _, query in queries:
        empty.execute(query)


def test_the_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert re.search(rf"(?m)^{target}:", makefile), target


def test_the_paths_that_documents_name_exist() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        # Decisions name files as they were on their date.
        if document.name != "decisions.md":
            text = document.read_text(encoding="utf-8")
            for path in re.findall(r"\b(?:assets|benchmarks|docs|pipelines|sql|tests)/[\w/.-]*\w", text):
                assert (ROOT / path).exists(), f"{document.name}: {path}"


@pytest.mark.parametrize(("document", "text", "name"), DEFINITIONS)
def test_numbers_of_definitions_in_documents_are_those_of_the_parameters(document: str, text: str, name: str) -> None:
    written = (ROOT / "docs" / document).read_text(encoding="utf-8")
    if document.endswith(".ipynb"):
        written = "".join(line for cell in json.loads(written)["cells"] for line in cell["source"])
    value = load_parameters()[name].value
    expected = text.replace("{:%}", with_unit(value, "fraction")).replace("{}", f"{value:g}")
    assert f"{expected} (`{name}`)" in " ".join(written.split())


def test_the_number_of_tested_parts_is_that_of_the_claims() -> None:
    tendencies = [kind for claim in load_claims().claims for kind in claim.parts.values() if kind == "tendency"]
    assert f"\n{len(tendencies)} parts are tendencies." in (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")


def test_the_table_of_faults_names_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    named: dict[str, set[str]] = {}
    for row in re.findall(r"^\|.*\| (tests/.*) \|$", text, re.MULTILINE):
        path = ""
        for word in re.split(r",? ", row):
            if word.startswith("tests/"):
                path = word
                named.setdefault(path, set())
            else:
                named[path].add(word)
    assert all((ROOT / path).is_file() for path in named)
    faults = (ROOT / "tests" / "pipeline" / "test_vendor_faults.py").read_text(encoding="utf-8")
    cases = set(re.findall(r'Case\(\s*"(\w+)"', faults))
    assert named["tests/pipeline/test_vendor_faults.py"] == cases | {"RENAMED", "DEAD"}
