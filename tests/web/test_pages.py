"""The pages as text: every route for every kind of project, well-formed, without inline scripts, and whatever others wrote is text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urljoin

import pytest

from orchestrator import journal, ledger, redact
from orchestrator.cli import explaining
from orchestrator.model import (
    Check,
    CheckResult,
    Diagnostic,
    EventKind,
    Failure,
    Limit,
    Limits,
    Review,
    Severity,
    Step,
    StepKind,
    TaskId,
)
from orchestrator.views import documents
from orchestrator.views.house import Waiting
from orchestrator.views.past import open_run
from orchestrator.views.watched import Spent
from orchestrator.web import pages, pages_words
from orchestrator.web.asked import ResumeSent
from orchestrator.web.book import Book
from orchestrator.web.drawn import Drawn
from orchestrator.web.pages_tasks import Row
from tests.engine.runs import bash
from tests.ledger.outcomes import NOW, line, seed_sample
from tests.web import scenes
from tests.web.houses import Served, served
from tests.web.scenes import Scenes

VOID = {"meta", "link", "br", "input", "img", "hr"}
KINDS = {"empty": (), "all": ("failing", "small", "asking"), "large": ("large",)}
MOST = 150  # addresses of one crawl
LARGEST = 300_000  # bytes of a page of 500 tasks


class Page(HTMLParser):
    """What stands in it. `wrong`: tags that do not close each other."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.scripts = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        last = self._open.pop() if self._open else None
        if last != tag:
            self.wrong.append(f"</{tag}> closes <{last}>, line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.scripts += data
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, name: str) -> list[str]:
        return [
            value for _, attrs in self.tags for key, value in attrs.items() if key == name and value
        ]


@contextmanager
def place(root: Path, *names: str) -> Iterator[tuple[Scenes, Served]]:
    (root / ".planning").mkdir(parents=True)
    with journal.writing(root) as book:
        told = scenes.open_scenes(book, root, *names)
        with served(told.house) as server:
            yield told, server


def read(server: Served, path: str, status: int = 200) -> Page:
    reply = server.ask("GET", path)
    assert reply.status == status, (path, reply.status, reply.body[:300])
    assert reply.headers["content-type"].startswith("text/html"), path
    return Page(reply.body.decode())


def crawl(server: Served, *starts: str) -> dict[str, Page]:
    """All pages that can be reached by links, at most MOST of them."""
    found: dict[str, Page] = {}
    waiting = list(starts)
    while waiting and len(found) < MOST:
        path = waiting.pop(0)
        if path in found:
            continue
        found[path] = page = read(server, path)
        for href in page.all("href"):
            near = urldefrag(urljoin(f"http://here{path}", href)).url.removeprefix("http://here")
            if near.startswith("/") and not near.startswith("/static/"):
                waiting.append(near)
    return found


@pytest.fixture(scope="module", params=KINDS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, Page], Served]]:
    root = tmp_path_factory.mktemp(request.param) / "shop"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(root / "ledger"))
        with place(root, *KINDS[request.param]) as (told, server):
            if request.param == "all":
                told.house.plans = scenes.waiting_plans(told.names["small"])
            starts = ["/", *(f"/runs/{run}" for run in told.names.values()), "/routing", "/models"]
            yield request.param, crawl(server, *starts), server


def test_every_page_is_well_formed(site: tuple[str, dict[str, Page], Served]):
    kind, pages, _ = site
    assert len(pages) >= {"empty": 3, "all": 40, "large": 100}[kind]
    assert {path: page.wrong for path, page in pages.items() if page.wrong} == {}


def test_no_page_has_a_script_or_style_of_its_own(site: tuple[str, dict[str, Page], Served]):
    """Their policy forbids them, so what needs one would not work."""
    for path, page in site[1].items():
        assert page.scripts == "", path
        assert [
            a for _, attrs in page.tags for a in attrs if a == "style" or a.startswith("on")
        ] == [], path
        outside = [one for one in (*page.all("src"), *page.all("href")) if "//" in one]
        assert outside == [], path


