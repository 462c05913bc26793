"""Runs that wait, for people and for quotas, are killed with -9 and go on; meanwhile the other arm finishes. Clocks jump."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.model import EventKind, TaskState
from tests.whole.waiting import HOUR, Place, bash, limited, question, wait_until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=["git", "directory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, git=request.param == "git")


@pytest.fixture
def plain(tmp_path: Path) -> Place:
    """For what does not ask where tasks work."""
    return Place(tmp_path, git=False)


def test_a_quota_survives_kill_9_and_the_other_arm_finishes_while_it_is_closed(place: Place):
    """Arm B is in the middle when the engine is killed; it ends under the next one, and nobody asks the provider."""
    place.plan(
        bash("First", "first", place.out, ""),
        limited("1"),
        bash("Arm B", "arm", place.out, "1", until="go"),
        bash("Join", "join", place.out, "2,3"),
    )
    with place.engine("run", "demo-PLAN.md") as engine:
        wait_until(lambda: place.count(EventKind.ATTEMPT_FINISHED, "demo/2") == 1)  # and not in it
        engine.kill()
    shown = place.told("show")
    assert "anthropic is closed (quota), opens in " in shown
    assert "1 task behind it" in shown
    assert "waiting: anthropic is closed until " in place.told("explain", place.run, "2")
    with place.engine("resume") as engine:
        wait_until(lambda: place.count(EventKind.RUN_RESUMED) == 1)
        (place.out / "go").touch()
        wait_until(lambda: place.states()["3"] == TaskState.SUCCEEDED)
        assert place.states()["2"] == TaskState.WAITING
        assert place.calls() == 1
        place.set_ahead(HOUR - 300)  # the machine sleeps, and wakes up too early
        wait_until(
            lambda: "opens in 4m" in place.told("show") or "opens in 5m" in place.told("show")
        )
        assert place.calls() == 1
        place.set_ahead(HOUR + 60)
        told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0, told
    assert place.calls() == 2
    assert place.ran() == ["arm", "first", "join"]
    assert (place.root / "join").exists()
    assert (place.root / "limited.txt").exists()


@pytest.mark.parametrize("order", list(itertools.permutations("24", 2)), ids="".join)
def test_questions_survive_kill_9_and_are_answered_in_any_order(
    place: Place, order: tuple[str, str]
):
    """One answer comes while no engine runs, one while one does; each question is asked once and answered once."""
    place.plan(
        bash("First", "first", place.out, ""),
        question("Look at one", "1"),
        bash("Arm B", "arm", place.out, "1"),
        question("Look at two", "1"),
        bash("Join", "join", place.out, "2,3,4"),
    )
    with place.engine("run", "demo-PLAN.md", "--wait") as engine:
        wait_until(lambda: place.count(EventKind.CHECKPOINT_ASKED) == 2)
        wait_until(lambda: place.states()["3"] == TaskState.SUCCEEDED)
        engine.kill()
    assert "demo/2  Look at one" in place.told("show")
    early, late = order
    place.told("approve", place.run, early, "--note", "seen")
    assert (
        f"demo/{early} is answered already (approved by "
        in place.call("reject", place.run, early).stderr
    )
    assert "it counts when the run goes on" in place.told("show")
    with place.engine("resume", "--wait") as engine:
        wait_until(lambda: place.count(EventKind.CHECKPOINT_ANSWERED) == 1)
        assert f"demo/{early} was approved by " in place.call("approve", place.run, early).stderr
        place.told("approve", place.run, late)
        told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0, told
    for task in ("demo/2", "demo/4"):
        assert place.count(EventKind.CHECKPOINT_ASKED, task) == 1
        assert place.count(EventKind.CHECKPOINT_ANSWERED, task) == 1
    assert place.ran() == ["arm", "first", "join"]
    summary = (place.root / "demo-SUMMARY.md").read_text()
    assert "(by command) on 20" in summary
    assert ": seen\n" in summary


def test_a_quota_and_a_question_at_once_survive_kill_9(place: Place):
    place.plan(
        bash("First", "first", place.out, ""),
        limited("1"),
        question("Look", "1"),
        bash("Arm", "arm", place.out, "1"),
        bash("Behind the question", "behind", place.out, "3,4"),
        bash("Join", "join", place.out, "2,5"),
    )
    with place.engine("run", "demo-PLAN.md") as engine:
        wait_until(lambda: place.count(EventKind.GATE_CLOSED) == 1)
        wait_until(lambda: place.count(EventKind.CHECKPOINT_ASKED) == 1)
        wait_until(lambda: place.states()["4"] == TaskState.SUCCEEDED)
        engine.kill()
    shown = place.told("show")
    assert "anthropic is closed (quota), opens in " in shown
    assert f"answer: orchestrator approve {place.run} demo/3" in shown
    place.told("approve", place.run, "3")
    with place.engine("resume") as engine:
        wait_until(lambda: place.states()["5"] == TaskState.SUCCEEDED)
        assert place.calls() == 1
        engine.kill()
    place.set_ahead(HOUR + 60)
    place.told("resume")
    assert place.calls() == 2
    assert place.ran() == ["arm", "behind", "first", "join"]
    assert place.count(EventKind.CHECKPOINT_ASKED) == 1


def test_it_waits_for_the_quota_and_then_says_what_a_person_must_answer(plain: Place):
    plain.plan(limited(""), question("Look", ""))
    with plain.engine("run", "demo-PLAN.md") as engine:
        wait_until(lambda: plain.count(EventKind.GATE_CLOSED) == 1)
        plain.set_ahead(HOUR + 60)
        told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 5
    assert f"answer: orchestrator approve {plain.run} demo/2" in told
    assert "asked 1h 0" in told


# --- questions that grow too old -------------------------------------------------------------------


def test_a_question_expires_by_the_wall_also_over_kill_9(plain: Place):
    plain.settle("[checkpoints]\nexpire_s = 3600")
    plain.plan(question("Look", ""), bash("Behind", "behind", plain.out, "1"))
    with plain.engine("run", "demo-PLAN.md", "--wait") as engine:
        wait_until(lambda: plain.count(EventKind.CHECKPOINT_ASKED) == 1)
        told = plain.told("runs")
        assert re.search(r"waits for a person, a question expires in (59m|1h 00m)", told), told
        engine.kill()
    plain.settle("")  # what was asked keeps the limit that it was asked with
    assert "then it is rejected" in plain.told("show")
    plain.set_ahead(HOUR + 60)
    assert "a question expired" in plain.told("runs")
    assert "it is rejected when the run goes on, unless it is answered first" in plain.told("show")
    told = plain.told("resume", code=1)
    assert "expired, so rejected: nobody answered within 1h 0min (checkpoints.expire_s)" in told
    assert f"orchestrator retry {plain.run} demo/1" in told
    assert plain.ran() == []


def test_a_waiting_engine_notices_that_the_clock_has_moved_on(plain: Place):
    plain.settle('[checkpoints]\nexpire_s = 3600\non_expiry = "pass-advisory"')
    look = question("Look", "").replace(' depends-on=""', ' depends-on="" gate="advisory"')
    plain.plan(look, bash("Behind", "behind", plain.out, "1"))
    with plain.engine("run", "demo-PLAN.md", "--wait") as engine:
        wait_until(lambda: plain.count(EventKind.CHECKPOINT_ASKED) == 1)
        plain.set_ahead(HOUR + 60)
        told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0, told
    assert "approved by expiry: nobody answered within 1h 0min" in told
    assert plain.ran() == ["behind"]


# --- clocks that jump ------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-HOUR, 8 * HOUR])
def test_a_limit_is_waited_out_and_not_asked_without_a_pause_where_the_clock_was_set(
    plain: Place, ahead: int
):
    """Twice limited for two seconds: set an hour back the gate opens after two seconds all the same, and closes again."""
    (plain.out / "limits").write_text("2")
    plain.plan(limited("", "mule"))
    with plain.engine("run", "demo-PLAN.md") as engine:
        wait_until(lambda: plain.count(EventKind.GATE_CLOSED) >= 1)  # it is open in two seconds
        plain.set_ahead(ahead)
        told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0, told
    assert (plain.calls(), plain.count(EventKind.GATE_CLOSED)) == (3, 2)


def test_a_resume_by_a_clock_that_was_set_back_waits_no_longer_than_the_first_engine(plain: Place):
    plain.plan(limited("", "mule"))
    died = plain.call("run", "demo-PLAN.md", **{journal.CRASH_AT: "after:gate_closed"})
    assert died.returncode == -9, died.stderr
    plain.set_ahead(-HOUR)
    assert "mules is closed (rate-limit), opens in 2." in plain.told("show")
    plain.told("resume")
    assert plain.calls() == 2
