"""What a tool did, in the books: once, without the loop waiting for them, and taken back where it turns out wrong."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

import anyio
import pytest

from orchestrator import inbox, ledger
from orchestrator.engine import crediting
from orchestrator.engine.books import Books, Outcomes
from orchestrator.inbox import Letter
from orchestrator.ledger import Amendment
from orchestrator.model import Answer, EventKind, Failure, TaskId
from orchestrator.model.outloop import Occurrence, Operation, Saving, Tool, ToolCall, ToolStatus
from orchestrator.outloop import offload, store, sync
from orchestrator.outloop.toolbox import digest
from orchestrator.settings import ledger_folder
from tests.engine import runs
from tests.engine.test_offloading import DO, TOOL, Agent, crew, learn, program, repo, task

CHECKPOINT = runs.checkpoint(depends_on="1")
RED = "<verification>\n```bash\ntest -e there\n```\n</verification>\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    program(tmp_path, "echo '2 passed in 0.1s'")
    return tmp_path


def booked(root: Path) -> tuple[list[ToolCall], list[Saving], Tool]:
    with store.reading(root) as book:
        assert book is not None
        return book.calls(), book.savings(), book.tool(TOOL)


def failed(root: Path, *workflows: str) -> None:
    with store.writing(root) as book:
        for name in workflows:
            book.book_call(
                ToolCall(tool=TOOL, pattern="test:pytest:all", workflow=name, at="2026", duration_s=1, ok=False)
            )  # fmt: skip


def refuse(root: Path, ran: runs.Ran, name: str = "demo/2") -> None:
    given = Answer(approved=False, by="ann", note="not what I meant")
    inbox.post(root, Letter(do="answer", run=ran.run, task=TaskId(name), answer=given))


# --- work that turns out wrong ------------------------------------------------------------------------


async def test_what_a_person_rejects_saved_nothing_and_its_tool_has_failed(root: Path) -> None:
    runs.write_plan(root, task(), CHECKPOINT)
    learn(root)
    ran = await runs.run(root, workers={"agent": Agent()})
    assert (ran.code, len(booked(root)[1])) == (5, 1)
    refuse(root, ran)
    assert (await runs.resume(root, workers={"agent": Agent()})).code == 1
    ((call,), savings, tool) = booked(root)
    assert (call.ok, call.tokens_saved, call.cost_saved_usd, savings) == (False, 0, 0.0, [])
    assert (tool.calls, tool.successes, tool.failed_in_a_row) == (1, 0, 1)
    await runs.resume(root, workers={"agent": Agent()})
    assert booked(root)[:2] == ([call], []), "and it is not booked again"


@pytest.mark.parametrize("in_the_ledger", [True, False])
async def test_a_rejection_with_which_the_engine_died_is_heard_by_the_next(
    root: Path, in_the_ledger: bool
) -> None:
    runs.write_plan(root, task(), CHECKPOINT)
    learn(root)
    ran = await runs.run(root, workers={"agent": Agent()})
    _, (saving,), _ = booked(root)
    refuse(root, ran)
    await runs.resume(root, workers={"agent": Agent()})
    with store.writing(root) as kept:  # as it was before the answer
        kept.book_saving(saving)
    change(root, "UPDATE tool_calls SET ok = 1", "UPDATE adw_tools SET successes = 1")
    if not in_the_ledger:
        path = ledger_folder() / ledger.NAME
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(one for one in lines if "amendment" not in one))
    await runs.resume(root, workers={"agent": Agent()})
    ((call,), savings, tool) = booked(root)
    assert (call.ok, savings, tool.successes, tool.failed_in_a_row) == (False, [], 0, 1)


def change(root: Path, *queries: str) -> None:
    with closing(sqlite3.connect(root / ".orchestrator" / "journal.db")) as book, book:
        for one in queries:
            book.execute(one)


def forget(root: Path) -> None:
    """As it is where the engine was killed before it could book what its tools did."""
    figures = "UPDATE adw_tools SET calls = 0, successes = 0"
    change(root, "DELETE FROM tool_calls", "DELETE FROM cost_savings_log", figures)


def read_anew(root: Path) -> None:
    """As if nobody had read the run's events yet."""
    with store.writing(root) as book:
        book.read(sync.EVENTS, 0)
    sync.sync(root, 70.0)