def test_every_name_stands_once_and_every_anchor_has_its_place(
    site: tuple[str, dict[str, Page], Served],
):
    pages = site[1]
    for path, page in pages.items():
        names = page.all("id")
        assert len(names) == len(set(names)), (path, [n for n in names if names.count(n) > 1])
        for href in page.all("href"):
            near, anchor = urldefrag(urljoin(f"http://here{path}", href))
            there = pages.get(near.removeprefix("http://here"))
            if anchor and there is not None:
                assert anchor in there.all("id"), (path, href)
        for name in ("aria-labelledby", "for"):
            told = [one for value in page.all(name) for one in value.split()]
            assert set(told) <= set(names), (path, told)


def test_each_page_has_one_title_and_headings_in_order(site: tuple[str, dict[str, Page], Served]):
    for path, page in site[1].items():
        levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
        assert levels[0] == 1, path
        assert levels.count(1) == 1, path
        assert all(after <= before + 1 for before, after in pairwise(levels)), path


def test_a_large_run_shows_what_goes_on_first_and_stays_small(tmp_path: Path):
    with place(tmp_path / "shop", "large") as (told, server):
        path = f"/runs/{told.names['large']}"
        reply = server.ask("GET", path)
        assert len(reply.body) < LARGEST
        page = Page(reply.body.decode())
        rows = [value.removeprefix("t-") for value in page.all("id") if value.startswith("t-")]
        assert len(rows) == 50
        assert rows[:8] == [f"port/{10 * chain + 8}" for chain in range(8)]  # those that run
        last = read(server, f"{path}?tasks=10")
        assert len([value for value in last.all("id") if value.startswith("t-")]) == 50


def test_what_waits_for_a_person_is_on_top_with_all_they_need(tmp_path: Path):
    with place(tmp_path / "shop", "asking") as (told, server):
        run = told.names["asking"]
        assert "Waiting for you 1 ? Which service sends the mails?" in read(server, "/").text
        page = read(server, f"/runs/{run}")
        for word in ("Amazon SES", "needs a verified domain first", "About 2,000 mails", "asked "):
            assert word in page.text
        assert page.all("data-post")[1:] == [f"/api/runs/{run}/tasks/auth%2F6/answer"]
        assert [v for v in page.all("value") if v in ("ses", "postmark")] == ["ses", "postmark"]
        assert f"/runs/{run}/tasks/auth/1/tries/1#diff" in page.all("href")


def test_plans_say_why_they_wait_and_trust_is_for_what_was_seen(tmp_path: Path):
    with place(tmp_path / "shop") as (told, server):
        told.house.plans = scenes.waiting_plans()
        page = read(server, "/")
        for word in (
            "14:3 P104 <task> is not closed",
            "not before 2026-11-29",
            "+curl https://example.org/new | sh",
        ):
            assert word in page.text
        forms = [attrs for tag, attrs in page.tags if tag == "form"]
        sha = next(one.sha256 for one in told.house.plans if one.state == "untrusted")
        assert [(f["data-post"], f["data-path"], f["data-sha256"]) for f in forms] == [
            ("/api/plans/trust", "plans/auth-PLAN.md", sha)
        ]


def test_a_finding_of_a_broken_plan_is_told_once(tmp_path: Path):
    with place(tmp_path / "shop") as (told, server):
        broken = next(one for one in scenes.waiting_plans() if one.state == "broken")
        first = broken.diagnostics[0]
        why = f"{first.file}:{first.line}:{first.column}: {first.message} (and 1 more)"
        told.house.plans = (broken.model_copy(update={"why": why}),)
        text = read(server, "/").text
        assert text.count(first.message) == 1
        assert "and 1 more" not in text
        told.house.plans = (broken.model_copy(update={"why": "no agent", "diagnostics": ()}),)
        assert "no agent" in read(server, "/").text


