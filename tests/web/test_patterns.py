"""Patterns, tools, savings and quota over HTTP: they are told, a person's word on them is taken once, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator import journal
from orchestrator.model.outloop import HookEvent, HookKind, PatternStatus, ToolStatus
from orchestrator.outloop import store, toolbox
from orchestrator.web import pages_patterns
from tests.outloop.test_discovery import AT, seen
from tests.web import offloads, scenes
from tests.web.houses import House, Reply, Served, served

PATTERN = "test%3Apytest%3Abackend"


@dataclass
class Site:
    root: Path
    house: House
    served: Served

    def post(self, path: str, **body: object) -> Reply:
        return self.served.ask("POST", path, body)

    def page(self) -> str:
        told = self.served.ask("GET", "/patterns")
        assert told.status == 200, told.body
        return told.body.decode()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    root = tmp_path / "shop"
    root.mkdir()
    house = House(root)
    with served(house) as one:
        yield Site(root, house, one)


def status(site: Site, name: str) -> str:
    with store.reading(site.root) as book:
        assert book
        return book.find(name).status


def test_where_nothing_ran_all_is_said_to_be_unknown_and_no_journal_is_made(site: Site):
    assert site.served.get("/api/patterns") == {"version": 1, "patterns": []}
    assert site.served.get("/api/savings")["missing"].startswith("insufficient evidence")
    assert site.served.get("/api/quota")["projected_total"] is None
    assert {one["name"] for one in site.served.get("/api/tools")["tools"]} == {
        one.name for one in toolbox.shipped()
    }
    assert site.post("/api/patterns/1/approve").status == 404
    assert site.post("/api/tools/none/disable").status == 404
    page = site.page()
    for words in ("No operation was seen yet", "not measured", "No client told yet"):
        assert words in page
    assert not (site.root / ".orchestrator" / "journal.db").exists()


def test_what_is_known_is_told_as_the_commands_tell_it(site: Site):
    offloads.learn(site.root)
    offloads.spend()
    listed = {one["signature"]: one for one in site.served.get("/api/patterns")["patterns"]}
    assert listed[offloads.ACTIVE]["status"] == "active"
    saved = site.served.get("/api/savings")
    assert (saved["tasks"], saved["by_pattern"][0]["baseline"]) == (4, 9)
    assert saved["tokens"]["low"] < saved["tokens"]["saved"] < saved["tokens"]["high"]
    assert site.served.get("/api/savings?days=3")["tasks"] == 2
    tools = {one["name"]: one for one in site.served.get("/api/tools")["tools"]}
    assert tools["own_build"]["health"] == "disabled: it failed 3 times in a row"
    assert site.served.get("/api/quota")["days_known"] == 7


def test_the_page_has_each_part_and_no_markup_of_a_command(site: Site):
    offloads.learn(site.root)
    offloads.spend()
    page = site.page()
    for words in (
        "Waiting for you",
        f'id="candidate-{_id(site, offloads.CANDIDATE)}"',
        "Patterns in use",
        "4 of 5 calls",
        "it failed 3 times in a row",
        "95%:",
        'class="month"',
    ):
        assert words in page
    assert "&lt;b&gt;web&lt;/b&gt;" in page
    assert "<b>web</b>" not in page
    assert "30-60" not in page


def _id(site: Site, name: str) -> int:
    with store.reading(site.root) as book:
        assert book
        return book.find(name).id


def test_a_persons_word_on_a_candidate_counts_once_and_shows_at_once(site: Site):
    offloads.learn(site.root)
    assert f"candidate-{_id(site, offloads.CANDIDATE)}" in site.page()
    told = site.post(f"/api/patterns/{_id(site, offloads.CANDIDATE)}/approve")
    assert (told.status, told.json["next"]) == (200, None)
    assert "run_build_workflow does it from now on" in told.json["done"]
    assert status(site, offloads.CANDIDATE) == PatternStatus.ACTIVE
    assert f"candidate-{_id(site, offloads.CANDIDATE)}" not in site.page()
    again = site.post("/api/patterns/build%3Atsc%3Afrontend/approve")
    assert (again.status, again.json["error"]) == (409, "build:tsc:frontend is active already")
    assert site.post("/api/patterns/none/approve").status == 404
    waits = site.post("/api/patterns/format%3Aprettier%3Aall/approve")
    assert "orchestrator patterns propose" in waits.json["next"]


def test_a_rejection_keeps_its_reason_and_what_is_in_use_is_not_rejected(site: Site):
    offloads.learn(site.root)
    assert site.post("/api/patterns/lint%3Aruff%3Aall/reject", note="too quick").status == 200
    with store.reading(site.root) as book:
        assert book
        found = book.find("lint:ruff:all")
    assert (found.status, found.why) == (PatternStatus.DEPRECATED, "too quick")
    assert found.decided_by
    told = site.post(f"/api/patterns/{PATTERN}/reject")
    assert told.status == 409
    assert "patterns deprecate" in told.json["error"]
    assert status(site, offloads.ACTIVE) == PatternStatus.ACTIVE


def test_what_is_in_use_is_ended_on_the_page_once(site: Site):
    offloads.learn(site.root)
    button = f'data-post="/api/patterns/{_id(site, offloads.ACTIVE)}/deprecate"'
    assert site.page().count(button) == 1
    assert site.page().count("/deprecate") == 1, "of what is in use only"
    told = site.post(f"/api/patterns/{PATTERN}/deprecate", note="flaky")
    assert told.json["done"] == "test:pytest:backend is deprecated: a model does it again"
    assert status(site, offloads.ACTIVE) == PatternStatus.DEPRECATED
    assert button not in site.page()
    again = site.post(f"/api/patterns/{PATTERN}/deprecate")
    assert again.status == 409
    assert "deprecated already: flaky" in again.json["error"]


def test_the_page_says_what_a_tool_could_take_over_and_that_rows_do_not_add_up(site: Site):
    offloads.learn(site.root)
    page = site.page()
    assert "8 whole tasks that asked for nothing else" in page
    assert "rows do not add up" in page
    assert "Costs most" in page
    assert "Seen most" not in page


def test_a_tool_is_switched_off_and_on_with_its_patterns(site: Site):
    offloads.learn(site.root)
    told = site.post("/api/tools/run_test_workflow/disable", note="flaky")
    assert told.json["done"].endswith(f"a model does {offloads.ACTIVE} again")
    assert status(site, offloads.ACTIVE) == PatternStatus.IMPLEMENTED
    assert "disabled: flaky" in site.page()
    assert site.post("/api/tools/run_test_workflow/disable").status == 409
    assert site.post("/api/tools/run_test_workflow/enable").status == 200
    assert status(site, offloads.ACTIVE) == PatternStatus.ACTIVE
    with store.reading(site.root) as book:
        assert book
        assert book.tool("run_test_workflow").status is ToolStatus.ENABLED


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"token": None}, 401),
        ({"origin": "http://elsewhere.example"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"content_type": "text/plain"}, 415),
    ],
)
@pytest.mark.parametrize("path", ["patterns/1/approve", "patterns/1/reject", "patterns/1/deprecate", "tools/run_test_workflow/disable"])  # fmt: skip
def test_it_has_the_guards_of_the_other_writes(
    site: Site, path: str, headers: dict[str, Any], code: int
):
    offloads.learn(site.root)
    before = site.served.get("/api/patterns"), site.served.get("/api/tools")
    assert site.served.ask("POST", f"/api/{path}", {}, **headers).status == code
    assert (site.served.get("/api/patterns"), site.served.get("/api/tools")) == before


def test_damage_of_the_ledger_keeps_the_rest_of_the_page(site: Site, tmp_path: Path):
    offloads.learn(site.root)
    (tmp_path / "ledger").write_text("no folder")
    page = site.page()
    assert "Waiting for you" in page


def test_the_metrics_have_patterns_tools_savings_and_the_month(site: Site):
    offloads.learn(site.root)
    told = site.served.ask("GET", "/metrics").body.decode().splitlines()
    assert 'orchestrator_patterns{status="active"} 1' in told
    assert 'orchestrator_patterns{status="candidate"} 2' in told
    assert 'orchestrator_tool_calls_total{ok="true"} 4' in told
    assert 'orchestrator_tool_calls_total{ok="false"} 1' in told
    assert "orchestrator_tools_disabled 1" in told
    assert any(one.startswith("orchestrator_saved_tokens_total ") for one in told)
    assert 'orchestrator_quota_risk{risk="low"} 1' in told


def test_events_of_a_run_make_the_page_not_anew_and_each_change_of_the_store_does(site: Site):
    offloads.learn(site.root)
    told = [pages_patterns.version(site.root)]
    (site.root / ".planning").mkdir()
    with journal.writing(site.root) as book:
        scenes.small(book, site.root)
    assert pages_patterns.version(site.root) == told[0]
    for path in ("patterns/lint%3Aruff%3Aall/reject", "tools/run_test_workflow/disable"):
        assert site.post(f"/api/{path}").status == 200
        told.append(pages_patterns.version(site.root))
    with store.writing(site.root) as kept:
        kept.record(seen(1))
        kept.keep_access(HookEvent(kind=HookKind.FILE_ACCESS, session="w0", at=AT, payload={}))
    told.append(pages_patterns.version(site.root))
    assert len(set(told)) == 4


def test_what_the_clock_did_last_is_on_the_page(site: Site):
    site.house.done = {"patterns": "2026-11-28 05:00: 12 operations seen, 1 pattern worth a script"}
    page = site.page()
    assert "looked for at 2026-11-28 05:00: 12 operations seen" in page
    site.house.schedules = {"patterns": "2026-11-30T04:00:00Z"}
    assert "looked for again at <time" in site.page()