@pytest.mark.parametrize("last", ["failed", "success"])
@pytest.mark.parametrize("by", ["resume", "sync"])
async def test_what_was_amended_before_it_was_booked_saved_nothing(
    root: Path, by: str, last: Literal["failed", "success"]
) -> None:
    runs.write_plan(root, task(), CHECKPOINT)
    learn(root)
    ran = await runs.run(root, workers={"agent": Agent()})
    forget(root)
    line = Amendment(
        run_id=ran.run, task_id="demo-task-1", attempt=1, outcome="failed", by="CI",
        timestamp=sync.ago(0),
    )  # fmt: skip
    ledger.append(ledger_folder(), [line, line.model_copy(update={"outcome": last})])
    assert offload.amended(root, ran.run, "demo-task-1", 1) == (None, "")
    if by == "resume":
        await runs.resume(root, workers={"agent": Agent()})
    else:
        read_anew(root)
    ((call,), savings, tool) = booked(root)
    assert (call.ok, len(savings)) == ((False, 0) if last == "failed" else (True, 1))
    assert (tool.calls, tool.successes) == (1, int(call.ok))


@pytest.mark.parametrize("is_booked", [True, False])
async def test_an_engine_that_died_when_the_ledger_knew_that_it_was_wrong_leaves_no_saving(
    root: Path, is_booked: bool
) -> None:
    runs.write_plan(root, task(), tail=RED)
    learn(root)
    await runs.run(root, workers={"agent": Agent()})
    if is_booked:
        change(root, "UPDATE tool_calls SET ok = 1", "UPDATE adw_tools SET successes = 1")
    else:
        forget(root)
    read_anew(root)
    ((call,), savings, tool) = booked(root)
    assert (call.ok, savings, tool.calls, tool.successes) == (False, [], 1, 0)


async def test_a_ledger_that_cannot_be_read_ends_no_run_and_is_told(root: Path) -> None:
    runs.write_plan(root, task(), CHECKPOINT)
    learn(root)
    await runs.run(root, workers={"agent": Agent()})
    path = ledger_folder() / ledger.NAME
    path.unlink()
    path.mkdir()
    ran = await runs.resume(root, workers={"agent": Agent()})
    assert any("may still be booked" in one and str(path) in one for one in ran.watcher.warnings)


async def test_work_that_waits_to_be_looked_at_and_is_rejected_is_a_failure(root: Path) -> None:
    """It steers what runs on other machines, so a person must see it before it lands."""
    runs.write_plan(root, task())
    learn(root, "mkdir -p .github/workflows; echo on > .github/workflows/ci.yml")
    with store.writing(root) as book:
        book.keep_tool(book.tool(TOOL).model_copy(update={"writes": (".github/*",)}))
    repo(root)
    ran = await runs.run(root, workers={"agent": Agent()}, isolated=True)
    assert (ran.code, booked(root)[0]) == (5, [])
    refuse(root, ran, DO)
    again = await runs.resume(root, workers={"agent": Agent()})
    assert again.failures(DO)[0] is Failure.REJECTED
    ((call,), savings, tool) = booked(root)
    assert (call.ok, savings, tool.failed_in_a_row) == (False, [], 1)


async def test_a_rejection_can_be_the_third_failure_in_a_row(root: Path) -> None:
    runs.write_plan(root, task(), CHECKPOINT)
    learn(root)
    failed(root, "one", "two")
    ran = await runs.run(root, workers={"agent": Agent()})
    assert booked(root)[2].failed_in_a_row == 0
    refuse(root, ran)
    again = await runs.resume(root, workers={"agent": Agent()})
    tool = booked(root)[2]
    assert (tool.status, tool.why) == (ToolStatus.DISABLED, "it failed 3 times in a row")
    assert any(f"orchestrator tools enable {TOOL}" in one for one in again.watcher.warnings)


async def test_what_the_plans_own_check_refutes_saved_nothing(root: Path) -> None:
    runs.write_plan(root, task(), tail=RED)
    learn(root)
    ran = await runs.run(root, workers={"agent": Agent()})
    assert ran.code == 1
    ((call,), savings, _) = booked(root)
    assert (call.ok, savings) == (False, [])


# --- the loop does not wait -----------------------------------------------------------------------------


async def test_what_is_booked_waits_for_its_turn_in_the_store_and_the_loop_does_not(
    root: Path,
) -> None:
    runs.write_plan(root, task())
    learn(root)
    ran = await runs.run(root, workers={"agent": Agent()})
    path = root / ".orchestrator" / "journal.db"
    found = crew(root, Agent())
    books = Books(root, ran.run, found.strength, Outcomes())
    (tried,) = ran.history.of(TaskId(DO)).tried
    books.due.append((TaskId(DO), tried))
    said, done = list[str](), anyio.Event()

    async def settle() -> None:
        await crediting.settle(found, books, said.append)
        done.set()

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM tool_calls")
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as group:
            group.start_soon(settle)
            turns = 0
            while turns < 30:  # of the loop: else it would first go round when that has given up
                await anyio.sleep(0.01)
                turns += 1
            assert not done.is_set()
            other.execute("COMMIT")
    assert (said, books.due, len(booked(root)[0])) == ([], [], 1)