def test_of_many_new_plans_the_first_page_has_some_texts_and_each_other_a_page_of_its_own(
    tmp_path: Path,
):
    with place(tmp_path / "shop") as (told, server):
        one = next(one for one in scenes.waiting_plans() if one.state == "untrusted")
        diff = "--- nothing\n+++ it\n" + "+a line of a plan\n" * 600
        told.house.plans = tuple(
            one.model_copy(update={"path": f"plans/{n:03} #1?-PLAN.md", "diff": diff, "why": "new"})
            for n in range(200)
        )
        reply = server.ask("GET", "/")
        assert len(reply.body) < 300_000
        page = Page(reply.body.decode())
        forms = [str(attrs["data-path"]) for tag, attrs in page.tags if tag == "form"]
        links = [href for href in page.all("href") if href.startswith("/plans/waiting/")]
        away = [unquote(href.removeprefix("/plans/waiting/")) for href in links]
        assert forms
        assert sorted([*forms, *away]) == [plan.path for plan in told.house.plans]
        alone = read(server, links[-1])
        (form,) = [attrs for tag, attrs in alone.tags if tag == "form"]
        assert (form["data-path"], form["data-sha256"]) == (away[-1], one.sha256)
        assert (form["data-post"], form["data-then"]) == ("/api/plans/trust", "/")
        assert alone.text.count("+a line of a plan") == 600
        told.house.plans = ()
        assert "does not wait" in read(server, links[-1], 404).text


def test_a_run_that_is_not_there_is_told_with_those_that_are(tmp_path: Path):
    with place(tmp_path / "shop", "small") as (told, server):
        page = read(server, "/runs/nosuch", 404)
        assert f"no run is called 'nosuch'; the newest are {told.names['small']}" in page.text
        assert "/api/" not in page.text
        assert "/" in page.all("href")


def test_the_names_of_plans_are_told_with_their_spaces(tmp_path: Path):
    with place(tmp_path / "shop") as (told, server):
        text = scenes.plan_text(bash("Task 1: x", "true", files="a.txt"))
        play = scenes.Play(told.book, told.house.root, {"my own": text, "other": text})
        names = [one.path for one in told.book.plans(play.run)]
        assert any(" " in name for name in names)
        assert ", ".join(names) in read(server, "/").text
        row = told.book.find(play.run)
        assert documents.run_document(row, None)["plans"] == names


def test_a_dear_plan_has_a_button_with_its_cost(tmp_path: Path):
    with place(tmp_path / "shop") as (told, server):
        one = next(one for one in scenes.waiting_plans() if one.state == "untrusted")
        dear = {"state": "unapproved", "asks_usd": 7.2, "diff": "", "run": None}
        told.house.plans = (one.model_copy(update=dear),)
        page = read(server, "/")
        assert "Run for up to $7.20" in page.text
        (form,) = [attrs for tag, attrs in page.tags if tag == "form"]
        assert (form["data-post"], form["data-sha256"]) == ("/api/plans/trust", one.sha256)
        (usd,) = [attrs for tag, attrs in page.tags if tag == "input" and attrs["name"] == "usd"]
        assert (usd["value"], "data-number" in usd) == ("7.2", True)
        assert server.get("/api/plans/waiting")["plans"][0]["asks_usd"] == 7.2


def test_nobody_is_asked_to_trust_on_a_page_what_it_does_not_show(tmp_path: Path):
    with place(tmp_path / "shop") as (told, server):
        known = scenes.waiting_plans()
        one = next(one for one in known if one.state == "untrusted")
        cut = one.model_copy(update={"is_whole": False, "path": "plans/a b-PLAN.md"})
        told.house.plans = (cut, one.model_copy(update={"diff": ""}))
        page = read(server, "/")
        assert [attrs for tag, attrs in page.tags if tag == "form"] == []
        assert "(cut: it is longer)" in page.text
        assert "orchestrator trust 'plans/a b-PLAN.md'" in page.text
        assert server.get("/api/plans/waiting")["plans"][0]["is_whole"] is False


def test_a_try_tells_its_route_its_checks_and_what_followed(tmp_path: Path):
    with place(tmp_path / "shop", "failing") as (told, server):
        page = read(server, f"/runs/{told.names['failing']}/tasks/auth-broken/2")
        for word in (
            "17 of 19 tasks like it were done by haiku",
            "not claude-opus-4-5: dearer, and no surer",
            "FAILED tests/test_it.py::test_sums",
            "cache read 10,800",
            "verify: the check is red → try 2",
            "timeout: no end after 240 s → failed: no try was left",
        ):
            assert word in page.text, word


