"""What a daemon tells of itself and what it does when it is asked, by its own supervisor in this process."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from orchestrator import journal, settings
from orchestrator.daemon.door import Door
from orchestrator.daemon.supervisor import Supervisor, Words
from orchestrator.errors import UnknownRun, UsageError
from orchestrator.model import Event, EventKind, RunId
from orchestrator.settings import Settings
from orchestrator.views.house import Cancel, Enqueue, Resume, Trust
from tests.cli.projects import makes

HEAD = "---\nphase: demo\nplan: 01\nworkspace: directory\n---\n<objective>x</objective>\n<tasks>\n"
FLAGS = {"daemon": {"settle_s": 0.05, "rescan_s": 0.2, "learn": "", "clean": ""}}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    root = tmp_path / "project"
    (root / "plans").mkdir(parents=True)
    (root / ".orchestrator").mkdir()
    return root


def write(root: Path, *names: str, name: str = "a") -> str:
    path = root / "plans" / f"{name}-PLAN.md"
    path.write_text(
        HEAD + "".join(makes(f"Task 1: {one}", f"{one}.txt") for one in names) + "</tasks>\n"
    )
    return hashlib.sha256(path.read_bytes()).hexdigest()


@asynccontextmanager
async def kept(root: Path, *, trusts_all: bool = False) -> AsyncIterator[Door]:
    def load() -> Settings:
        return settings.load(root, FLAGS)

    is_held = anyio.Event()

    async def beside() -> None:
        is_held.set()

    supervisor = Supervisor(Words(root, root / "plans", load, print, trusts_all))
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.keep, beside)
        await is_held.wait()
        yield Door(supervisor)
        group.cancel_scope.cancel()


async def until(claim: Callable[[], object]) -> None:
    deadline = anyio.current_time() + 15
    while not claim():
        assert anyio.current_time() < deadline
        await anyio.sleep(0.02)


def states(door: Door) -> dict[str, str]:
    return {one.path: one.state for one in door.waiting()}


def told(root: Path, kind: EventKind) -> list[Event]:
    try:
        with journal.reading(root) as book:
            every = [event for row in book.runs() for event in book.events(row.id)]
    except UnknownRun:
        return []
    return [event for event in every if event.kind is kind]


def has_run(root: Path, name: str) -> Callable[[], bool]:
    return (root / "plans" / f"{name}-SUMMARY.md").is_file


async def test_only_the_text_that_was_seen_is_trusted(root: Path):
    seen = write(root, "one")
    async with kept(root) as door:
        await until(lambda: states(door) == {"plans/a-PLAN.md": "untrusted"})
        (one,) = door.waiting()
        assert (one.sha256, one.diff, one.run) == (seen, "", None)
        now = write(root, "two")
        with pytest.raises(UsageError, match="has changed since it was looked at"):
            await door.act(Trust(path="plans/a-PLAN.md", sha256=seen), "me")
        with pytest.raises(UsageError, match="outside of the project"):
            await door.act(Trust(path="../a-PLAN.md", sha256=seen), "me")
        await door.act(Trust(path="plans/a-PLAN.md", sha256=now), "me")
        await until(has_run(root, "a"))
    assert (root / "two.txt").is_file()
    assert not (root / "one.txt").exists()


async def test_an_edit_is_shown_against_the_text_that_ran(root: Path):
    first = write(root, "one")
    async with kept(root) as door:
        await until(lambda: states(door))
        await door.act(Trust(path="plans/a-PLAN.md", sha256=first), "me")
        await until(has_run(root, "a"))
        await until(lambda: not door.health().runs)
        write(root, "two")
        await until(lambda: states(door) == {"plans/a-PLAN.md": "untrusted"})
        (one,) = door.waiting()
    removed, added = ([r for r in one.diff.splitlines() if r.startswith(sign)] for sign in "-+")
    assert any("Task 1: one" in row for row in removed)
    assert any("Task 1: two" in row for row in added)
    assert one.diff.startswith("--- plans/a-PLAN.md in run ")


async def test_what_is_done_runs_again_where_a_person_asks_and_only_from_the_folder(root: Path):
    write(root, "one")
    async with kept(root, trusts_all=True) as door:
        await until(has_run(root, "a"))
        await until(lambda: not door.health().runs)
        (root / "one.txt").unlink()
        await door.act(Enqueue(paths=("plans/a-PLAN.md",)), "me")
        (root / "else-PLAN.md").write_text(HEAD + "</tasks>\n")
        with pytest.raises(UsageError, match="not in the watched folder"):
            await door.act(Enqueue(paths=("else-PLAN.md",)), "me")
        assert not (root / "one.txt").exists()
        await door.act(Enqueue(paths=("plans/a-PLAN.md",), again=True), "me")
        await until((root / "one.txt").is_file)


async def test_who_does_not_run_cannot_be_cancelled(root: Path):
    async with kept(root) as door:
        await until(lambda: door.health().status == "ok")
        with pytest.raises(UsageError, match="does not go on now"):
            await door.act(Cancel(run=RunId("261128-aaaaa")), "me")


async def test_a_run_goes_on_with_the_budgets_that_a_person_gives(root: Path):
    path = root / "plans" / "a-PLAN.md"
    write(root, "one")
    path.write_text(path.read_text().replace("<automated>", "<automated>false; "))  # it fails
    async with kept(root, trusts_all=True) as door:

        def ended(times: int) -> Callable[[], bool]:
            return lambda: len(told(root, EventKind.RUN_FINISHED)) == times

        await until(ended(1))
        await until(lambda: not door.health().runs)
        (run,) = {event.run for event in told(root, EventKind.RUN_FINISHED)}
        asked = Resume(run=run, budget_usd=3.0, plan_budget_usd=2.5, plan_budget_tokens=0)
        await door.act(asked, "me")
        await until(lambda: told(root, EventKind.RUN_RESUMED))
    (resumed,) = told(root, EventKind.RUN_RESUMED)
    limits = resumed.data["budget"]["limits"]
    assert (limits["run"]["usd"], limits["plan"]) == (3.0, {"usd": 2.5, "tokens": None})


async def test_health_says_what_is_wrong_until_it_is_right(root: Path):
    async with kept(root) as door:
        await until(lambda: door.health().status == "ok")
        (root / "plans").rmdir()
        told = door.health()
        assert told.status == "degraded"
        assert "the watched folder is not there" in told.reasons[0]
        (root / "plans").mkdir()
        (root / ".orchestrator" / "trusted.jsonl").mkdir()
        await until(lambda: any("cannot be looked at" in one for one in door.health().reasons))
        (root / ".orchestrator" / "trusted.jsonl").rmdir()
        await until(lambda: door.health().status == "ok")
        assert (door.health().busy, door.health().slots, door.health().watching) == (0, 5, "plans")
