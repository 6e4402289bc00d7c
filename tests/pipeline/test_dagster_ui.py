"""The Dagster UI as a person uses it: in a real headless browser, on the demo market.

Covered: the asset graph in its groups, materialise-all from its button, checks green, descriptions and metadata on an
asset, schedules visible. With CASCADE_SCREENSHOTS the pictures are kept in that folder, for people to look at.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from browser import MARKS, started

pytestmark = MARKS

PATIENCE_SECONDS = 120.0


def eventually(what: str, ask: Callable[[], Any]) -> Any:
    """The first answer that is not false, or a failure that names what never came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.5)
    pytest.fail(f"{what} did not come within {PATIENCE_SECONDS:.0f} s")


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a UI that `cascade ui` opened on a home of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("ui")
    command = [str(Path(sys.executable).with_name("cascade")), "ui", "--home", str(home), "--port", str(port)]
    with (home / "ui.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{port}"
            eventually("the UI", lambda: answers(f"{address}/server_info"))
            assert "Warning: " not in (home / "ui.log").read_text(), "a library's warning is on the user's screen"
            yield address
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def graphql(ui: str, query: str) -> Any:
    """The UI's own interface, for facts that the page shows as pictures."""
    request = urllib.request.Request(
        f"{ui}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["data"]


class Browser:
    """A headless browser with the few gestures that the tests need."""

    def __init__(self, folder: Path) -> None:
        self.driver = started(folder / "profile")
        self._pictures = os.environ.get("CASCADE_SCREENSHOTS")

    def text(self) -> str:
        """All text of the page."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def says(self, words: str) -> bool:
        """Whether the page shows the words."""
        return words in self.text()

    def open(self, url: str, *expected: str) -> None:
        """Go to a page and wait until it says what it should."""
        self.driver.get(url)
        for words in expected:
            eventually(f"'{words}' on {url}", partial(self.says, words))

    def click(self, label: str) -> None:
        """Press the button with that label."""
        script = (
            "const b = [...document.querySelectorAll('button')].find(b => b.innerText.trim().startsWith(arguments[0]));"
            "if (b && !b.disabled) { b.click(); return true; } return false;"
        )
        eventually(f"the button '{label}'", lambda: self.driver.execute_script(script, label))

    def picture(self, name: str) -> None:
        """Keep a screenshot, if somebody wants to look."""
        if self._pictures:
            time.sleep(2)  # let the layout come to rest
            Path(self._pictures).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(self._pictures) / f"{name}.png"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module")
def materialised(ui: str, browser: Browser) -> str:
    """The same address after "Materialize all" was pressed and its run ended well."""
    browser.open(f"{ui}/asset-groups/", "Materialize all")
    for group in ("reference", "raw", "clock", "core", "marts", "meta", "publish"):
        assert group in browser.text()
    if "Skip" in browser.text():
        browser.click("Skip")
    browser.click("Materialize all")

    def ended() -> str | None:
        runs = graphql(ui, "{ runsOrError { ... on Runs { results { status } } } }")["runsOrError"]["results"]
        return runs[0]["status"] if runs and runs[0]["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert eventually("the end of the run", ended) == "SUCCESS"
    return ui


def test_materialise_all_from_the_button(materialised: str, browser: Browser) -> None:
    browser.open(f"{materialised}/asset-groups/", "Materialize all")
    browser.picture("graph")
    browser.open(f"{materialised}/runs", "Success")
    browser.picture("runs")


def test_every_check_is_green(materialised: str) -> None:
    nodes = graphql(
        materialised,
        "{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name "
        "executionForLatestMaterialization { status } } } } } }",
    )["assetNodes"]
    verdicts = {
        (".".join(node["assetKey"]["path"]), check["name"]): (check["executionForLatestMaterialization"] or {}).get(
            "status"
        )
        for node in nodes
        for check in node["assetChecksOrError"].get("checks", [])
    }
    assert len(verdicts) > 20
    assert {name for name, status in verdicts.items() if status != "SUCCEEDED"} == set()


def test_an_asset_says_what_it_is(materialised: str, browser: Browser) -> None:
    browser.open(
        f"{materialised}/assets/marts/breakouts", "Every breakout to an all-time or year high", "is_left_censored"
    )
    assert "The close that decided the breakout" in browser.text()
    assert "demo (synthetic)" in browser.text()
    browser.picture("asset")
    browser.open(f"{materialised}/assets/raw/equity_bars?view=checks", "contract", "nothing_quarantined")
    browser.picture("checks")


def test_schedules_are_visible(ui: str, browser: Browser) -> None:
    browser.open(
        f"{ui}/automation",
        "equities_after_close_schedule",
        "crypto_after_midnight_schedule",
        "macro_after_release_schedule",
    )
    browser.picture("schedules")