def test_a_run_that_is_done_shows_its_summary_and_one_that_is_not_what_failed(tmp_path: Path):
    with place(tmp_path / "shop", "small", "failing") as (told, server):
        page = read(server, f"/runs/{told.names['small']}")
        assert "Two files say hello." in page.text
        assert "status: complete" not in page.text
        page = read(server, f"/runs/{told.names['failing']}")
        failed = "auth-broken/2 Routes of the session API Try again timeout: no end after 240 s → 5 tasks skipped"
        assert failed in page.text
        assert f"/api/runs/{told.names['failing']}/tasks/auth-broken%2F2/retry" in page.all(
            "data-post"
        )


@pytest.mark.parametrize(
    ("run", "told"),
    [(Limit(usd=25.0), "limit: $25.00"), (Limit(), "no limit for this run")],
)
def test_a_limit_that_nothing_has_used_is_told(tmp_path: Path, run: Limit, told: str):
    with place(tmp_path / "shop") as (known, server):
        budget = Limits(run=run, day=Limit(), plan=Limit(), task=Limit())
        text = scenes.plan_text(bash("Say hello", "true", files="a.txt"), phase="hello")
        play = scenes.Play(known.book, known.house.root, {"hello": text}, budget=budget)
        words = read(server, f"/runs/{play.run}").text
        assert told in words
        assert ("no limit" in words) is run.is_none


def test_a_run_that_is_done_can_be_run_again_plan_by_plan(tmp_path: Path):
    with place(tmp_path / "shop", "small", "failing") as (told, server):
        page = read(server, f"/runs/{told.names['small']}")
        assert page.all("data-again") == ["plans/hello-PLAN.md"]
        assert "Run again" not in read(server, f"/runs/{told.names['failing']}").text


def test_viewers_of_the_same_share_a_page_until_something_is_new(tmp_path: Path):
    with place(tmp_path / "shop", "asking") as (told, server):
        path, took = f"/runs/{told.names['asking']}", pages.SAME_S
        while took >= pages.SAME_S:  # for so long clocks on a page stand
            began = time.monotonic()
            first, second = (server.ask("GET", path).body for _ in range(2))
            took = time.monotonic() - began
        assert first == second
        told.house.lines[told.names["asking"]] = {told.plays["asking"].id(4): "says something new"}
        assert b"says something new" in server.ask("GET", path).body
        told.plays["asking"].finish(4, 599, scenes.passed())
        assert b"says something new" not in server.ask("GET", path).body


def test_what_is_not_there_is_a_page_that_says_so(tmp_path: Path):
    with place(tmp_path / "shop", "small") as (told, server):
        run = told.names["small"]
        for path in (
            "/runs/nope",
            f"/runs/{run}/tasks/nope",
            f"/runs/{run}/tasks/hello/1/tries/7",
            "/runs/nope/events",
        ):
            assert "Not found" in read(server, path, 404).text, path


def test_a_person_gets_a_page_where_there_is_none_and_a_program_json(tmp_path: Path):
    with place(tmp_path / "shop", "small") as (_, server):
        for method, path, status, word in (
            ("GET", "/nothing", 404, "There is no page at this address."),
            ("GET", "/runs/", 404, "There is no page at this address."),
            ("POST", "/routing", 405, "This address takes no such method."),
        ):
            body = {} if method == "POST" else None
            reply = server.ask(
                method, path, body, accept="text/html,application/xhtml+xml,*/*;q=0.8"
            )
            assert reply.status == status, path
            assert reply.headers["content-type"].startswith("text/html")
            page = Page(reply.body.decode())
            assert page.wrong == []
            assert word in page.text
            assert "/" in page.all("href")
            assert ("allow" in reply.headers) is (status == 405)
            assert server.ask(method, path, body, accept="*/*").json["error"]
        for path in ("/api/nothing", "/static/nothing.js"):
            told = server.ask("GET", path, accept="text/html")
            assert told.status == 404
            assert b"shop" not in told.body  # nobody has to have the token for the second
            assert "html" not in told.headers["content-type"]


