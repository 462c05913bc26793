"""What a page and the API call a run that stands still: for a person, for a provider, or because somebody cancelled it; its clock stands, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep, time

import pytest

from orchestrator import journal
from orchestrator.model import EventKind, Failure
from tests.engine.runs import bash
from tests.web import scenes
from tests.web.houses import House, Served, served
from tests.web.scenes import Play
from tests.web.test_pages import Page


@contextmanager
def playing(root: Path, *, live: bool = True) -> Iterator[tuple[Play, Served]]:
    (root / ".planning").mkdir()
    with journal.writing(root) as book, served(House(root)) as site:
        text = scenes.plan_text(bash("Say hello", "true", files="a.txt"), phase="hello")
        play = Play(book, root, {"hello": text}, ago=100)
        book.announce([play.run] if live else [])
        yield play, site


def seen(play: Play, site: Served, state: str) -> list[str]:
    """Its state, once the server has read what was told: by the API twice, in the list and on its page."""
    end = monotonic() + 30
    while (told := _states(play, site)) != [state, state] and monotonic() < end:
        sleep(0.05)
    pages = [Page(site.ask("GET", path).body.decode()) for path in ("/", f"/runs/{play.run}")]
    return [*told, *(page.text for page in pages)]


def _states(play: Play, site: Served) -> list[str]:
    return [site.get("/api/runs")["runs"][0]["state"], site.get(f"/api/runs/{play.run}")["state"]]


def test_held_work_stands_still(tmp_path: Path):
    with playing(tmp_path) as (play, site):
        play.start(1, 0)
        assert seen(play, site, "running")[:2] == ["running", "running"]
        play.tell(EventKind.HELD, 6, {"files": ["ci.yml"]}, 1, 1)
        api, one, front, page = seen(play, site, "waits for a person")
        assert (api, one) == ("waits for a person", "waits for a person")
        assert "waits for a person" in front
        assert "waits for a person" in page
        body = site.ask("GET", f"/runs/{play.run}").body.decode()
        assert "data-since" not in body, "no clock goes on"
        task = site.ask("GET", f"/runs/{play.run}/tasks/hello%2F1")
        assert "Try 1 ? paused" in Page(task.body.decode()).text
        assert "data-since" not in task.body.decode()
        assert site.get("/api/runs")["runs"][0]["worked_s"] == 6
        play.answer(1, 60)
        assert seen(play, site, "running")[:2] == ["running", "running"]


def test_a_closed_provider_stands_still(tmp_path: Path):
    with playing(tmp_path) as (play, site):
        gate = {"gate": "anthropic", "pause_s": 900.0, "until": time() + 900}
        play.tell(EventKind.GATE_CLOSED, 1, {**gate, "failure": Failure.QUOTA.value})
        api, one, front, page = seen(play, site, "waits for a quota")
        assert (api, one) == ("waits for a quota", "waits for a quota")
        assert "waits for a quota" in front
        assert "data-since" in site.ask("GET", "/").body.decode(), "it goes on by itself"
        assert "waits for a quota" in page


@pytest.mark.parametrize(("via", "how"), [("dashboard", ", on the dashboard"), ("", "")])
def test_who_cancelled_a_run_stands_in_place_of_an_accident(tmp_path: Path, via: str, how: str):
    with playing(tmp_path, live=False) as (play, site):
        letter = {"reason": "cancelled by ann", "cancelled": True, "by": "ann", "via": via}
        play.tell(EventKind.DRAINING, 5, letter)
        play.end(6, 130)
        api, one, front, page = seen(play, site, f"cancelled by ann{how} (exit 130)")
        assert (api, one) == (f"cancelled by ann{how} (exit 130)",) * 2
        assert f"cancelled by ann{how}" in front
        assert f"cancelled by ann{how}" in page
        assert "interrupted" not in front
