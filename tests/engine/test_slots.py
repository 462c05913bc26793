"""Slots that runs share: whatever they do and in whatever order, all slots are used, and nobody is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.slots import PATIENCE, Slots
from orchestrator.model import RunId


@dataclass
class Run:
    """A hub in small: it asks while it has something, and again only when it is woken."""

    id: RunId
    slots: Slots
    ready: int
    most: int = 99
    gated: bool = False  # its budget lets nothing start, though something is ready
    running: list[int] = field(default_factory=list)
    woken: bool = True
    began: int = 0

    def wake(self) -> None:
        self.woken = True

    def turn(self) -> None:
        self.woken = False
        while self._may():
            self.ready -= 1
            self.began += 1
            self.running.append(self.began)

    def _may(self) -> bool:
        """As `Hub._next` does."""
        can = self.ready > 0 and len(self.running) < self.most
        if can and not self.slots.may_start(self.id):
            return False
        if not can or self.gated:
            self.slots.rest(self.id)
            return False
        return True

    def end_one(self) -> None:
        self.running.pop()
        self.woken = True  # its own mail
        self.slots.freed()


def entered(slots: Slots, number: int, ready: int, priority: int = 0, **more: object) -> Run:
    run = Run(RunId(f"r{number}"), slots, ready, **more)  # type: ignore[arg-type]
    slots.enter(run.id, lambda: run.running, run.wake, priority)
    return run


def settle(runs: list[Run], dice: Random) -> None:
    """Until nobody is awake; that must come to an end."""
    for _ in range(10_000):
        awake = [run for run in runs if run.woken]
        if not awake:
            return
        dice.choice(awake).turn()
    pytest.fail("they wake each other for ever")


SHAPES = st.lists(
    st.tuples(
        st.integers(0, 6), st.integers(-1, 1), st.integers(1, 4), st.sampled_from((False, True))
    ),
    min_size=1,
    max_size=6,
)


@given(SHAPES, st.integers(1, 5), st.integers(0, 2**32))
def test_no_slot_is_empty_while_somebody_could_use_it_and_none_is_used_twice(
    shapes: list[tuple[int, int, int, bool]], limit: int, seed: int
):
    dice, slots = Random(seed), Slots(limit)
    runs = [
        entered(slots, number, ready, priority, most=most, gated=gated)
        for number, (ready, priority, most, gated) in enumerate(shapes)
    ]
    for _ in range(200):
        settle(runs, dice)
        busy = [run for run in runs if run.running]
        assert sum(len(run.running) for run in busy) <= limit
        asleep = [r for r in runs if r.ready and not r.gated and len(r.running) < r.most]
        assert not asleep or slots.free < 1, asleep
        if not busy:
            break
        dice.choice(busy).end_one()
        if dice.random() < 0.1:
            going = dice.choice(runs)
            runs.remove(going)
            slots.leave(going.id)
            if not runs:
                break
    assert all(run.gated or not run.ready for run in runs)


@given(st.integers(2, 4), st.integers(1, 3), st.integers(0, 2**32))
def test_of_equal_priority_nobody_has_two_more_than_one_who_waits(many: int, share: int, seed: int):
    """After the first are over; who was alone had all of them before."""
    dice, slots = Random(seed), Slots(many * share)
    runs = [entered(slots, 0, ready=500)]
    settle(runs, dice)
    assert len(runs[0].running) == many * share
    runs += [entered(slots, number, ready=500) for number in range(1, many)]
    for _ in range(many * share * many):
        settle(runs, dice)
        max(runs, key=lambda run: len(run.running)).end_one()
        settle(runs, dice)
    assert [len(run.running) for run in runs] == [share] * many
    for _ in range(100):
        dice.choice([run for run in runs if run.running]).end_one()
        settle(runs, dice)
        counts = [len(run.running) for run in runs]
        assert max(counts) - min(counts) <= 1, counts


def test_who_is_more_urgent_goes_first_whoever_came_first():
    slots = Slots(1)
    usual, urgent = entered(slots, 0, ready=3), entered(slots, 1, ready=2, priority=1)
    dice = Random(1)
    usual.turn()
    urgent.turn()
    assert (len(usual.running), len(urgent.running)) == (1, 0)
    for expected in ((0, 1), (0, 1), (1, 0), (1, 0)):
        next(run for run in (usual, urgent) if run.running).end_one()
        settle([usual, urgent], dice)
        assert (len(usual.running), len(urgent.running)) == expected


def test_what_one_cannot_use_goes_to_the_next():
    """It was let start, and its budget said no."""
    slots = Slots(1)
    first = entered(slots, 0, ready=1)
    gated, other = entered(slots, 1, ready=1, gated=True), entered(slots, 2, ready=1)
    for run in (first, gated, other):
        run.turn()
    first.end_one()
    assert (gated.woken, other.woken) == (True, False)
    gated.turn()
    assert other.woken


def test_a_run_that_leaves_gives_its_slots_to_who_waits():
    slots = Slots(1)
    first, second = entered(slots, 0, ready=1), entered(slots, 1, ready=1)
    first.turn()
    second.turn()
    assert not second.woken
    first.running.clear()
    slots.leave(first.id)
    assert second.woken


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32))
def test_who_is_less_urgent_waits_long_and_not_for_ever(limit: int, steps: int, seed: int):
    slots, dice = Slots(limit), Random(seed)
    urgent = entered(slots, 0, ready=500, priority=steps)
    settle([urgent], dice)
    low = entered(slots, 1, ready=3)
    settle([low], dice)
    before = urgent.began
    while not low.began:
        assert urgent.began - before <= (steps + 1) * PATIENCE
        urgent.end_one()
        settle([urgent, low], dice)
    assert urgent.began - before >= steps * PATIENCE  # it is less urgent all the same
    low.end_one()
    settle([urgent, low], dice)
    assert not low.running  # and waits anew