def test_a_result_that_stays_apart_is_no_failure_of_a_task(tmp_path: Path):
    with place(tmp_path / "shop", "failing") as (told, server):
        text = scenes.plan_text(bash("Say hello", "true", files="a.txt"), phase="hello")
        play = scenes.Play(told.book, told.house.root, {"hello": text}, ago=100)
        play.work(1, 1, 20)
        apart = {"why": "it conflicts with your branch", "branch": "orchestrator/x", "into": "main"}
        play.tell(EventKind.DELIVERED, 21, apart | {"commits": 1, "tip": "f" * 40})
        play.end(22, 1)
        front = read(server, "/").text
        assert f"! result stays apart {play.run}" in front
        assert f"✗ tasks failed {told.names['failing']}" in front
        assert f"{play.run} ! result stays apart" in read(server, f"/runs/{play.run}").text
        states = {one["run"]: one["state"] for one in server.get("/api/runs")["runs"]}
        assert states == {
            play.run: "done, but its result stays apart (exit 1)",
            told.names["failing"]: "tasks failed (exit 1)",
        }


def test_a_run_is_resumed_with_any_budget_that_the_command_takes(tmp_path: Path):
    with place(tmp_path / "shop", "failing") as (told, server):
        page = read(server, f"/runs/{told.names['failing']}")
        fields = {a["name"]: a for tag, a in page.tags if tag == "input"}
        assert fields.keys() == ResumeSent.model_fields.keys()
        assert all("data-number" in one for one in fields.values())


@pytest.mark.parametrize(
    ("live", "word"), [(True, "another try"), (False, "another try, once the run goes on")]
)
def test_what_follows_a_failed_try_is_said_alike_everywhere(
    tmp_path: Path, live: bool, word: str, capsys: pytest.CaptureFixture[str]
):
    with place(tmp_path / "shop") as (told, server):
        text = scenes.plan_text(bash("Say hello", "true", files="a.txt"), phase="hello")
        play = scenes.Play(told.book, told.house.root, {"hello": text})
        play.work(1, 1, 20, scenes.failed())
        told.book.announce([play.run] if live else [])
        page = read(server, f"/runs/{play.run}/tasks/hello%2F1")
        assert f"→ {word} " in f"{page.text} ".replace(" transcript", " ")
        found = open_run(told.house.root, play.run)
        explaining.explain(found, found.task("1"))
        assert capsys.readouterr().out.split("follows")[1].split("\n")[0].strip() == word


def test_a_bar_of_what_died_with_its_engine_is_at_least_so_long(tmp_path: Path):
    with place(tmp_path) as (told, _):
        text = scenes.plan_text(bash("Say hello", "true", files="a.txt"), phase="hello")
        play = scenes.Play(told.book, told.house.root, {"hello": text})
        play.start(1, 1, (scenes.red("true", "no"),))
        play.tell(scenes.EventKind.RUN_RESUMED, 100, play.start_data)
        drawn = str(Drawn().timeline(Book(tmp_path).run(play.run), scenes.now()))
        assert ", at least 1.0s: its engine died" in drawn


def test_a_picture_is_drawn_anew_only_where_one_could_see_it(tmp_path: Path):
    with place(tmp_path, "asking") as (told, _):
        past = Book(tmp_path).run(told.names["asking"])
        drawn, now = Drawn(), scenes.now() // 2 * 2
        first = drawn.timeline(past, now)
        assert drawn.timeline(past, now + 0.9) is first
        assert drawn.timeline(past, now + 9) is not first
        assert drawn.graph(past) is drawn.graph(past)


def test_a_row_is_made_anew_where_its_words_have_become_secret():
    value = "row-4f1c9a7be02d"
    nothing = Spent(0, None, None, whole=True)
    row = Row(TaskId("a/1"), f"tells {value}", "waiting", "", 0, "", nothing, None, None)
    assert value in pages_words.row(row, "row_task.html", "r")
    redact.learn({"DASHBOARD_ROW_TOKEN": value})
    assert value not in pages_words.row(row, "row_task.html", "r")


