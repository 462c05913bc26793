"""review="opus": a second worker judges what the checks let pass; its word is needed, its cost counts, its trouble is nobody's fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import estimates, ledger
from orchestrator.cli import explaining, past
from orchestrator.engine.review import is_approved
from orchestrator.model import (
    Attempt,
    EventKind,
    Failure,
    Outcome,
    TaskId,
    Tier,
    Usage,
    Verified,
)
from orchestrator.model.learned import OF_THE_MODEL
from orchestrator.settings import ledger_folder
from orchestrator.views import documents
from orchestrator.workers import Report
from tests.engine.runs import Ran, TieredAgent, run, summary, write_plan

COST = Usage(input_tokens=1000, output_tokens=10, cost_usd=0.25, cost_basis="reported", requests=1)


def task(check: str = "", review: str = "opus") -> str:
    verify = (
        f"<verify><automated>{check}</automated></verify>"
        if check
        else "<verify>It reads well.</verify>"
    )
    return (
        f'<task type="auto" review="{review}"><name>Task 1: write</name><files>a.txt</files><action>Write it.</action>'
        f"{verify}<done>a.txt says hello</done></task>\n"
    )


class Reviewed(TieredAgent):
    """Works by its script; as a reviewer it answers with the words given, one after the other."""

    def __init__(self, script: str, *answers: Outcome | str) -> None:
        super().__init__(script)
        self.answers, self.seen = list(answers), list[Attempt]()

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        if not attempt.name.startswith("review: "):
            return await super().run(attempt, report)
        self.seen.append(attempt)
        answer = self.answers.pop(0)
        return (
            answer
            if isinstance(answer, Outcome)
            else Outcome(text=answer, usage=COST, model="opus-9")
        )


async def reviewed(
    root: Path, check: str, *answers: Outcome | str, script: str = "echo hello > a.txt"
) -> tuple[Ran, Reviewed]:
    agent = Reviewed(script, *answers)
    return await run(root, write_plan(root, task(check)), workers={"agent": agent}), agent


async def test_prose_that_a_reviewer_accepts_is_verified_by_review(tmp_path: Path):
    ran, agent = await reviewed(tmp_path, "", "All there.\nVERDICT: PASS")
    (tried,) = ran.history.of("demo/1").tried
    assert (ran.code, tried.outcome.verdict.verified, tried.outcome.verdict.strength) == (
        0,
        Verified.REVIEW,
        0.5,
    )
    (asked,) = agent.seen
    assert (asked.route.tier, asked.session) == (Tier.OPUS, None)
    assert "a.txt says hello" in asked.prompt
    assert Path(asked.transcript).name.endswith(".review.log")


async def test_what_it_does_not_accept_is_a_failed_try_and_the_next_is_told_why(tmp_path: Path):
    ran, _ = await reviewed(
        tmp_path, "test -s a.txt", "a.txt:1 says nothing.\nVERDICT: FAIL", "VERDICT: PASS"
    )
    first, second = ran.history.of("demo/1").tried
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.VERIFY, None])
    assert "a.txt:1 says nothing." in first.outcome.detail
    started = [e for e in ran.events if e.kind is EventKind.ATTEMPT_STARTED]
    assert "a.txt:1 says nothing." in started[1].data["prompt"]
    assert second.outcome.verdict.verified is Verified.COMMAND


async def test_its_cost_is_the_tries_own_everywhere(tmp_path: Path):
    ran, _ = await reviewed(tmp_path, "test -s a.txt", "no.\nVERDICT: FAIL", "VERDICT: PASS")
    tried = ran.history.of("demo/1").tried
    worked = [
        e.data["outcome"]["usage"]["cost_usd"]
        for e in ran.events
        if e.kind is EventKind.WORKER_FINISHED
    ]
    assert [one.outcome.usage.cost_usd for one in tried] == [cost + 0.25 for cost in worked]
    lines = ledger.read(ledger_folder()).entries
    assert sum(line.cost_usd for line in lines) == pytest.approx(sum(worked) + 0.5)


async def test_a_red_check_is_not_reviewed(tmp_path: Path):
    ran, agent = await reviewed(tmp_path, "test -s missing.txt")
    assert (ran.code, agent.seen) == (1, [])


async def test_trouble_of_the_reviewers_provider_spends_no_try(tmp_path: Path):
    limited = Outcome(
        failure=Failure.RATE_LIMIT, detail="slow down", retry_after_s=0.05, usage=COST
    )
    ran, _ = await reviewed(tmp_path, "test -s a.txt", limited, "VERDICT: PASS")
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.RATE_LIMIT, None])


async def test_who_says_nothing_has_not_approved(tmp_path: Path):
    ran, _ = await reviewed(tmp_path, "", *["looks fine to me"] * 9)
    assert ran.code == 1


class Elsewhere(Reviewed):
    """Its strong model is another provider's."""

    def provider(self, model: str | None) -> str | None:
        return "strict" if model == "opus-9" else "somebody"


async def test_a_limit_closes_the_gate_of_the_reviewer_and_nothing_starts_that_it_would_meet(
    tmp_path: Path,
):
    """The work is not done again and again to meet the same closed door; who needs no reviewer goes on."""
    limited = Outcome(failure=Failure.RATE_LIMIT, detail="slow", retry_after_s=0.6, usage=COST)
    agent = Elsewhere("echo hello > a.txt", limited, "VERDICT: PASS")
    ran = await run(tmp_path, write_plan(tmp_path, task("test -s a.txt")), workers={"agent": agent})
    (closed,) = [e.data for e in ran.events if e.kind is EventKind.GATE_CLOSED]
    assert (closed["gate"], ran.code) == ("strict", 0)
    kinds = [e.kind for e in ran.events]
    opened, starts = (
        kinds.index(EventKind.GATE_OPENED),
        [n for n, kind in enumerate(kinds) if kind is EventKind.ATTEMPT_STARTED],
    )
    assert len(starts) == 2
    assert starts[1] > opened


