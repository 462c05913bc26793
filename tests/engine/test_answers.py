"""What a clock may say to a question, and what is said to an answer that comes too late. Pure, and without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import answers
from orchestrator.history import Expiry, fold
from orchestrator.model import (
    Answer,
    Event,
    EventKind,
    Gate,
    Option,
    Position,
    RunId,
    Task,
    TaskId,
)

AT = "2026-11-28T10:00:00.000Z"
ID = TaskId("p/1")
TYPES = st.sampled_from(
    ["human-verify", "decision", "human-action", "tdd-review", "somebody-elses"]
)


def question(kind: str, gate: Gate | None, *, options: bool = False) -> Task:
    choices = (Option(id="a", name="A"), Option(id="b", name="B")) if options else ()
    return Task(
        id=ID,
        ordinal=1,
        position=Position(line=1, column=1),
        type=f"checkpoint:{kind}",
        gate=gate or Gate.BLOCKING,
        options=choices,
    )


@given(
    kind=TYPES,
    gate=st.sampled_from(Gate),
    options=st.booleans(),
    policy=st.sampled_from(["reject", "pass-advisory"]),
)
def test_a_clock_passes_an_advisory_gate_that_asks_for_nothing_and_only_if_so_settled(
    kind: str, gate: Gate, options: bool, policy: str
):
    said = answers.expired(question(kind, gate, options=options), Expiry(0.0, 7200.0, policy))
    passes = policy == "pass-advisory" and gate is Gate.ADVISORY
    assert said.approved is (passes and kind != "human-action" and not options)
    assert said.option is None
    assert "nobody answered within 2h" in said.note
    assert not said.is_of_a_person


def asked(at: str = AT, **data: object) -> Event:
    return Event(seq=1, run=RunId("r"), at=at, kind=EventKind.CHECKPOINT_ASKED, task=ID, data=data)


def test_a_question_is_too_old_by_the_moment_when_it_was_asked_and_as_it_was_settled_then():
    expiry = fold([asked(expire_s=3600.0, on_expiry="reject")]).of(ID).expiry
    assert expiry == Expiry(1795860000.0 + 3600.0, 3600.0, "reject")


@pytest.mark.parametrize("data", [{}, {"expire_s": 0, "on_expiry": "reject"}])
def test_without_a_limit_it_waits_for_ever(data: dict[str, object]):
    assert fold([asked(**data)]).of(ID).expiry is None


def test_what_is_asked_anew_has_no_answer_yet():
    """Also work that is held a second time: what was approved was something else."""
    said = Answer(approved=True, by="ann").model_dump(mode="json")
    given_ = Event(
        seq=2,
        run=RunId("r"),
        at=AT,
        kind=EventKind.CHECKPOINT_ANSWERED,
        task=ID,
        data={"answer": said},
    )
    assert fold([asked(), given_]).of(ID).answer == Answer(approved=True, by="ann")
    assert fold([asked(), given_, asked()]).of(ID).answer is None


def test_a_person_may_be_called_as_no_person_is():
    assert Answer(approved=True, by="expiry", via="command").is_of_a_person
    assert not Answer(approved=True, by="--yes").is_of_a_person
