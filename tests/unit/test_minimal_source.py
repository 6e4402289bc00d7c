"""The documentation of `sources.base`: its minimal source works, and the synthetic sources are listed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pandas as pd
import pytest
from bench import UNIVERSE
from desk import Desk

from assets.sources import base
from pipelines.settings import SOURCES, Settings, planned


def documented_source(path: Path) -> Any:
    """The class in the docstring, made with the path of its file."""
    example = "\n".join(line for line in (base.__doc__ or "").splitlines() if line.startswith("    ") or not line)
    names = {**vars(base), "Iterator": Iterator, "Path": Path, "pd": pd}
    exec(dedent(example), names)
    return names["OneCoin"](path)


def test_the_documented_source_fills_the_raw_table(calendar_sessions: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "btc.csv"
    path.write_text("date,close\n2024-03-04,68000\n2024-03-05,63000\n", encoding="utf-8")
    source = documented_source(path)
    desk = Desk(UNIVERSE, calendar_sessions[calendar_sessions["session_date"] >= "2023-01-01"], lambda _: source)

    reported = desk.refresh("2024-06-01 12:00")

    assert reported.failures == {}
    assert desk.rows("select instrument_id, session_date, close, open, source from raw.crypto_bars order by all") == [
        ("BTC", "2024-03-04", 68000.0, None, str(path)),
        ("BTC", "2024-03-05", 63000.0, None, str(path)),
    ]


@pytest.mark.parametrize("name", SOURCES)
def test_every_synthetic_source_is_listed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASCADE_WAREHOUSE", raising=False)
    (tmp_path / "equity").mkdir()

    source = planned(Settings(source=name, path=str(tmp_path), home=str(tmp_path / "home"))).source

    assert (source.name, source.is_synthetic) == (name, base.is_synthetic(name))