async def test_trouble_of_its_program_says_nothing_of_the_work(tmp_path: Path):
    """And the model that did the work is not blamed in the ledger."""
    slow = Outcome(failure=Failure.TIMEOUT, detail="too slow", usage=COST)
    ran, _ = await reviewed(tmp_path, "test -s a.txt", slow, "VERDICT: PASS")
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.INCONCLUSIVE, None])
    assert ledger.read(ledger_folder()).entries[0].failure not in OF_THE_MODEL


async def test_a_reviewer_that_raises_ends_no_run_and_what_it_used_is_not_called_known(
    tmp_path: Path,
):
    class Broken(Reviewed):
        async def run(self, attempt: Attempt, report: Report) -> Outcome:
            if attempt.name.startswith("review: "):
                raise ValueError("no such key")
            return await super().run(attempt, report)

    plan = write_plan(tmp_path, task("test -s a.txt"))
    ran = await run(tmp_path, plan, workers={"agent": Broken("echo hello > a.txt")})
    tried = ran.history.of("demo/1").tried
    assert ran.code == 1
    assert all(one.outcome.failure is Failure.INCONCLUSIVE for one in tried)
    assert "please report this" in tried[0].outcome.detail
    assert tried[0].outcome.usage.lower_bound


async def test_a_reviewer_that_changes_the_work_in_the_plain_directory_has_not_approved(
    tmp_path: Path,
):
    class Meddler(Reviewed):
        async def run(self, attempt: Attempt, report: Report) -> Outcome:
            if attempt.name.startswith("review: ") and len(self.seen) == 0:
                (tmp_path / "a.txt").write_text("better, I think")
            return await super().run(attempt, report)

    agent = Meddler("echo hello > a.txt", "VERDICT: PASS", "VERDICT: PASS")
    plan = write_plan(tmp_path, task("test -s a.txt"))
    ran = await run(tmp_path, plan, workers={"agent": agent})
    first, _ = ran.history.of("demo/1").tried
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.VERIFY, None])
    assert "Its reviewer changed a.txt" in first.outcome.detail
    assert first.outcome.review.touched == ("a.txt",)


async def test_it_gets_what_the_work_has_left_of_the_attempts_money(tmp_path: Path):
    """Both together stay within what was set aside for the attempt."""
    agent = Reviewed("echo hello > a.txt", "VERDICT: PASS")
    plan = write_plan(tmp_path, task("test -s a.txt"))
    ran = await run(tmp_path, plan, workers={"agent": agent}, budget_usd=3.0)
    (tried,), (asked,) = ran.history.of("demo/1").tried, agent.seen
    assert tried.reserve.max_usd is not None
    assert asked.max_usd == pytest.approx(tried.reserve.max_usd - 0.05)


async def test_s1_14_its_part_of_the_cost_is_told_apart_in_the_ledger_and_not_learned(
    tmp_path: Path,
):
    await reviewed(tmp_path, "test -s a.txt", "VERDICT: PASS")
    (line,) = ledger.read(ledger_folder()).entries
    assert (line.cost_usd, line.own_cost_usd) == (pytest.approx(0.30), pytest.approx(0.05))
    assert (line.review.model, line.review.approved, line.review.tokens_total) == (
        "opus-9",
        True,
        1010,
    )
    (sample,) = ledger.Samples(ledger_folder(), "2020-01-01T00:00:00Z")
    assert sample.cost_usd == pytest.approx(0.05)
    used = estimates.used(line)
    assert (used.cost_usd, used.work, used.tokens) == (pytest.approx(0.05), 110, 110)


async def test_s1_14_summary_and_json_say_who_reviewed_what_it_said_and_what_it_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    await reviewed(tmp_path, "", "It says hello.\nVERDICT: PASS")
    text = summary(tmp_path / "plans" / "demo-PLAN.md")
    assert "accepted by a reviewer (opus-9, $0.25)" in text
    assert "It says hello." in text
    found = past.reopen(tmp_path, None)
    explaining.explain(found, found.task("demo/1"))
    told = " ".join(capsys.readouterr().out.split())
    assert "review accepted by opus-9, 1010 tokens, $0.25 of its cost It says hello." in told
    review = documents.task_document(found.watched, TaskId("demo/1"))["review"]
    assert review == {
        "approved": True,
        "worker": "agent",
        "model": "opus-9",
        "text": "It says hello.\nVERDICT: PASS",
        "tokens": 1010,
        "cost_usd": 0.25,
    }


@pytest.mark.parametrize(
    ("text", "approved"),
    [
        ("VERDICT: PASS", True),
        ("fine\n**VERDICT: PASS**\n", True),
        ("verdict: pass", True),
        ("The file says VERDICT: PASS, which is wrong.", False),
        ("VERDICT: PASS\non second thought\nVERDICT: FAIL", False),
        ("VERDICT: FAIL", False),
        ("VERDICT: PASSABLE", False),
        ("", False),
    ],
)
def test_only_its_last_verdict_counts(text: str, approved: bool):
    assert is_approved(text) is approved
