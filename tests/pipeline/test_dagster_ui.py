"""The Dagster UI as a person uses it: in a real headless browser, on the demo market.

Covered: the asset graph in its groups, materialise-all from its button, checks green, descriptions and metadata on an
asset, schedules visible, one check executed alone, a backfill of month-ends, an edited SQL file marked. With
CASCADE_SCREENSHOTS the pictures are kept in that folder, for people to look at.
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

import dagster as dg
import pytest
from browser import MARKS, started
from folders import checkout

from pipelines.resources import PROCESS_TAG

pytestmark = MARKS

PATIENCE_SECONDS = 120.0
RUN = "from pipelines.cli.main import main; main()"
MONTH_ENDS = ["2020-01-31", "2020-02-29", "2020-03-31"]


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
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, whose files a test may edit."""
    return checkout(tmp_path_factory.mktemp("project") / "checkout")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="module")
def ui(project: Path, home: Path) -> Iterator[str]:
    """The address of a UI that `cascade ui` of the project opened on the home."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", RUN, "ui", "--home", str(home), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    with (home / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
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
            "const b = [...document.querySelectorAll('button, a')].find(b => b.innerText.trim() === arguments[0]);"
            "if (b && !b.disabled) { b.click(); return true; } return false;"
        )
        eventually(f"the button '{label}'", lambda: self.driver.execute_script(script, label))

    def fill(self, placeholder: str, text: str) -> None:
        """Type into the last field with a placeholder that begins so, in place of what it holds."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        # A dialog comes after the page that it covers.
        field = self.driver.find_elements(By.CSS_SELECTOR, f"input[placeholder^='{placeholder}']")[-1]
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.ENTER)

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
    """The same address after "Materialize all" of the job was pressed and its run ended well."""
    browser.open(f"{ui}/asset-groups/", "Materialize all")
    for group in ("reference", "raw", "clock", "core", "marts", "meta", "publish", "history"):
        assert group in browser.text()
    if "Skip" in browser.text():
        browser.click("Skip")
    # In the graph of all assets this button asks for a day, as one of them has a partition for each.
    browser.open(f"{ui}/locations/pipelines.definitions/jobs/everything", "Materialize all")
    browser.click("Materialize all")
    assert eventually("the end of the run", lambda: ended(ui, 1)) == ["SUCCESS"]
    return ui


def ended(ui: str, count: int) -> list[str] | None:
    """How the newest runs ended, once there are so many and the last of them has."""
    runs = graphql(ui, "{ runsOrError { ... on Runs { results { status } } } }")["runsOrError"]["results"]
    statuses = [run["status"] for run in runs]
    is_over = len(statuses) >= count and set(statuses) <= {"SUCCESS", "FAILURE", "CANCELED"}
    return statuses if is_over else None


def materialisations(ui: str) -> dict[str, list[str]]:
    """The runs of the last materialisation of each asset."""
    nodes = graphql(ui, "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId } } }")["assetNodes"]
    return {".".join(n["assetKey"]["path"]): [m["runId"] for m in n["assetMaterializations"]] for n in nodes}


def test_materialise_all_from_the_button(materialised: str, browser: Browser) -> None:
    browser.open(f"{materialised}/asset-groups/", "Materialize all")
    browser.picture("graph")
    browser.open(f"{materialised}/runs", "Success")
    browser.picture("runs")


@pytest.mark.usefixtures("materialised")
def test_the_process_of_a_run_ends_with_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        pids = [run.tags[PROCESS_TAG] for run in instance.get_runs()]
    assert pids
    eventually("the end of the processes", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


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


def test_one_check_is_executed_alone(materialised: str, browser: Browser) -> None:
    before = materialisations(materialised)
    browser.open(f"{materialised}/assets/core/pairs?view=checks&checkDetail=is_sound", "is_sound", "Execute all")
    browser.click("Execute")
    assert eventually("the end of the run", lambda: ended(materialised, 2)) == ["SUCCESS"] * 2
    (run, *_) = graphql(materialised, "{ runsOrError(limit: 1) { ... on Runs { results { runId } } } }")["runsOrError"][
        "results"
    ]
    (verdict,) = graphql(
        materialised,
        '{ assetCheckExecutions(assetKey: {path: ["core", "pairs"]}, checkName: "is_sound", limit: 1) '
        "{ runId status evaluation { success } } }",
    )["assetCheckExecutions"]
    assert verdict == {"runId": run["runId"], "status": "SUCCEEDED", "evaluation": {"success": True}}
    assert materialisations(materialised) == before
    eventually("the verdict on the page", partial(browser.says, "Passed"))
    browser.picture("check")


@pytest.mark.timeout(600)  # three historical views, one after the other
def test_month_ends_are_backfilled(materialised: str, browser: Browser, home: Path) -> None:
    before = materialisations(materialised)
    runs = len(ended(materialised, 1) or [])
    browser.open(f"{materialised}/assets/publish/cascade_asof?view=partitions", "Materialize")
    browser.click("Materialize…")
    eventually("the dialog", partial(browser.says, "Launch backfill"))
    browser.click("Show all partitions")

    def chosen() -> bool:
        # The page draws the field anew when it has loaded all partitions.
        browser.fill("ex: ", ", ".join(MONTH_ENDS))
        time.sleep(1)
        return browser.says("3 partitions")

    eventually("the three month-ends", chosen)
    browser.picture("backfill")
    browser.click("Launch backfill")
    for day in MONTH_ENDS:
        eventually(f"the view of {day}", (home / f"cascade-asof-{day}.duckdb").exists)
    assert eventually("the end of the runs", lambda: ended(materialised, runs + 3)) == ["SUCCESS"] * (runs + 3)
    after = materialisations(materialised)
    assert after.pop("publish.cascade_asof") != before.pop("publish.cascade_asof")
    assert after == before
    browser.open(f"{materialised}/assets/publish/cascade_asof?view=partitions", "Materialized (3)")
    browser.picture("month-ends")


def test_an_edited_sql_file_is_marked(materialised: str, browser: Browser, project: Path) -> None:
    path = project / "sql" / "marts" / "beta.sql"
    path.write_text(path.read_text(encoding="utf-8") + "-- edited\n", encoding="utf-8")
    browser.open(f"{materialised}/asset-groups/", "Reload definitions")
    browser.click("Reload definitions")
    node = '{ assetNodeOrError(assetKey: {path: ["marts", "beta"]}) { ... on AssetNode { staleStatus } } }'
    eventually("the mark", lambda: graphql(materialised, node)["assetNodeOrError"].get("staleStatus") == "STALE")
    browser.open(f"{materialised}/assets/marts/beta?view=overview", "Unsynced")
    browser.picture("unsynced")
    browser.open(f"{materialised}/assets/marts/breadth?view=overview", "Latest materialization")
    assert not browser.says("Unsynced")
