"""How long a try took: as long as an engine lived for it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.history import fold
from orchestrator.model import EventKind, TaskId
from orchestrator.views.watched import seconds
from orchestrator.views.words import lasted
from tests.build import plan, task
from tests.summary.story import Story, green, passed
from tests.summary.test_sections import INTERRUPTED


def test_a_pause_after_the_death_of_an_engine_is_nobodys_work():
    story = Story(plan(task(1, commands=("a",))))
    story.start(1, 0)
    story.tell(EventKind.WORKER_REPORTED, 5, {"session": "s"}, 1, 1)
    story.resume(1000)
    story.finish(1, 1000, INTERRUPTED)
    story.work(1, 1001, 1011, passed(green("a")))
    tried = fold(story.events).of(TaskId("p/1")).tried
    assert [seconds(one) for one in tried] == [5.0, 10.0]
    assert [lasted(one) for one in tried] == ["at least 5.0s", "10.0s"]
    first = tried[0]
    held = replace(first, held_at=first.died_at)  # it only waited for a person
    assert lasted(held) == "5.0s"
