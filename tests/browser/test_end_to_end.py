"""All of it at once: the program serves a real project, and a person in a real browser trusts, watches, answers and reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator import journal
from orchestrator.model import Event, EventKind
from tests.engine.runs import checkpoint
from tests.whole.daemons import Daemon, House, wait_until

pytestmark = pytest.mark.timeout(180)
SOON_S = 2.0
# When the page first had each of these, by its own clock, whoever looks.
WITNESS = """(wanted) => {
    window.seen = {};
    const look = () => {
        for (const [name, selector] of Object.entries(wanted))
            if (!(name in window.seen) && document.querySelector(selector)) window.seen[name] = Date.now() / 1000;
    };
    new MutationObserver(look).observe(document.documentElement,
        {subtree: true, childList: true, attributes: true, characterData: true});
    look();
}"""


class Person:
    """In front of a browser that tells all that it asked for and complained of."""

    def __init__(self, browser: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 860})
        self.context.set_default_timeout(20_000)
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.context.on("console", self._hear)
        self.context.on("weberror", lambda error: self.wrong.append(str(error.error)))
        self.page = self.context.new_page()
        self.page.on("websocket", lambda line: self.asked.append(line.url))
        self._pictures = 0

    def _hear(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.wrong.append(said.text)

    def keep_picture(self, name: str) -> None:
        """Into $SCREENSHOTS, for eyes."""
        self._pictures += 1
        if folder := os.environ.get("SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(
                path=f"{folder}/end-to-end-{self._pictures}-{name}.png", full_page=True
            )

    def seen(self, name: str) -> float:
        """When the page first had it, Unix seconds."""
        self.page.wait_for_selector(WANTED[name])
        return float(self.page.evaluate(f"window.seen['{name}']"))


@pytest.fixture
def person(chromium: Any) -> Iterator[Person]:
    found = Person(chromium)
    yield found
    found.context.close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def the_plan(house: House, number: int) -> tuple[str, ...]:
    one, three = f"one-{number}", f"three-{number}"
    return (
        house.waits_for(one, f"{one}-may-end"),
        checkpoint(depends_on="1"),
        house.waits_for(three, f"{three}-may-end", more='depends-on="2"'),
    )


def of_task(number: int, tone: str) -> str:
    return f"[id^='t-'][id$='/{number}'] .state.{tone}"


WANTED = {
    "one is done": of_task(1, "ok"),
    "it asks": "#questions article.ask",
    "it is answered": of_task(2, "ok"),
    "three runs": of_task(3, "run"),
    "three is done": of_task(3, "ok"),
    "the run is done": "#head h1 .state.ok",
    "the summary": "#summary .prose",
}


def happened(house: House, kind: EventKind, number: int | None = None) -> Event:
    """The first of its kind in the newest run."""

    def found() -> list[Event]:
        with journal.reading(house.root) as book:
            return [
                one
                for one in book.events(house.runs()[-1].id)
                if one.kind is kind and (number is None or str(one.task).endswith(f"/{number}"))
            ]

    wait_until(lambda: house.runs() and found())
    return found()[0]


def log_in(house: House, daemon: Daemon, person: Person) -> str:
    """At the address that was printed, with the token that is stored."""
    daemon.says("pages and API: ")
    origin, token = house.place["url"], house.place["token"]
    assert f"pages and API: {origin}" in house.said
    page = person.page
    page.goto(f"{origin}/")
    assert page.url == f"{origin}/login"  # nobody comes in without it
    page.goto(f"{origin}/login#{token}")
    page.wait_for_url(f"{origin}/")
    page.wait_for_selector("#link.on")
    return str(origin)


def trust_what_was_dropped(house: House, person: Person, number: int) -> None:
    page = person.page
    house.plan(f"demo-{number}", *the_plan(house, number))
    waits = f"[id='plan-plans/demo-{number}-PLAN.md']"
    page.wait_for_selector(f"{waits} button:text('Trust and run')")
    person.keep_picture("a plan waits")
    assert len(house.runs()) == number - 1
    page.click("button:text('Trust and run')")
    page.wait_for_selector("#live a.big")
    page.click("#live a.big")
    page.wait_for_selector("#link.on")


def answer(person: Person) -> None:
    page = person.page
    page.wait_for_selector("#questions article.ask")
    person.keep_picture("it asks")
    page.fill("#questions textarea", "looks good to me")
    page.click("#questions button:text('Approve')")


def follow(house: House, person: Person, origin: str, number: int) -> dict[str, float]:
    """The plan of this number, from its file to its SUMMARY; how late the page had each, in seconds."""
    page = person.page
    late: dict[str, float] = {}

    def shows(name: str, kind: EventKind, task: int | None = None) -> None:
        event = happened(house, kind, task)
        late[name] = person.seen(name) - datetime.fromisoformat(event.at).timestamp()

    trust_what_was_dropped(house, person, number)
    assert page.url == f"{origin}/runs/{house.runs()[-1].id}"
    page.wait_for_selector(of_task(1, "run"))
    page.evaluate(WITNESS, WANTED)
    person.keep_picture("it runs")
    house.go(f"one-{number}-may-end")
    shows("one is done", EventKind.ATTEMPT_FINISHED, 1)
    shows("it asks", EventKind.CHECKPOINT_ASKED, 2)
    answer(person)
    shows("it is answered", EventKind.CHECKPOINT_ANSWERED, 2)
    shows("three runs", EventKind.ATTEMPT_STARTED, 3)
    person.keep_picture("it goes on")
    house.go(f"three-{number}-may-end")
    shows("three is done", EventKind.ATTEMPT_FINISHED, 3)
    shows("the run is done", EventKind.RUN_FINISHED)
    shows("the summary", EventKind.RUN_FINISHED)
    assert "looks good to me" in page.inner_text("#summary .prose")
    person.keep_picture("its summary")
    return late


def test_a_plan_is_dropped_trusted_watched_answered_and_read(house: House, person: Person):
    with house.serving() as daemon:
        origin = log_in(house, daemon, person)
        late = [follow(house, person, origin, 1)]
        if max(late[0].values()) > SOON_S:  # what this machine adds is not in the same one twice
            person.page.goto(f"{origin}/")
            late.append(follow(house, person, origin, 2))
        assert daemon.end() == 0
    least = {name: min(one[name] for one in late) for name in late[0]}
    assert {name: took for name, took in least.items() if took > SOON_S} == {}
    assert set(house.codes()) == {0}
    assert {"one-1.txt", "three-1.txt"} <= set(house.git("ls-tree", "--name-only", "main").split())
    assert [url for url in person.asked if not url.startswith(f"{origin}/")] == []
    assert any("/stream?" in url for url in person.asked)
    assert person.wrong == []


def test_the_summary_of_a_plain_directory_comes_by_itself(tmp_path: Path, person: Person):
    house = House(tmp_path, isolated=False)
    house.plan("demo", house.waits_for("one"))
    with house.serving("--trust-all") as daemon:
        origin = log_in(house, daemon, person)
        daemon.wait_until(lambda: house.began["one"])
        person.page.goto(f"{origin}/runs/{house.runs()[0].id}")
        person.page.wait_for_selector("#link.on")
        house.go()
        person.page.wait_for_selector(WANTED["the summary"])
    assert person.wrong == []