async def test_what_was_seen_and_is_old_goes_with_a_runs_end(root: Path) -> None:
    runs.write_plan(root, task())
    learn(root)
    other = Operation(verb="test", tool="other")
    seen = [Occurrence(workflow=f"{n}", operation=other, at=sync.ago(n)) for n in (31, 29)]
    with store.writing(root) as book:
        book.record(seen)
    await runs.run(root, workers={"agent": Agent()})
    with store.reading(root) as kept:
        assert kept is not None
        assert [one.workflow for one in kept.occurrences(kept.find("test:other").id)] == ["29"]


# --- a script that is not what was added ------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["gone", "changed"])
async def test_a_script_that_is_gone_or_changed_is_not_run_and_that_is_said(
    root: Path, trouble: str
) -> None:
    runs.write_plan(root, task())
    learn(root, "exit 0")
    script = root / "own.sh"
    script.unlink() if trouble == "gone" else script.write_text("touch bad")
    ran = await runs.run(root, workers={"agent": Agent()})
    assert (ran.code, ran.failures(DO)) == (0, [None])
    assert ran.history.of(TaskId(DO)).tried[0].route.tool is None
    (told,) = [one for one in ran.watcher.warnings if "a model does its tasks" in one]
    why = (
        f"is not there to be read: {script}" if trouble == "gone" else "changed since it was added"
    )
    assert f"the script of {TOOL} {why}" in told
    assert "orchestrator tools" in told
    calls, _, tool = booked(root)
    assert (calls, tool.status) == ([], ToolStatus.ENABLED), "no failure of the tool"
    assert not (root / "bad").exists()


@pytest.mark.parametrize("words", ["rm -f own.sh", "echo 'touch bad' > own.sh"])
async def test_one_that_goes_while_the_run_is_on_costs_no_try(root: Path, words: str) -> None:
    first = task("Make it", "Make it.").replace("./pytest", "test -e made")
    runs.write_plan(root, first, task(), task())
    learn(root, "exit 0")
    ran = await runs.run(root, workers={"agent": Agent(f"touch made; {words}")}, slots=1)
    assert (ran.code, ran.failures("demo/2"), ran.failures("demo/3")) == (0, [None], [None])
    said = [one.data["reason"] for one in ran.events if one.kind is EventKind.REROUTED]
    assert sum(f"the script of {TOOL}" in one for one in said) == 2
    assert not (root / "bad").exists()


async def test_a_changed_script_works_again_when_it_was_added_anew(root: Path) -> None:
    runs.write_plan(root, task())
    learn(root, "exit 0")
    (root / "own.sh").write_text("exit 0 # other")
    with store.writing(root) as book:
        now = {"digest": digest(root / "own.sh")}
        book.keep_tool(book.tool(TOOL).model_copy(update=now))
    ran = await runs.run(root, workers={"agent": Agent()})
    assert ran.history.of(TaskId(DO)).tried[0].route.tool == TOOL


# --- how often its check runs --------------------------------------------------------------------------------


def stages(ran: runs.Ran) -> list[tuple[int | None, str]]:
    return [(e.attempt, e.data["stage"]) for e in ran.events if e.kind is EventKind.CHECK_FINISHED]


async def test_where_the_tool_is_the_check_nobody_looks_before_it(root: Path) -> None:
    program(root, f"echo >> {root}/ran; echo '2 passed in 0.1s'")
    runs.write_plan(root, task())
    learn(root)
    ran = await runs.run(root, workers={"agent": Agent()})
    assert (ran.code, stages(ran)) == (0, [(1, "after")])
    assert len((root / "ran").read_text().splitlines()) == 2, "the tool, and the check that decides"


async def test_a_model_that_takes_over_is_looked_at_before_it_works(root: Path) -> None:
    runs.write_plan(root, task())
    learn(root, "exit 9")
    ran = await runs.run(root, workers={"agent": Agent()})
    assert stages(ran) == [(3, "before"), (3, "after")]


@pytest.mark.parametrize("other", ["a second command", "a tool that writes"])
async def test_else_somebody_looks_before(root: Path, other: str) -> None:
    more = "<verify><automated>./pytest</automated><automated>test -e own.sh</automated>"
    is_second = other == "a second command"
    plain = "<verify><automated>./pytest</automated>"
    runs.write_plan(root, task().replace(plain, more) if is_second else task())
    learn(root, "exit 0")
    if not is_second:
        with store.writing(root) as book:
            book.keep_tool(book.tool(TOOL).model_copy(update={"writes": ("*.lock",)}))
    repo(root)
    ran = await runs.run(root, workers={"agent": Agent()})
    assert ran.history.of(TaskId(DO)).tried[0].route.tool == TOOL
    assert (1, "before") in stages(ran)
