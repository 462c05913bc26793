"""Time that is spent waiting for a person: no part of what a try, a task, a plan or a run took, live or read back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import EventKind, Failure
from orchestrator.order import Order
from orchestrator.views import waiting
from orchestrator.views.watched import Watched, seconds
from tests.build import plan, task
from tests.summary.story import BEGAN, Story, failed, front, passed

FILES = {"files": [".github/workflows/ci.yml"]}


def held(at: float = 6.0) -> Story:
    """A try that was green after some seconds, and changed what steers others."""
    story = Story(plan(task(1)))
    story.start(1, 0)
    story.tell(EventKind.HELD, at, FILES, 1, 1)
    return story


def seen(story: Story) -> Watched:
    watched = Watched(story.graph, Order())
    for event in story.events:
        watched.apply(event)
    return watched


def test_work_that_waits_for_a_person_takes_no_time_while_it_does():
    watched, later = seen(held()), BEGAN + timedelta(seconds=60)
    (tried,) = watched.of(watched.topological[0]).tried
    assert tried.is_held
    assert (seconds(tried), seconds(tried, later), watched.elapsed_s(later)) == (6, 6, 6)
    assert waiting.alone_until(watched) == "waits for a person"


@pytest.mark.parametrize("approved", [True, False])
def test_what_it_waited_is_taken_from_try_task_plan_and_run(approved: bool):
    story = held()
    story.answer(1, 65, approved=approved, by="anna", via="command")
    assert not seen(story).of(story.id(1)).tried[0].is_held
    story.finish(1, 67, passed() if approved else failed(Failure.REJECTED))
    story.end(68, 0 if approved else 1)
    watched = seen(story)
    assert seconds(watched.of(story.id(1)).tried[0]) == 8
    assert watched.worked_s == watched.elapsed_s(BEGAN + timedelta(seconds=68)) == 9
    head = front(story.render())
    assert (head["tasks"][0]["duration_s"], head["duration"]) == (8, "8s")
    assert head["execution"]["max_parallel"] == 1


def test_a_question_takes_no_time_but_where_something_else_runs():
    story = Story(
        plan(task(1, type="checkpoint:human-verify"), task(2), task(3, depends_on=("1",)))
    )
    story.ask(1, 0)
    story.work(2, 10, 30, passed())
    assert seen(story).worked_s == 20
    story.answer(1, 100, approved=True, by="anna", via="command")
    story.work(3, 100, 101, passed())
    assert seen(story).worked_s == 21
    assert front(story.render())["duration"] == "21s"


def test_an_engine_that_ends_and_comes_back_is_counted_once():
    story = held()
    story.end(7, 5)
    story.resume(100)
    assert seen(story).worked_s == 6
    story.answer(1, 110, approved=True, by="anna", via="command")
    story.finish(1, 111, passed())
    assert seen(story).worked_s == 7


@given(st.lists(st.floats(0.001, 1e4), min_size=3, max_size=3))
def test_work_and_waiting_are_all_of_the_time(gaps: list[float]):
    worked, waited, landed = (round(one, 3) for one in gaps)
    story = held(worked)
    story.answer(1, worked + waited, approved=True, by="anna", via="command")
    story.finish(1, worked + waited + landed, passed())
    told = seen(story)
    assert told.worked_s == pytest.approx(worked + landed, abs=0.01)
    assert seconds(told.of(story.id(1)).tried[0]) == pytest.approx(worked + landed, abs=0.01)
    assert told.history.waits.total_s == pytest.approx(waited, abs=0.01)
