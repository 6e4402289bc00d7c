"""Acceptance on real market data, in a folder that CASCADE_REAL_DATA names.

The folder is laid out as the files source wants it and cannot be shipped with the project, so these tests are skipped
without it. What they compare with is worked out here from the files themselves, with pandas and plain loops.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from real import FOLDER, MARKS, closes, run_cascade

pytestmark = MARKS


def naive_all_time_highs(prices: pd.Series, year: int, quiet: int) -> list[date]:
    """The definition, word for word and slow: level from before the quiet time, first close above it since."""
    values = prices.to_numpy()
    found = []
    for t in range(year, len(values)):
        if t - quiet < 0:
            continue
        level = values[: t - quiet + 1].max()
        recent = values[t - quiet + 1 : t]
        if values[t] > level and (not len(recent) or recent.max() <= level):
            found.append(prices.index[t].date())
    return found


@pytest.mark.parametrize(
    ("symbol", "kind", "year"),
    [
        ("RUT", "equity", 252),
        ("IWM", "equity", 252),
        ("SPX", "equity", 252),
        ("NDX", "equity", 252),
        ("BTC", "crypto", 365),
    ],
)
def test_all_time_high_breakouts_are_those_of_the_definition(
    real_published: duckdb.DuckDBPyConnection, symbol: str, kind: str, year: int
) -> None:
    found = [
        day
        for (day,) in real_published.execute(
            "select session_date from marts.breakouts where subject_id = ? and kind = 'all_time_high' order by 1",
            [symbol],
        ).fetchall()
    ]
    assert found == naive_all_time_highs(closes(kind, symbol), year, year)


def test_rut_broke_out_six_times_since_2000(real_published: duckdb.DuckDBPyConnection) -> None:
    found = real_published.execute(
        "select session_date from marts.breakouts "
        "where subject_id = 'RUT' and kind = 'all_time_high' and session_date >= '2000-01-01' order by 1"
    ).fetchall()
    assert [str(day) for (day,) in found] == [
        "2004-04-05",
        "2011-04-27",
        "2013-01-02",
        "2016-11-14",
        "2020-11-13",
        "2025-09-18",
    ]


@pytest.mark.parametrize("target", ["BTC", "ETH"])
def test_responses_are_those_worked_out_by_hand(real_published: duckdb.DuckDBPyConnection, target: str) -> None:
    rows = real_published.execute(
        """
        select breakouts.session_date, horizon_days, entry_date, exit_date, forward_return, max_run_up, max_drawdown
        from marts.rotation_responses
        inner join marts.breakouts on breakouts.event_id = rotation_responses.event_id
        where subject_id = 'RUT' and kind = 'all_time_high' and trigger = 'decided' and is_complete and target_id = ?
        """,
        [target],
    ).fetchall()
    prices = closes("crypto", target)
    assert len(rows) == {"BTC": 5 * 7, "ETH": 2 * 7}[target]
    for event, horizon, entry, exit_, response, run_up, drawdown in rows:
        # New York closes before the UTC day is over, so the coin's bar of the same day is the first one after.
        assert entry == event
        assert exit_ == event + timedelta(days=horizon)
        way = prices.loc[str(entry) : str(exit_)]
        assert response == pytest.approx(way.iloc[-1] / way.iloc[0] - 1, rel=1e-9)
        assert run_up == pytest.approx(way.max() / way.iloc[0] - 1, rel=1e-9)
        assert drawdown == pytest.approx((way / way.cummax() - 1).min(), rel=1e-9)


def test_known_figures(real_published: duckdb.DuckDBPyConnection) -> None:
    def response(session: str, horizon: int) -> float:
        row = real_published.execute(
            "select forward_return from marts.rotation_responses where event_id = ? and trigger = 'decided' "
            "and target_id = 'ETH' and horizon_days = ?",
            [f"RUT:all_time_high:{session}", horizon],
        ).fetchone()
        assert row is not None
        return float(row[0])

    assert [round(100 * response("2020-11-13", days)) for days in (30, 60, 90)] == [24, 120, 276]
    assert [round(100 * response("2025-09-18", days)) for days in (30, 60, 90)] == [-15, -34, -38]
    assert real_published.execute("select distinct as_of::varchar from marts.rotation_summary").fetchall() == [
        ("2026-08-21",)
    ]


def test_every_file_is_ingested_or_explained(real_published: duckdb.DuckDBPyConnection) -> None:
    for kind, table, key in (
        ("equity", "core.bars", "instrument_id"),
        ("crypto", "core.bars", "instrument_id"),
        ("macro", "core.macro", "series_id"),
        ("crypto_mcap", "core.market_cap", "instrument_id"),
    ):
        for path in sorted((Path(FOLDER) / kind).glob("*.csv")):
            frame = pd.read_csv(path)
            value = {"macro": "value", "crypto_mcap": "market_cap"}.get(kind)
            if value:  # a blank or zero market value, and a blank observation, mean unknown
                frame = frame[frame[value].notna() & ((kind != "crypto_mcap") | (frame[value] != 0))]
            stored = real_published.execute(f"select count(*) from {table} where {key} = ?", [path.stem]).fetchone()
            rejected = real_published.execute(
                "select count(*) from meta.quarantine where id = ? and table_name like ?",
                [path.stem, "%market_caps" if kind == "crypto_mcap" else "%bars" if value is None else "%observations"],
            ).fetchone()
            unreleased = 0
            if kind == "macro":  # public only after the as-of day
                row = real_published.execute(
                    "select count(*) from raw.macro_observations where series_id = ?", [path.stem]
                ).fetchone()
                unreleased = (row[0] if row else 0) - (stored[0] if stored else 0)
                assert 0 <= unreleased <= 3, path
            assert stored is not None and rejected is not None
            assert stored[0] + rejected[0] + unreleased == len(frame), path


def test_second_run_adds_nothing_and_changes_no_mart(real_home: Path) -> None:
    before = snapshot(real_home)
    result = run_cascade(real_home)
    assert result.returncode == 3, result.stderr
    assert "Stored: 0 new rows, 0 restated rows" in result.stdout
    after = snapshot(real_home)
    assert before.keys() == after.keys()
    different = [name for name in before if before[name] != after[name]]
    assert different == []


def snapshot(home: Path) -> dict[str, object]:
    """A fingerprint of every raw, core and mart table."""
    with duckdb.connect(str(home / "cascade.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name in ('raw', 'core', 'marts') order by 1"
        ).fetchall()
        return {
            name: connection.execute(
                f"select count(*), bit_xor(hash(columns_of_row)) from {name} as columns_of_row"
            ).fetchall()
            for (name,) in tables
        }


def test_a_past_state_is_what_was_known_then(real_home: Path) -> None:
    """The file of a run as of a past day. Every model at ten such days is in test_real_prefix.py."""
    day = "2020-12-31"
    result = run_cascade(real_home, "--as-of", day)
    assert result.returncode in (0, 3), result.stderr
    then = f"('{day}'::date + 1)::timestamptz"

    def once_known(*facts: tuple[str, str]) -> str:
        return ", ".join(f"case when {at} <= {then} then {value} end as {value}" for value, at in facts)

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach '{real_home / 'cascade.duckdb'}' as now_known (read_only)")
        connection.execute(f"attach '{real_home / f'cascade-asof-{day}.duckdb'}' as then_known (read_only)")
        compared = {
            "core.bars": ("known_at", "*"),
            "core.macro": ("known_at", "*"),
            "core.market_cap": ("known_at", "*"),
            "marts.relative_strength": ("known_at", "*"),
            "marts.relative_rotation": ("known_at", "*"),
            "marts.breakout_states": ("decided_at", "*"),
            "marts.breakouts": (
                "decided_at",
                "event_id, level, level_date, base_sessions, base_depth, close, margin, is_left_censored, "
                "relative_volume, breadth_sma200, liquidity_change_91d, decided_at, "
                + once_known(
                    ("confirmed_at", "confirmed_at"),
                    ("failed_at", "failed_at"),
                    ("retested_at", "retested_at"),
                    ("holding_at", "holding_at"),
                    ("closes_below_20", "outcome_20_at"),
                    ("max_drawdown_63", "outcome_63_at"),
                ),
            ),
            "marts.beta": ("known_at", "*"),
            "marts.pullbacks": (
                "decided_at",
                "instrument_id, peak_date, peak, decided_at, "
                + once_known(
                    ("recovered_at", "recovered_at"),
                    ("absorbed_at", "absorbed_at"),
                    ("deep_at", "deep_at"),
                    ("sessions_to_recover", "recovered_at"),
                ),
            ),
            "marts.rotation_responses": ("known_at", "*"),
        }
        for table, (known_at, columns) in compared.items():
            expected = connection.execute(
                f"select {columns} from now_known.{table} where {known_at} <= {then} order by all"
            ).df()
            actual = connection.execute(
                f"select {columns} from then_known.{table} where {known_at} is not null order by all"
            ).df()
            assert len(actual), table
            # A moving mean may differ in its last digits with the rows around it.
            pd.testing.assert_frame_equal(actual, expected, check_dtype=False, rtol=1e-9, obj=f"{table} as of {day}")
