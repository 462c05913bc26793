"""What people do over HTTP reaches the run, or is refused with the reason; and what only the daemon can do, it is asked."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrator import inbox
from orchestrator.model import EventKind
from orchestrator.views.house import Cancel, Enqueue, Resume, Trust, Waiting
from tests.engine.runs import checkpoint, resume, run, write_plan
from tests.web.conftest import Scene
from tests.web.houses import DIGEST, House, Reply, served, task, writer

ONE, TWO, THREE = map(task, ("demo/1", "demo/2", "demo/3"))


def answer(scene: Scene, name: str, **body: object) -> Reply:
    return scene.served.ask("POST", f"/api/runs/{scene.run}/tasks/{name}/answer", body)


def test_an_answer_is_taken_by_the_run_and_counts_once(fresh: Scene):
    told = answer(fresh, TWO, approved=True, note="looks <good>")
    assert told.status == 200, told.body
    assert f"/api/runs/{fresh.run}/resume" in told.json["next"]
    ((_, letter),) = inbox.look(fresh.ran.root)
    assert letter.answer
    assert (letter.answer.approved, letter.answer.via) == (True, "dashboard")
    again = answer(fresh, TWO, approved=False)
    assert again.status == 409
    assert "first answer counts" in again.json["error"]
    anyio.run(lambda: resume(fresh.ran.root))
    shown = fresh.served.get(f"/api/runs/{fresh.run}/tasks/{TWO}")["task"]
    assert (shown["state"], shown["answer"]["note"]) == ("succeeded", "looks <good>")
    late = answer(fresh, TWO, approved=True)
    assert late.status == 409
    assert "was approved" in late.json["error"]


def test_an_answer_to_what_asks_nothing_is_refused(fresh: Scene):
    assert answer(fresh, ONE, approved=True).status == 409
    assert answer(fresh, "demo%2F9", approved=True).status == 404
    assert answer(fresh, TWO, approved=True, option="x").status == 422
    assert inbox.look(fresh.ran.root) == []


def test_a_choice_needs_one_of_its_options(tmp_path: Path, own_ledger: Path):
    options = '<options><option id="jwt"><name>JWT</name></option></options>'
    ran = anyio.run(run, tmp_path, write_plan(tmp_path, checkpoint("decision", options)))
    with served(House(tmp_path)) as one:
        scene = Scene(ran, one)
        assert answer(scene, ONE, approved=True).status == 422
        assert answer(scene, ONE, approved=True, option="oauth").status == 422
        assert answer(scene, ONE, approved=True, option="jwt").status == 200


def test_a_failed_task_is_tried_again_and_no_other(fresh: Scene):
    def retry(name: str) -> Reply:
        return fresh.served.ask("POST", f"/api/runs/{fresh.run}/tasks/{name}/retry", {})

    assert retry(ONE).status == 409
    assert retry(TWO).status == 409
    assert retry(THREE).status == 200
    before = fresh.ran.count(EventKind.ATTEMPT_STARTED, "demo/3")
    anyio.run(lambda: resume(fresh.ran.root))
    assert fresh.ran.count(EventKind.ATTEMPT_STARTED, "demo/3") > before


def test_the_daemon_is_asked_for_what_only_it_can_do(fresh: Scene):
    def post(address: str, **body: object) -> int:
        return fresh.served.ask("POST", address, body).status

    run_ = f"/api/runs/{fresh.run}"
    assert post(f"{run_}/resume", budget_usd=5) == 200
    assert post(f"{run_}/resume", plan_budget_usd=2.5, plan_budget_tokens=0) == 200
    assert post(f"{run_}/cancel") == 409, "it does not go on"
    assert post("/api/plans", paths=["plans"], again=True) == 200
    assert post("/api/plans", paths=["strange.md"]) == 409
    assert post("/api/plans/trust", path="a.md", sha256=DIGEST) == 200
    assert post("/api/plans/trust", path="a.md", sha256="b" * 64) == 409
    with writer(fresh.ran.root) as book:
        book.announce([fresh.run])
        assert post(f"{run_}/cancel") == 200
        assert post(f"{run_}/resume") == 409, "it goes on"
    assert [act for act, _ in fresh.served.house.asked] == [
        Resume(run=fresh.run, budget_usd=5),
        Resume(run=fresh.run, plan_budget_usd=2.5, plan_budget_tokens=0),
        Enqueue(paths=("plans",), again=True),
        Enqueue(paths=("strange.md",)),
        Trust(path="a.md", sha256=DIGEST),
        Trust(path="a.md", sha256="b" * 64),
        Cancel(run=fresh.run, via="command"),
    ]


def test_who_was_shown_a_part_of_a_text_cannot_trust_all_of_it(fresh: Scene):
    """Under any of its names, and whatever else keeps it from running."""

    def post(path: str, sha256: str) -> Reply:
        return fresh.served.ask("POST", "/api/plans/trust", {"path": path, "sha256": sha256})

    house = fresh.served.house
    long = Waiting(path="plans/a.md", sha256=DIGEST, state="untrusted", why="", since="", diff="+x", is_whole=False)  # fmt: skip
    house.plans = (long,)
    for path in ("plans/a.md", "plans/../plans/a.md"):
        told = post(path, DIGEST)
        assert told.status == 409
        assert f"type: orchestrator trust {path}" in told.json["error"]
    house.plans = (long.model_copy(update={"state": "later"}),)
    assert post("plans/a.md", DIGEST).status == 409
    assert house.asked == []
    house.plans = (long.model_copy(update={"state": "unapproved"}),)  # it is trusted; it costs
    assert post("plans/a.md", DIGEST).status == 200
    house.plans = (long.model_copy(update={"is_whole": True}),)
    assert post("plans/a.md", DIGEST).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/plans/trust", {"path": "a.md", "sha256": "A" * 64}),
        ("/api/plans/trust", {"path": "", "sha256": DIGEST}),
        ("/api/plans", {"paths": []}),
        ("/api/plans", {"paths": "plans"}),
        ("/api/runs/{run}/resume", {"budget_usd": -1}),
        ("/api/runs/{run}/resume", {"budget_usd": "5"}),
        ("/api/runs/{run}/resume", {"plan_budget_tokens": 1.5}),
        ("/api/runs/{run}/cancel", {"now": True}),
    ],
)
def test_words_that_are_none_never_reach_it(path: str, body: dict[str, object], fresh: Scene):
    assert fresh.served.ask("POST", path.format(run=fresh.run), body).status == 422
    assert fresh.served.house.asked == []
