"""The tracker under every graph hypothesis can think of, finishing in any order, with any failures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.graph import TaskGraph, build
from orchestrator.model import (
    Answer,
    Event,
    EventKind,
    Failure,
    Outcome,
    Plan,
    Route,
    RunId,
    Task,
    TaskId,
    TaskState,
    Tier,
)
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.tracker import Tracker
from tests.build import plan, task

SCRIPT = Route(worker="shell", confidence=1.0, reason="script")
LADDER = tuple(
    Route(worker="agent", tier=tier, confidence=0.6, reason="")
    for tier in (Tier.HAIKU, Tier.HAIKU, Tier.SONNET, Tier.OPUS)
)


class Driver:
    """Applies events as the engine would, without an engine."""

    def __init__(
        self, graph: TaskGraph, ladder: tuple[Route, ...] = LADDER, **options: object
    ) -> None:
        self.graph = graph
        self.events: list[Event] = []
        self.tracker = Tracker(graph, **({"capacity": 5} | options))
        routes = [route.model_dump(mode="json") for route in ladder]
        self.say(EventKind.RUN_STARTED, ladders={t: routes for t in graph})

    def say(
        self,
        kind: EventKind,
        task: TaskId | None = None,
        attempt: int | None = None,
        **data: object,
    ):
        event = Event(
            seq=len(self.events) + 1,
            run=RunId("r"),
            at="",
            kind=kind,
            task=task,
            attempt=attempt,
            data=data,
        )
        self.events.append(event)
        self.tracker.apply(event)

    def start(self) -> list[TaskId]:
        starts = self.tracker.ready()
        for one in starts:
            self.say(EventKind.ATTEMPT_STARTED, one.task.id, one.number)
        return [one.task.id for one in starts]

    def finish(self, task: TaskId, failure: Failure | None = None):
        outcome = Outcome(failure=failure).model_dump(mode="json")
        self.say(EventKind.ATTEMPT_FINISHED, task, self.tracker.attempts(task), outcome=outcome)

    def ask(self):
        for one in self.tracker.due():
            self.say(EventKind.CHECKPOINT_ASKED, one.id)

    def answer(self, task: TaskId, approved: bool):
        answer = Answer(approved=approved).model_dump(mode="json")
        self.say(EventKind.CHECKPOINT_ANSWERED, task, answer=answer)


def graph_of(*tasks: Task) -> TaskGraph:
    built, said = build([plan(*tasks)])
    assert built is not None, said
    return built


@st.composite
def any_plan(draw: st.DrawFn) -> Plan:
    size = draw(st.integers(1, 12))
    tasks = []
    for n in range(1, size + 1):
        earlier = [str(m) for m in range(1, n)]
        some = st.sets(st.sampled_from(earlier), max_size=4) if earlier else st.just(set[str]())
        tasks.append(
            task(
                n,
                type=draw(st.sampled_from(["auto", "auto", "auto", "checkpoint:human-verify"])),
                depends_on=draw(st.none() | some.map(sorted).map(tuple)),
                parallel=draw(st.sampled_from([None, "sequential", "can-parallelize"])),
                resources=draw(st.sampled_from([(), (), ("db",)])),
                files=draw(st.sampled_from([None, (), (f"{n}",), ("shared",)])),
            )
        )
    return plan(*tasks)


failures = st.none() | st.sampled_from([f for f in Failure if REACTIONS[f] is not Reaction.STOP])


@given(any_plan(), st.integers(1, 5), st.data())
def test_every_run_ends_and_breaks_no_rule(some: Plan, capacity: int, data: st.DataObject):
    built, _ = build([some])
    assert built is not None
    driver = Driver(built, capacity=capacity)
    tracker = driver.tracker
    interruptions = steps = 0
    while not tracker.done:
        steps += 1
        assert steps < 20 * len(built.tasks) + 3 * interruptions + 5, "no end in sight"
        driver.ask()
        newly = driver.start()
        for started in newly:
            assert all(tracker.states[t] is TaskState.SUCCEEDED for t in built.before(started))
        running = tracker.running
        assert len(running) <= capacity
        assert not any(built.clash(a, b) for a in running for b in running if a != b)
        if tracker.closed:
            assert not any(gate in tracker.closed for t in newly for gate in tracker.route(t).gates)
            driver.say(EventKind.GATE_OPENED, gate="agent")
            continue
        assert running or tracker.paused
        choice = data.draw(st.sampled_from(running + tracker.paused))
        if choice in running:
            failure = data.draw(failures)
            if failure and REACTIONS[failure] is Reaction.SAME_TRY:
                interruptions += 1
                failure = failure if interruptions < 20 else None
                if failure is not Failure.INTERRUPTED and data.draw(st.booleans()):
                    driver.say(EventKind.GATE_CLOSED, gate="agent", until=1.0)
            driver.finish(choice, failure)
        else:
            driver.answer(choice, data.draw(st.booleans()))
    failed = {t for t, state in tracker.states.items() if state is TaskState.FAILED}
    behind = set().union(*(built.all_after(t) for t in failed)) if failed else set()
    assert {t for t, s in tracker.states.items() if s is TaskState.SKIPPED} == behind - failed
    assert not behind & {t for t, s in tracker.states.items() if s is TaskState.SUCCEEDED}

    again = Tracker(built, capacity=capacity)
    for event in driver.events:
        again.apply(event)
    assert again.states == tracker.states
    assert all(again.attempts(t) == tracker.attempts(t) for t in built)


def test_the_ladder_is_walked_one_retry_then_one_try_a_rung():
    driver = Driver(graph_of(task(1)))
    tiers = []
    while not driver.tracker.done:
        (start,) = driver.tracker.ready()
        tiers.append(start.route.tier)
        driver.start()
        driver.finish(start.task.id, Failure.VERIFY)
    assert tiers == [Tier.HAIKU, Tier.HAIKU, Tier.SONNET, Tier.OPUS]
    assert driver.tracker.states["p/1"] is TaskState.FAILED


def test_what_is_too_long_for_a_model_goes_to_the_next_rung_at_once():
    driver = Driver(graph_of(task(1)))
    driver.start()
    driver.finish("p/1", Failure.CONTEXT)
    assert driver.tracker.ready()[0].route.tier is Tier.SONNET


def test_an_interruption_spends_no_try():
    driver = Driver(graph_of(task(1)))
    driver.start()
    driver.finish("p/1", Failure.INTERRUPTED)
    tiers = []
    while not driver.tracker.done:
        (start,) = driver.tracker.ready()
        tiers.append((start.route.tier, start.number))
        driver.start()
        driver.finish("p/1", Failure.VERIFY)
    assert tiers == [(Tier.HAIKU, 2), (Tier.HAIKU, 3), (Tier.SONNET, 4), (Tier.OPUS, 5)]


@pytest.mark.parametrize("failure", [f for f in Failure if REACTIONS[f] is Reaction.STOP])
def test_what_an_operator_must_mend_stops_new_attempts_and_lets_others_finish(failure: Failure):
    driver = Driver(graph_of(task(1), task(2), task(3)), capacity=2)
    first, second = driver.start()
    driver.finish(first, failure)
    assert driver.start() == []
    assert not driver.tracker.done
    driver.finish(second)
    assert driver.tracker.done
    assert driver.tracker.states["p/3"] is TaskState.WAITING


def test_fail_fast_starts_nothing_after_a_failure():
    driver = Driver(graph_of(task(1), task(2)), (SCRIPT,), capacity=1, fail_fast=True)
    (first,) = driver.start()
    driver.finish(first, Failure.EXIT)
    assert driver.tracker.done
    assert driver.tracker.states["p/2"] is TaskState.WAITING


def test_a_retry_waits_again_with_all_that_was_skipped_for_it_alone():
    driver = Driver(
        graph_of(task(1), task(2), task(3, depends_on=("1",)), task(4, depends_on=("1", "2"))),
        (SCRIPT,),
    )
    driver.start()
    driver.finish("p/1", Failure.EXIT)
    driver.finish("p/2", Failure.EXIT)
    driver.say(EventKind.RETRY_ASKED, TaskId("p/1"))
    assert driver.tracker.states == {
        "p/1": TaskState.WAITING,
        "p/2": TaskState.FAILED,
        "p/3": TaskState.WAITING,
        "p/4": TaskState.SKIPPED,
    }


def test_only_people_can_go_on_when_nothing_else_is_left():
    gate = task(2, type="checkpoint:human-verify", depends_on=("1",))
    driver = Driver(graph_of(task(1), gate, task(3, depends_on=("2",))), (SCRIPT,))
    driver.start()
    assert not driver.tracker.blocked
    driver.finish("p/1")
    driver.ask()
    assert driver.tracker.blocked
    driver.answer("p/2", True)
    assert driver.start() == ["p/3"]


def test_the_longest_remaining_path_goes_first():
    driver = Driver(graph_of(task(1), task(2), task(3, depends_on=("2",))), capacity=1)
    assert driver.start() == ["p/2"]


def test_a_move_that_the_table_does_not_list_is_our_bug():
    driver = Driver(graph_of(task(1)))
    with pytest.raises(AssertionError, match="cannot become"):
        driver.finish("p/1")


def test_every_failure_has_its_reaction():
    assert set(REACTIONS) == set(Failure)


def routed(*providers: str) -> Driver:
    """A task for each, all free to start, each with one route at its provider."""
    names = enumerate(providers, 1)
    driver = Driver(graph_of(*(task(n, depends_on=(), files=(f"{n}",)) for n, _ in names)))
    ladders = {
        t: [LADDER[0].model_copy(update={"provider": name}).model_dump(mode="json")]
        for t, name in zip(driver.graph, providers, strict=True)
    }
    driver.say(EventKind.RUN_RESUMED, ladders=ladders)
    return driver


def test_nothing_starts_behind_a_closed_gate_and_everything_else_does():
    driver = routed("one", "two", "one")
    first, second, third = driver.graph
    driver.say(EventKind.GATE_CLOSED, gate="one", until=9.0)
    assert driver.start() == [second]
    assert driver.tracker.parked == [first, third]
    assert not driver.tracker.blocked
    driver.finish(second)
    assert driver.start() == []
    driver.say(EventKind.GATE_OPENED, gate="one")
    assert driver.start() == [first, third]


def test_a_gate_of_a_tier_holds_that_tier_only():
    driver = routed("one", "two")
    driver.say(EventKind.GATE_CLOSED, gate="one/opus", until=9.0)
    assert driver.tracker.parked == []
    driver.say(EventKind.GATE_CLOSED, gate="one/haiku", until=9.0)
    assert driver.tracker.parked == [next(iter(driver.graph))]


def test_a_gate_is_closed_until_the_latest_that_was_said():
    driver = routed("one")
    for until in (5.0, 9.0, 7.0):
        driver.say(EventKind.GATE_CLOSED, gate="one", until=until)
    assert driver.tracker.closed == {"one": 9.0}


def test_a_task_that_is_rerouted_goes_on_with_the_other_worker_on_its_rung():
    driver = routed("one")
    (first,) = driver.graph
    driver.say(EventKind.GATE_CLOSED, gate="one", until=9.0)
    other = [r.model_copy(update={"worker": "other"}).model_dump(mode="json") for r in LADDER]
    driver.say(EventKind.REROUTED, first, ladder=other)
    assert driver.tracker.route(first).worker == "other"
    assert driver.start() == [first]
