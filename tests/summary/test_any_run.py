"""Whatever happens in a run and whatever anybody writes: the numbers add up and the page keeps its shape."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model import (
    Answer,
    Check,
    EventKind,
    Failure,
    Option,
    Outcome,
    Plan,
    Task,
    Usage,
    Verdict,
)
from orchestrator.reader import frontmatter
from tests.build import plan, task
from tests.summary.story import HEADINGS, Story, body, element, front, headings

count = st.none() | st.integers(0, 10**9)
usages = st.none() | st.builds(
    Usage,
    input_tokens=count,
    output_tokens=count,
    cache_read_tokens=count,
    cache_write_tokens=count,
    reasoning_tokens=count,
    cost_usd=st.none() | st.floats(0, 1000).map(lambda usd: round(usd, 6)),
    cost_basis=st.sampled_from(["reported", "priced", "notional", "unknown"]),
    lower_bound=st.booleans(),
)
BAD = (
    *("\n", "\r", "## Checks", "---", "```", "~~~", "`", "|", "<!--", "<div>", "</p>", "# x", " "),
    *("\x1b[31m", "\ud800", "\x00", "\u2028", "\x85", "===", "- ", "1. ", "> ", "\\", "*", ": "),
    *("\nphase: evil\n", "&amp;", "[x](y)", "'", '"', "    ", "\t"),
)
nasty = st.text(max_size=30) | st.lists(st.sampled_from(BAD), max_size=12).map("".join)
PLAIN = st.just("said")


@st.composite
def outcomes(draw: st.DrawFn, words: st.SearchStrategy[str]) -> Outcome:
    check = st.builds(
        Check,
        command=words,
        result=st.sampled_from(["green", "red", "inconclusive"]),
        exit_code=st.none() | st.integers(0, 255),
        output=words,
        duration_s=st.just(1.0),
    )
    verdict = st.builds(
        Verdict,
        verified=st.sampled_from(["command", "human", "none"]),
        strength=st.sampled_from([0.0, 0.5, 1.0]),
        checks=st.lists(check, max_size=2).map(tuple),
        warnings=st.lists(words, max_size=2).map(tuple),
    )
    return Outcome(
        failure=draw(st.none() | st.sampled_from(list(Failure))),
        detail=draw(words),
        usage=draw(usages),
        model=draw(st.none() | words),
        duration_s=1.0,
        verdict=draw(st.none() | verdict),
    )


@st.composite
def tasks(draw: st.DrawFn, ordinal: int, words: st.SearchStrategy[str] | None = None) -> Task:
    earlier = [str(number) for number in range(1, ordinal)]
    values: dict[str, Any] = {
        "depends_on": tuple(draw(st.sets(st.sampled_from(earlier)))) if earlier else (),
        "type": draw(st.sampled_from(["auto", "auto", "checkpoint:decision"])),
    }
    if words is not None:
        values |= {
            "name": draw(words),
            "label": None,
            "commands": tuple(draw(st.lists(words, max_size=2))),
            "human_checks": tuple(draw(st.lists(words, max_size=2))),
            "files": (f"{ordinal}", draw(words)),
            "area": draw(st.none() | words),
            "options": (Option(id=draw(words), name=draw(words)),),
        }
    return task(ordinal, **values)


@st.composite
def plans(draw: st.DrawFn, words: st.SearchStrategy[str] | None = None) -> Plan:
    made = [draw(tasks(ordinal, words)) for ordinal in range(1, draw(st.integers(1, 6)) + 1)]
    return plan(*made)


@st.composite
def stories(
    draw: st.DrawFn, which: Plan | None = None, words: st.SearchStrategy[str] = PLAIN
) -> Story:
    """Some way through some run, with whatever outcomes, deaths of the engine and stops in the middle."""
    story = Story(which or draw(plans()), capacity=draw(st.integers(1, 4)))
    now = 0.0
    for _ in range(draw(st.integers(0, 30))):
        now += draw(st.sampled_from([0.0, 0.5, 3.0]))
        if story.tracker.done:
            break
        _step(draw, story, now, words)
    return story


def _step(draw: st.DrawFn, story: Story, now: float, words: st.SearchStrategy[str]) -> None:
    tracker = story.tracker
    steps = [("start", one.task.id) for one in tracker.ready()]
    steps += [("finish", one) for one in tracker.running]
    steps += [("ask", one.id) for one in tracker.due()] + [("answer", t) for t in tracker.paused]
    if tracker.running:
        steps.append(("die", ""))
    if not steps:
        return
    do, name = draw(st.sampled_from(steps))
    match do:
        case "start":
            story.start(name, now)
        case "finish":
            story.finish(name, now, draw(outcomes(words)))
        case "ask":
            story.ask(name, now)
        case "answer":
            answer = Answer(approved=draw(st.booleans()), note=draw(words), by=draw(words))
            story.answer(name, now, **answer.model_dump())
        case "die":
            story.resume(now)
            for task_id in tracker.running:
                story.finish(task_id, now, Outcome(failure=Failure.INTERRUPTED))


def usages_of(story: Story) -> list[Usage | None]:
    """From the events alone: one per attempt that was started."""
    used: dict[tuple[str | None, int | None], Usage | None] = {}
    for event in story.events:
        if event.kind is EventKind.ATTEMPT_STARTED:
            used[event.task, event.attempt] = None
        if event.kind is EventKind.ATTEMPT_FINISHED:
            used[event.task, event.attempt] = Outcome.model_validate(event.data["outcome"]).usage
    return list(used.values())


def added(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return None if values and not known else sum(known)


@given(stories())
@settings(max_examples=150, deadline=None)
def test_the_totals_are_the_sums_over_the_events(story: Story):
    values, used = front(story.render()), usages_of(story)
    execution = values["execution"]
    tokens = [usage.tokens if usage else None for usage in used]
    assert execution["attempts"] == execution["subagent_spawns"] == len(used)
    assert execution["total_subagent_tokens"] == added(tokens)
    for name in ("input", "output", "cache_read", "cache_write", "reasoning"):
        each = [getattr(usage, f"{name}_tokens") if usage else None for usage in used]
        assert execution["tokens"][name] == added(each)
    cost = added([usage.cost_usd if usage else None for usage in used])
    assert execution["cost_usd"] == (None if cost is None else pytest.approx(cost, abs=1e-5))
    doubtful = any(usage is None or usage.lower_bound for usage in used)
    assert execution["lower_bound"] is (doubtful or None in tokens)


@given(stories())
@settings(max_examples=150, deadline=None)
def test_the_tasks_add_up_to_the_totals(story: Story):
    values = front(story.render())
    rows, execution = values["tasks"], values["execution"]
    for total, each in (
        (execution["attempts"], [row["attempts"] for row in rows]),
        (execution["escalations"], [row["escalations"] for row in rows]),
    ):
        assert total == sum(each)
    tried = [row for row in rows if row["attempts"]]
    assert execution["total_subagent_tokens"] == added([row["tokens"]["actual"] for row in tried])
    cost = added([row["cost_usd"] for row in tried])
    assert execution["cost_usd"] == (None if cost is None else pytest.approx(cost, abs=1e-4))
    counts = dict(execution["tasks"])
    assert counts.pop("partial") <= counts["succeeded"]
    assert counts.pop("total") == len(rows) == sum(counts.values())


@given(stories())
@settings(max_examples=150, deadline=None)
def test_no_run_is_faster_than_its_workers(story: Story):
    execution = front(story.render())["execution"]
    speedup, share = execution["speedup"], execution["parallelization_efficiency"]
    assert 0 <= execution["max_parallel"] <= story.tracker._capacity
    assert (speedup is None) is (share is None)
    if share is not None:
        assert 0 <= share <= 1
        assert math.isclose(share, speedup / execution["max_parallel"], abs_tol=0.02)


@st.composite
def nasty_stories(draw: st.DrawFn) -> Story:
    tags = ("objective", "verification", "success_criteria")
    made = draw(plans(nasty)).model_copy(
        update={
            "sections": tuple(element(tag, draw(nasty)) for tag in tags),
            "frontmatter": {
                "phase": draw(nasty),
                "plan": draw(nasty),
                "tags": [draw(nasty)],
                "requires": [{draw(nasty): draw(nasty)}],
                "subsystem": draw(nasty),
                "must_haves": {"truths": [draw(nasty)]},
            },
            "commands": (draw(nasty),),
        }
    )
    return draw(stories(made, nasty))


@given(nasty_stories())
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_page(story: Story):
    text = story.render()
    text.encode()  # lone surrogates would not go into a file
    verdict = "PASSED" if front(text)["status"] == "complete" else "FAILED"
    wanted = [*HEADINGS, f"Self-Check: {verdict}"]
    assert headings(text) == wanted
    assert re.findall(r"^## (.*)$", body(text), re.M) == wanted
    assert len(re.findall(r"^# ", body(text), re.M)) == 1
    assert re.findall(r"^(?:---|===)", body(text), re.M) == []


@given(nasty_stories())
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_frontmatter(story: Story):
    text = story.render()
    strict, ours = front(text), frontmatter.parse(text)
    assert list(strict) == list(ours)
    assert ours["execution"]["run"] == "r-7"
    assert [row["id"] for row in ours["tasks"]] == [one.id for one in story.first.tasks]
    assert [row["state"] for row in ours["tasks"]] == list(story.tracker.states.values())
