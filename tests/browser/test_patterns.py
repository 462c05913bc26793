"""The page of patterns in a real browser: a word is given with a click and shows at once, a switch is a switch, and it reads without scripts and before anything ran."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.outloop import PatternStatus
from orchestrator.outloop import store
from tests.browser.conftest import Site
from tests.web import offloads, scenes
from tests.web.houses import House, served


def status(site: Site, name: str) -> str:
    with store.reading(site.told.house.root) as book:
        assert book
        return book.find(name).status


def test_a_candidate_is_approved_with_a_click_and_another_rejected_with_a_reason(site: Site):
    page = site.open("/")
    page.click("nav a:text('Patterns')")
    page.wait_for_url("**/patterns")
    page.wait_for_selector("#link.on")
    card = page.locator("#candidates li", has_text=offloads.CANDIDATE)
    card.locator("button:text('Approve')").click()
    row = page.locator("tr", has_text=offloads.CANDIDATE).first
    row.locator("text=active").wait_for()
    assert status(site, offloads.CANDIDATE) == PatternStatus.ACTIVE
    other = page.locator("#candidates li", has_text="format:prettier:all")
    other.locator("input[name=note]").fill("we use the editor's")
    other.locator("button:text('Reject')").click()
    page.wait_for_selector("#candidates", state="detached")
    with store.reading(site.told.house.root) as book:
        assert book
        assert book.find("format:prettier:all").why == "we use the editor's"


def test_a_half_written_reason_stays_while_the_run_goes_on(site: Site):
    page = site.open("/patterns")
    page.wait_for_selector("#link.on")
    page.locator("input[name=note]").first.fill("half of a")
    site.told.plays["asking"].finish(4, 600, scenes.passed())
    page.wait_for_timeout(1500)
    assert page.locator("input[name=note]").first.input_value() == "half of a"


def test_a_tool_is_switched_off_and_on(site: Site):
    page = site.open("/patterns")
    row = page.locator("#tool-run_test_workflow")
    row.locator("button:text('Disable')").click()
    row.locator("text=disabled:").wait_for()
    assert status(site, offloads.ACTIVE) == PatternStatus.IMPLEMENTED
    row.locator("button:text('Enable')").click()
    row.locator("button:text('Disable')").wait_for()
    assert status(site, offloads.ACTIVE) == PatternStatus.ACTIVE


def test_it_reads_without_scripts(site: Site):
    page = site.open("/patterns", java_script_enabled=False)
    told = page.inner_text("main")
    for words in ("Waiting for you", "Tools", "95%:", "Needed is what was changed", "orchestrator patterns"):  # fmt: skip
        assert words in told


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any) -> Iterator[Site]:
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    root = tmp_path / "new"
    root.mkdir()
    house = House(root)
    with served(house) as server:
        found = Site(scenes.Scenes(house, None), server, chromium, lambda: None)  # type: ignore[arg-type]
        yield found
        found.close()


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any) -> Iterator[Site]:
    """With a month of tokens, and its limit."""
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    root = tmp_path / "shop"
    (root / ".orchestrator").mkdir(parents=True)
    (root / ".orchestrator" / "config.toml").write_text("[quota]\nmonth_tokens = 7000000\n")
    offloads.learn(root)
    offloads.spend()
    house = House(root, done={"patterns": "2026-11-23 04:00: 12 operations seen, 2 patterns worth a script"})  # fmt: skip
    with served(house) as server:
        found = Site(scenes.Scenes(house, None), server, chromium, lambda: None)  # type: ignore[arg-type]
        yield found
        found.close()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_the_month_is_drawn_and_everybody_can_use_the_page(full: Site, axe: str, look: str):
    page = looked_at(full, look, "full")
    page.locator("#quota svg.month").scroll_into_view_if_needed()
    assert "tokens until day" in page.get_attribute("#quota svg.month", "aria-label")
    assert page.locator("#quota svg.month .used").count() == 1
    assert wrong_for_axe(page, axe) == []
    assert full.wrong == []


def looked_at(site: Site, look: str, name: str) -> Any:
    size = {"width": 380, "height": 800} if look == "phone" else {"width": 1280, "height": 860}
    dark = "dark" if look == "dark" else "light"
    page = site.open("/patterns", viewport=size, color_scheme=dark, bypass_csp=True)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/patterns-{name}-{look}.png", full_page=True)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    return page


def wrong_for_axe(page: Any, axe: str) -> list[tuple[str, list[str]]]:
    page.evaluate(axe)
    told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (one["id"], [node["html"][:160] for node in one["nodes"]]) for one in told["violations"]
    ]


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_before_anything_ran_it_says_so_and_everybody_can_use_it(empty: Site, axe: str, look: str):
    page = looked_at(empty, look, "empty")
    assert "No operation was seen yet" in page.inner_text("main")
    assert wrong_for_axe(page, axe) == []
    assert empty.wrong == []
