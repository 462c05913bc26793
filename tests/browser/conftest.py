"""A real Chromium, axe-core, and a project that it looks at. Without them these tests are skipped; CI has them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from orchestrator import journal, ledger
from tests.ledger.outcomes import seed_sample
from tests.web import offloads, scenes
from tests.web.houses import Served, served
from tests.web.scenes import Scenes

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One for all tests of a file; each has a context of its own. Not longer: its event loop would be in the way of others."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium here; .ci/browser installs it")
    with playwright.sync_playwright() as found:
        browser = found.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    folder = os.environ.get("BROWSER_TOOLS", "")
    script = Path(folder) / "node_modules/axe-core/axe.min.js"
    if not folder or not script.is_file():
        pytest.skip("BROWSER_TOOLS names no folder with axe-core: BROWSER_TOOLS=$(.ci/browser)")
    return script.read_text("utf-8")


class Site:
    """A project, its server, and a page that is signed in. `asked`: every address that the page asked for."""

    def __init__(self, told: Scenes, server: Served, browser: Any, end: Callable[[], None]) -> None:
        self.told, self.server, self._browser, self.end_server = told, server, browser, end
        self.origin = f"http://{server.own}"
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self._contexts: list[Any] = []

    def open(self, path: str = "/", **context: Any) -> Any:
        made = self._browser.new_context(**({"viewport": {"width": 1280, "height": 860}} | context))
        self._contexts.append(made)
        made.set_default_timeout(30_000)
        page = made.new_page()
        page.on("request", lambda request: self.asked.append(request.url))
        page.on(
            "console", lambda said: self.wrong.append(said.text) if said.type == "error" else None
        )
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        if context.get("java_script_enabled", True):
            page.goto(f"{self.origin}/login#{self.server.token}")
            page.wait_for_url(f"{self.origin}/")
        else:
            page.goto(f"{self.origin}/login")
            page.fill("input[name=token]", self.server.token)
            page.click("button")
            page.wait_for_url(f"{self.origin}/")
        page.goto(self.origin + path)
        return page

    def close(self) -> None:
        for one in self._contexts:
            one.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any) -> Iterator[Site]:
    """With a run that goes on and asks, one that failed, one that is done, plans that wait, and a ledger."""
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    ledger.append(tmp_path / "ledger", seed_sample(scenes.moment()))
    root = tmp_path / "shop"
    (root / ".planning").mkdir(parents=True)
    with journal.writing(root) as book:
        offloads.learn(root)
        told = scenes.open_scenes(book, root, "failing", "small", "asking")
        told.house.plans = scenes.waiting_plans(told.names["small"])
        with ExitStack() as running:
            found = Site(told, running.enter_context(served(told.house)), chromium, running.close)
            yield found
            found.close()
