"""Many tabs of one person: a browser has six connections to one host, and each tab goes on being told what is new."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.browser.conftest import Site
from tests.web.houses import some_events

TABS = 8
WAIT_S = 30.0


class Tab:
    """Outside of Playwright's contexts, in which every page is taken for one that is seen."""

    def __init__(self, browser: Any, address: str, *, behind: bool = False) -> None:
        self.browser, self._got = browser, list[str]()
        asked = {"url": address, "background": behind}
        self.target = browser.send("Target.createTarget", asked)["targetId"]
        words = {"targetId": self.target, "flatten": False}
        self._session = browser.send("Target.attachToTarget", words)["sessionId"]
        browser.on("Target.receivedMessageFromTarget", self._hear)

    def _hear(self, told: dict[str, str]) -> None:
        if told["sessionId"] == self._session:
            self._got.append(told["message"])

    def value(self, script: str) -> Any:
        asked = {"expression": script, "returnByValue": True}
        message = json.dumps({"id": 1, "method": "Runtime.evaluate", "params": asked})
        self.browser.send(
            "Target.sendMessageToTarget", {"sessionId": self._session, "message": message}
        )
        self.wait(lambda: self._got)
        told = json.loads(self._got.pop())
        return told.get("result", {}).get("result", {}).get("value")  # none while it goes to a page

    def wait(self, claim: Callable[[], object], why: str = "") -> None:
        deadline = time.monotonic() + WAIT_S
        while not claim():
            assert time.monotonic() < deadline, why or "the tab does not answer"
            self.browser.send("Browser.getVersion")  # what has come is handed out meanwhile
            time.sleep(0.02)

    def wait_for(self, script: str) -> None:
        self.wait(lambda: self.value(script), f"never: {script}")

    def look(self) -> None:
        self.browser.send("Target.activateTarget", {"targetId": self.target})

    def close(self) -> None:
        self.browser.send("Target.closeTarget", {"targetId": self.target})


@contextmanager
def tabs(site: Site, chromium: Any) -> Iterator[list[Tab]]:
    """Each is in front once it is open; the others are behind it."""
    browser = chromium.new_browser_cdp_session()
    found = [Tab(browser, f"{site.origin}/login#{site.server.token}")]
    try:
        found[0].wait_for("document.querySelector('#link.on') !== null")
        for _ in range(TABS - 1):
            found.append(Tab(browser, f"{site.origin}/"))
            found[-1].wait_for("document.querySelector('#link.on') !== null")
        yield found
    finally:
        for one in found:
            one.close()


def watching(site: Site) -> int:
    rows = site.server.ask("GET", "/metrics").body.decode().splitlines()
    return next(int(one.split()[-1]) for one in rows if one.startswith("orchestrator_stream_view"))


@pytest.mark.timeout(120)
def test_every_tab_works_and_one_that_a_person_comes_back_to_is_fresh(site: Site, chromium: Any):
    play = site.told.plays["asking"]
    running = f"!!document.querySelector('#live-{play.run}')"
    with tabs(site, chromium) as found:
        first = found[0]
        hidden = [True] * (TABS - 1) + [False]
        first.wait(lambda: [one.value("document.hidden") for one in found] == hidden)
        first.wait(lambda: watching(site) == 1, "a tab that nobody sees holds a connection")
        site.told.house.live = ()
        site.told.book.announce([])
        play.end(200)  # the last: nothing tells of the others
        found[-1].wait_for(f"!({running})")
        assert first.value(running)
        first.look()
        first.wait_for("!document.hidden")
        first.wait_for(f"!({running})")
        first.wait(lambda: watching(site) == 1)
        site.told.house.reasons = ("the moon is full",)  # it is told of what comes, too
        some_events(site.told.book, play.run, 1)
        first.wait_for("document.querySelector('#foot').textContent.includes('the moon is full')")


@pytest.mark.timeout(120)
def test_a_tab_that_was_opened_behind_the_others_is_fresh_once_one_looks(site: Site, chromium: Any):
    with tabs(site, chromium) as found:
        found[0].wait(lambda: watching(site) == 1)
        found.append(Tab(found[0].browser, f"{site.origin}/", behind=True))
        late = found[-1]
        late.wait_for("document.readyState === 'complete' && document.querySelector('#foot')?.id")
        assert late.value("document.hidden")
        assert watching(site) == 1
        site.told.house.reasons = ("the moon is full",)  # and no event tells of it
        late.look()
        late.wait_for("document.querySelector('#foot').textContent.includes('the moon is full')")