def test_few_tasks_are_too_little_evidence_and_many_are_told_with_their_n(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    clock = tmp_path / "ahead"
    with place(tmp_path / "shop") as (_, server):
        assert "Insufficient evidence" in read(server, "/routing").text
        assert "Insufficient evidence" in read(server, "/models").text
        assert not (tmp_path / "ledger").exists()  # who looks makes nothing
        ledger.append(tmp_path / "ledger", seed_sample(NOW))
        clock.write_text(str(NOW.timestamp() - scenes.now()))
        monkeypatch.setenv("ORCHESTRATOR_CLOCK_AHEAD", str(clock))
        assert "93% of 58 (95%: 84% to 97%)" in read(server, "/routing").text
        told = read(server, "/models").text
        assert "src · medium risk · implementer" in told
        assert "claude-haiku-4-5-20251001 96% of 28" in told


def test_s1_12_the_figures_of_the_chart_are_those_of_the_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    ledger.append(tmp_path / "ledger", seed_sample(scenes.moment()))
    with place(tmp_path / "shop") as (_, server):
        found = server.get("/api/routing/experiments")
        page = read(server, "/routing")
        assert len(found["models"]) == 3
        for one in found["models"]:
            rate = one["success"]
            told = (
                f"{rate['rate']:.0%} of {rate['n']} (95%: {rate['low']:.0%} to {rate['high']:.0%})"
            )
            marks = [attrs for tag, attrs in page.tags if attrs.get("aria-label") == told]
            assert marks, told  # of the picture
            assert f"{one['model']} {told}" in page.text
        dots = [
            float(str(attrs["cx"]).removesuffix("%"))
            for tag, attrs in page.tags
            if tag == "circle" and "%" in str(attrs.get("cx"))
        ]
        for one in found["models"]:
            assert any(abs(dot - 100 * one["success"]["rate"]) < 0.01 for dot in dots)


def test_reviews_and_what_savings_leave_open_are_told_as_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    now = scenes.moment()
    classes = dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning"))
    review = {"approved": True, "tokens_total": 900, "cost_usd": 0.07, "tokens": classes}
    looked_at = line("haiku", at=now, number=901, review=review | {"model": "<opus>"})
    ledger.append(tmp_path / "ledger", [*seed_sample(now), looked_at])
    with place(tmp_path / "shop") as (_, server):
        found = server.get("/api/routing/experiments")
        told = read(server, "/routing").text
    assert "<opus> 1 of 1 $0.07 900" in told
    assert found["savings"]["bias"]
    for one in found["savings"]["bias"]:
        assert one in told


# --- whatever others wrote

EVIL = "\"'><img src=x onerror=alert(1)><script>alert(2)</script> [go](javascript:alert(3)) ![p](http://evil.example/p.png) `</code><b>`"
IN_PLAN = EVIL.replace("&", "&amp;").replace("<", "&lt;")


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[tuple[Scenes, Served]]:
    """HTML in every field that somebody else can fill."""
    with place(tmp_path / "shop") as (told, server):
        choice = scenes.CHOICE.replace('id="mailer" depends-on="db"', 'id="c" depends-on="1"')
        for word in (
            "Which service sends the mails?",
            "Amazon SES",
            "cheapest, we have the account",
            "About 2,000 mails a day.",
        ):
            choice = choice.replace(word, f"{word} {IN_PLAN}")
        text = scenes.plan_text(
            bash(f"Task 1: {IN_PLAN}", f"echo '{IN_PLAN}'", f"test '{IN_PLAN}'", files="a.txt"),
            bash("Task 2: runs", "true", files="b.txt", depends_on=""),
            choice,
            scenes.checkpoint(depends_on="c", body=f"<how-to-verify>{IN_PLAN}</how-to-verify>\n"),
            phase="evil",
        )
        play = scenes.Play(told.book, told.house.root, {"evil": text})
        told.keep("evil", play)
        told.book.announce([play.run])
        told.house.live = (play.run,)
        check = Check(command=EVIL, result=CheckResult.RED, exit_code=1, output=EVIL, duration_s=1)
        review = Review(approved=False, worker=EVIL, model=EVIL, text=EVIL, usage=None)
        play.start(1, 1, (check,))
        play.report(1, 2, 900, Step(kind=StepKind.RUN, tool=EVIL, target=EVIL, ok=False))
        verdict = scenes.Verdict(
            verified="command", strength=1.0, checks=(check,), warnings=(EVIL,)
        )
        bad = scenes.failed(Failure.VERIFY, EVIL, text=EVIL, review=review, model=EVIL)
        play.finish(1, 9, bad.model_copy(update={"verdict": verdict}))
        play.start(2, 3)
        play.work(1, 10, 20)
        play.ask(3, 21)
        play.tell(
            EventKind.GATE_CLOSED,
            22,
            {
                "gate": EVIL,
                "failure": "quota",
                "detail": EVIL,
                "pause_s": 9.0,
                "until": scenes.now(),
            },
        )
        play.tell(EventKind.DRAINING, 23, {"reason": EVIL})
        told.house.lines[play.run] = {play.id(2): EVIL}
        told.house.reasons = (EVIL,)
        said = Diagnostic(
            file=EVIL, line=1, column=1, code="X1", severity=Severity.ERROR, message=EVIL
        )
        told.house.plans = (
            Waiting(
                path=EVIL,
                sha256="a" * 64,
                state="untrusted",
                why=EVIL,
                since=play.at(0),
                run=play.run,
                diagnostics=(said,),
                diff=f"+{EVIL}",
            ),
        )
        folder = told.house.root / ".orchestrator" / "runs" / play.run
        folder.mkdir(parents=True)
        (folder / "evil.1.1.log").write_text(EVIL * 20)
        summary = told.house.root / "plans" / "evil-SUMMARY.md"
        summary.write_text(f"---\nstatus: complete\n---\n# {EVIL}\n{EVIL}\n")
        yield told, server


def test_html_of_others_is_text_on_every_page(evil: tuple[Scenes, Served]):
    told, server = evil
    play = told.plays["evil"]
    pages = crawl(server, "/", f"/runs/{play.run}", f"/plans/waiting/{quote(EVIL)}")
    play.answer(3, 30, option="ses", note=EVIL, by=EVIL)
    play.end(40)
    told.book.announce([])
    pages |= {
        f"{path} later": page for path, page in crawl(server, "/", f"/runs/{play.run}").items()
    }
    assert len(pages) > 14
    for path, page in pages.items():
        assert page.wrong == [], path
        assert page.scripts == "", path
        assert [tag for tag, _ in page.tags if tag in ("img", "iframe", "object")] == [], path
        assert len([tag for tag, _ in page.tags if tag == "script"]) == 1, path
        assert [a for _, attrs in page.tags for a in attrs if a.startswith("on")] == [], path
        links = [
            one
            for one in (*page.all("href"), *page.all("src"))
            if not one.startswith(("/", "#", "?"))
        ]
        assert links == [], path
    shown = [path for path, page in pages.items() if "<img src=x onerror=alert(1)>" in page.text]
    assert len(shown) > 10  # it is shown, and not left out


def test_a_secret_that_came_into_a_journal_is_on_no_page(tmp_path: Path):
    """It cannot come in by our own ways; a page is a way out, too."""
    secret = "canary-7f3a9c51e2"
    redact.learn({"DASHBOARD_TEST_TOKEN": secret})
    with place(tmp_path / "shop") as (told, server):
        text = scenes.plan_text(
            bash(f"Task 1: use {secret}", f"echo {secret}", files="a.txt"), phase="leak"
        )
        play = scenes.Play(told.book, told.house.root, {"leak": text})
        play.work(1, 1, 9, scenes.failed(detail=f"it said {secret}", text=f"**{secret}**"))
        play.start(1, 10)
        told.book.announce([play.run])
        told.house.live = (play.run,)
        told.house.lines[play.run] = {play.id(1): secret}
        redact.learn({"DASHBOARD_TEST_TOKEN": secret})
        for path in crawl(server, "/", f"/runs/{play.run}"):
            assert secret not in server.ask("GET", path).body.decode(), path
        bare = pages_words.environment().from_string("{{ told }}")
        assert secret not in bare.render(told=f"{secret}!")  # also where a template forgets it
