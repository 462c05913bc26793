"""Whole runs over escalations, reviews, budget stops and dead engines: what was booked is what was billed, or is marked as less."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.agents import clients
from tests.agents.steps import Step, Used, WaitFor, fail, say, shell, wait_for, write
from tests.whole.billing import (
    CLASSES,
    HAIKU,
    OPUS,
    PLAN,
    SONNET,
    Bench,
    Script,
    bench_of,
    booked,
    reconcile,
    total,
    used,
)

pytestmark = pytest.mark.timeout(180)  # each run is a whole program
Open = Callable[[Sequence[Step] | Script], AbstractContextManager[Bench]]
API_GIT, API_DIRECTORY, CLAUDE_GIT = ("api", True), ("api", False), ("claude", True)
NAMES = {API_GIT: "api-git", API_DIRECTORY: "api-directory", CLAUDE_GIT: "claude-git"}


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Open:
    """By worker and place; where nobody says, our own agent in git."""
    worker, in_git = getattr(request, "param", API_GIT)
    if worker == "claude":
        clients.needs("claude")
    elif find_spec("pydantic_ai") is None:
        pytest.skip("the extra [api] is not installed")

    @contextmanager
    def open_bench(script: Sequence[Step] | Script) -> Iterator[Bench]:
        with bench_of(tmp_path, worker, script, in_git=in_git) as bench:
            yield bench

    return open_bench


def by(*kinds: tuple[str, bool]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "opened", kinds, indirect=True, ids=[NAMES[one] for one in kinds]
    )


# --- escalations ----------------------------------------------------------------------------------

ESCALATION = [
    write("1.txt", "bye", usage=used(1)),
    say("done", usage=used(2)),
    shell("echo good evening > 1.txt", usage=used(3)),
    say("done, again", usage=used(4)),
    shell("echo hello > 1.txt", usage=used(5)),
    say("mended", usage=used(6)),
]


@by(API_GIT, API_DIRECTORY, CLAUDE_GIT)
def test_an_escalation_is_booked_as_it_was_billed(opened: Open):
    with opened(ESCALATION) as bench:
        check = "grep hello 1.txt || { cat 1.txt; exit 1; }"
        bench.write(bench.task(check=check))
        bench.run("run", PLAN)
        assert bench.asked == [HAIKU, HAIKU, HAIKU, HAIKU, SONNET, SONNET]
        assert [one.route.tier for one in bench.entries] == ["haiku", "haiku", "sonnet"]
        assert "good evening" in bench.server.requests[4].prompt
        reconcile(bench)


# --- reviews --------------------------------------------------------------------------------------


REVIEW = [
    write("1.txt", "hello", usage=used(1)),
    say("done", usage=used(2)),
    say("It does not say to whom.\nVERDICT: FAIL", usage=used(3)),
    shell("echo hello world > 1.txt", usage=used(4)),
    say("mended", usage=used(5)),
    say("Good.\nVERDICT: PASS", usage=used(6)),
]
REVIEWED = 'model="haiku" review="opus"'


@by(API_DIRECTORY, CLAUDE_GIT)
def test_a_review_that_sends_it_back_is_booked_as_it_was_billed(opened: Open):
    with opened(REVIEW) as bench:
        bench.write(bench.task(words=REVIEWED))
        bench.run("run", PLAN)
        assert bench.asked == [HAIKU, HAIKU, OPUS, HAIKU, HAIKU, OPUS]
        first, second = bench.entries
        assert [one.review.approved for one in (first, second) if one.review] == [False, True]
        assert "It does not say to whom." in bench.server.requests[3].prompt
        reconcile(bench)


def limited(times: int) -> Step:
    """The client itself tries so often before it gives up."""
    return fail(429, message="slow down", headers={"retry-after": "0"}, times=times)


@by(API_GIT, CLAUDE_GIT)
def test_a_reviewer_behind_a_limit_has_cost_nothing_and_the_work_has(opened: Open):
    done = [write("1.txt", "hello", usage=used(1)), say("done", usage=used(2))]
    again = [shell("echo hello > 1.txt", usage=used(3)), say("done", usage=used(4))]
    passed = say("VERDICT: PASS", usage=used(5))
    with opened([*done, limited(3), *again, passed]) as bench:
        bench.write(bench.task(words=REVIEWED))
        bench.run("run", PLAN)
        assert [one.failure for one in bench.entries] == ["rate-limit", None]
        reconcile(bench)


def test_a_reviewer_that_looks_and_then_fails_has_cost_what_it_asked(opened: Open):
    done = [write("1.txt", "hello", usage=used(1)), say("done", usage=used(2))]
    looks = shell("cat 1.txt", usage=used(3))
    again = [shell("echo hello > 1.txt", usage=used(4)), say("done", usage=used(5))]
    passed = say("VERDICT: PASS", usage=used(6))
    script = [*done, looks, fail(400, message="prompt is too long"), *again, passed]
    with opened(script) as bench:
        bench.write(bench.task(words=REVIEWED))
        bench.run("run", PLAN)
        assert bench.entries[0].failure == "inconclusive"
        assert bench.entries[0].review is not None
        assert bench.entries[0].review.tokens_total
        reconcile(bench)


# --- budgets --------------------------------------------------------------------------------------

DEAR = Used(input=400_000, output=100, cache_read=5000, cache_write=100)  # $0.2 of haiku
TURN_USD = 0.201


def spent(bench: Bench) -> float:
    return total(bench.bill()).usd


@by(API_GIT, CLAUDE_GIT)
def test_a_try_that_its_cap_stops_is_booked_and_a_larger_budget_finishes_it(opened: Open):
    works = [shell(f"echo {number} > seen", usage=DEAR) for number in range(9)]
    with opened(works) as bench:
        bench.write(bench.task())
        told = bench.run("run", PLAN, "--budget-usd", "0.5", code=1)
        assert "raise the budget" in told
        assert bench.entries[0].failure in ("budget", "shortage")
        assert 0.4 < spent(bench) <= 0.5 + TURN_USD
        reconcile(bench)
        bench.server.load("default", [write("1.txt", "hello", usage=used(1)), say("done")])
        bench.run("resume", "--budget-usd", "5")
        reconcile(bench)


def dear_task(number: int) -> Sequence[Step]:
    return [write(f"{number}.txt", "hello", usage=DEAR), say("done", usage=DEAR)]


def test_a_run_that_ends_before_its_last_tasks_has_used_its_budget_and_one_turn_each(opened: Open):
    with opened({f"Task {n} of plan demo": dear_task(n) for n in range(1, 6)}) as bench:
        bench.write(*(bench.task(number) for number in range(1, 6)))
        bench.run("run", PLAN, "--budget-usd", "0.5", "--workers", "2", code=1)
        assert 0.3 < spent(bench) <= 0.5 + 2 * TURN_USD
        assert len({one.task_id for one in bench.entries}) < 5
        reconcile(bench)
        bench.run("resume", "--budget-usd", "9")
        assert len({one.task_id for one in bench.entries if one.outcome == "success"}) == 5
        reconcile(bench)


@by(CLAUDE_GIT)
def test_a_client_that_is_ended_at_its_tokens_is_booked_as_far_as_it_told(opened: Open):
    works = [shell(f"sleep 0.3; echo {number} > seen", usage=DEAR) for number in range(9)]
    with opened(works) as bench:
        bench.write(bench.task())
        bench.run("run", PLAN, "--budget-tokens", "900000", code=1)
        assert bench.entries[0].failure in ("budget", "shortage")
        assert bench.entries[0].tokens_total
        reconcile(bench, at_least=True)


# --- engines that die -----------------------------------------------------------------------------


def kill(bench: Bench, answers: int, unread: WaitFor | None = None) -> None:
    """When so many answers were billed; with `unread` it stands still before it is given that one, the last."""
    with bench.project.started("run", PLAN) as engine:

        def until(count: Callable[[], int]) -> None:
            while count() < answers:
                assert engine.poll() is None
                time.sleep(0.01)

        if unread is not None:
            until(lambda: len(bench.asked))
            engine.send_signal(signal.SIGSTOP)
            bench.server.meetings.wait(unread)
        until(lambda: bench.server.total().requests)
        engine.kill()
        engine.wait()


def missing(bench: Bench) -> dict[str, int]:
    """Billed, and not booked."""
    bill, found = total(bench.bill()), total(booked(bench.entries))
    return {name: bill.tokens[name] - found.tokens[name] for name in CLASSES}


def tokens(*numbers: int) -> int:
    return sum(vars(used(number))[name] for number in numbers for name in CLASSES)


def test_an_engine_that_dies_in_an_escalation_books_what_was_told_and_calls_it_the_least(
    opened: Open,
):
    """The journal has the answer before the last: nobody recorded that the last was asked for."""
    first = [write("1.txt", "bye", usage=used(1)), say("done", usage=used(2))]
    unread = wait_for(2, shell("sleep 60", usage=used(4)))
    second = [shell("sleep 2.5", usage=used(3)), unread]
    third = [shell("echo hello > 1.txt", usage=used(5)), say("done", usage=used(6))]
    with opened([*first, *second, *third]) as bench:
        bench.write(bench.task())
        kill(bench, 4, unread)
        bench.run("resume")
        assert [one.failure for one in bench.entries] == ["verify", "interrupted", None]
        assert [one.lower_bound for one in bench.entries] == [False, True, False]
        assert bench.entries[1].tokens_total == tokens(3)
        assert sum(missing(bench).values()) == tokens(4)
        reconcile(bench, at_least=True)


def test_an_engine_that_dies_in_a_review_books_what_was_told_and_calls_it_the_least(opened: Open):
    works = [write("1.txt", "hello", usage=used(1)), say("done", usage=used(2))]
    looks = [shell("cat 1.txt", usage=used(4)), shell("sleep 60", usage=used(3))]
    again = [write("1.txt", "hello", usage=used(5)), say("done", usage=used(6))]
    with opened([*works, *looks, *again, say("VERDICT: PASS", usage=used(7))]) as bench:
        bench.write(bench.task(words=REVIEWED))
        kill(bench, 4)
        bench.run("resume")
        killed, resumed = bench.entries
        assert (killed.failure, killed.lower_bound) == ("interrupted", True)
        assert not resumed.lower_bound
        assert killed.tokens_total in (tokens(1, 2, 4), tokens(1, 2, 3, 4))
        reconcile(bench, at_least=True)
        charged = bench.project.json("show")["budget"]["charged"]["usd"]
        assert charged >= spent(bench) - 1e-6, "a turn more than was told stays charged"


def test_work_that_waits_for_a_person_has_cost_its_review_already(opened: Open):
    works = [write("AGENTS.md", "hello", usage=used(1)), say("done", usage=used(2))]
    with opened([*works, say("VERDICT: PASS", usage=used(3))]) as bench:
        task = bench.task(words=REVIEWED, check="grep hello AGENTS.md")
        bench.write(task.replace("<files>1.txt", "<files>AGENTS.md"))
        bench.run("run", PLAN, code=5)
        told = bench.project.json("show")
        assert told["budget"]["used"]["usd"] == pytest.approx(spent(bench), abs=1e-6)
        assert told["tasks"][0]["cost_usd"] == pytest.approx(spent(bench), abs=1e-6)
        bench.run("approve", bench.project.newest(), "demo/1")
        bench.run("resume")
        reconcile(bench)
