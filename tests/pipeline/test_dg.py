"""Dagster's newer command line `dg` on this project. It is tested where it is installed; it is not a dependency."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DG = Path(sys.executable).with_name("dg")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DG.exists(), reason="dagster-dg-cli is not installed")]


def without_warning(*arguments: str) -> str:
    """What dg prints in the checkout. A warning would be on the other stream."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    ended = subprocess.run(
        [DG, *arguments], cwd=Path(__file__).parents[2], env=environment, check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_dg_lists_the_definitions_and_finds_them_sound() -> None:
    listed = json.loads(without_warning("list", "defs", "--json"))
    assert {"raw/equity_bars", "marts/claims"} <= {asset["asset_key"] for asset in listed["assets"]}
    assert "everything" in {job["name"] for job in listed["jobs"]}
    assert "All definitions loaded successfully." in without_warning("check", "defs")
    assert "Project configuration file is valid." in without_warning("check", "toml")
