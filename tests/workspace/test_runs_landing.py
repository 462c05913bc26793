"""Whole runs in worktrees: what may land and what may not, who is asked, and what becomes of work that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import inbox, ledger
from orchestrator.engine.experience import audits
from orchestrator.inbox import Letter
from orchestrator.model import Answer, Event, EventKind, Failure, TaskId
from orchestrator.routing.evidence import Audit
from orchestrator.settings import ledger_folder
from orchestrator.workers.shell import ShellWorker
from tests.engine.runs import Ran, TieredAgent, bash, resume
from tests.workspace.repos import (
    Flags,
    data,
    git,
    in_tree,
    landed,
    on_disk,
    plan_of,
    run,
    traces,
    wait_for,
)

FREE = {"parallel": "can-parallelize", "depends_on": ""}


def ends(out: Path, script: str) -> str:
    """The script, counted each time that it is run."""
    return f"echo run >> {out}/runs; {script}"


def post(ran: Ran, approved: bool, note: str = "") -> None:
    answer = Answer(approved=approved, note=note, by="ann")
    inbox.post(ran.root, Letter(do="answer", run=ran.run, task=TaskId("demo/1"), answer=answer))


class Approving(Flags):
    """Says yes to task 1 in the moment in which the result begins to be looked at."""

    def happened(self, event: Event) -> None:
        first = event.kind is EventKind.RESULT_CHECKING and not self.has_seen(event.kind)
        super().happened(event)
        if first:
            answer = Answer(approved=True, by="ann")
            letter = Letter(do="answer", run=event.run, task=TaskId("demo/1"), answer=answer)
            inbox.post(self.folder.parent / "project", letter)


async def test_a_look_at_the_result_does_not_count_for_what_lands_meanwhile(root: Path, out: Path):
    """The first look is green; what lands while it goes on makes the check of task 2 red."""
    slow = (
        f"if test -e {out}/result_checking; then {wait_for(out, EventKind.ATTEMPT_FINISHED, 1)}; fi"
    )
    check = f"{slow}; test -e f2 && ! test -e CLAUDE.md"
    held = bash("Task 1: steer", "echo x > CLAUDE.md", "test -e CLAUDE.md", **FREE)
    plan_of(root, held, bash("Task 2: b", "echo > f2", check, **FREE))
    main = git(root, "rev-parse", "main")
    ran = await run(root, watcher=Approving(folder=out))
    assert (ran.code, git(root, "rev-parse", "main")) == (1, main)
    assert ran.count(EventKind.RESULT_CHECKING) == 2
    (checked,) = data(ran, EventKind.RESULT_CHECKED)
    assert {one["result"] for one in checked["checks"]} == {"green", "red"}


# --- files that steer -----------------------------------------------------------------------------

STEERING = {
    "workflow": ("mkdir -p .github/workflows; echo x > .github/workflows/ci.yml", ".github/workflows/ci.yml"),
    "instructions": ("mkdir -p deep; echo x > deep/AGENTS.md", "deep/AGENTS.md"),
    "case": ("mkdir -p .Claude; echo x > .Claude/settings.json", ".Claude/settings.json"),
    "attributes": ("echo '*.x -text' > .gitattributes", ".gitattributes"),
    "the plan": ("echo x >> plans/demo-PLAN.md", "plans/demo-PLAN.md"),
    "a hook": ("h=$(git rev-parse --git-path hooks); mkdir -p $h; echo x > $h/post-merge", ".git/hooks/post-merge"),
    "settings": ("git config core.pager evil", ".git/config"),
}  # fmt: skip


@pytest.mark.parametrize("what", STEERING)
async def test_what_steers_git_agents_or_ci_waits_for_a_person_also_with_yes(
    root: Path, out: Path, what: str
):
    script, file = STEERING[what]
    plan_of(root, bash("Task 1: a", ends(out, f"{script}; echo > f1"), "test -e f1"))
    before = on_disk(root)
    ran = await run(root, yes=True)
    assert ran.code == 5
    assert data(ran, EventKind.HELD)[0]["files"] == [file]
    assert on_disk(root) == before
    assert b"f1" not in in_tree(root, f"orchestrator/{ran.run}")
    still = await resume(root)
    assert still.code == 5
    assert (out / "runs").read_text() == "run\n"


async def test_an_approved_task_lands_without_its_worker_being_run_again(root: Path, out: Path):
    script = ends(out, "mkdir .github; echo x > .github/x.yml; echo > f1")
    plan_of(
        root,
        bash("Task 1: a", script, "test -e f1"),
        bash("Task 2: b", "test -e f1; echo > f2", "test -e f2"),
    )
    ran = await run(root)
    assert (ran.code, ran.history.of(TaskId("demo/2")).tried) == (5, [])
    assert git(root, "worktree", "list").count("\n") == 0
    post(ran, approved=True)
    again = await resume(root)
    assert again.code == 0
    assert (out / "runs").read_text() == "run\n"
    assert {b".github/x.yml", b"f1", b"f2"} <= set(in_tree(root, "HEAD"))
    assert git(root, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_a_rejected_task_fails_and_its_work_is_kept(root: Path, out: Path):
    script = ends(out, "mkdir .github; echo x > .github/x.yml; echo > f1")
    plan_of(
        root,
        bash("Task 1: a", script, "test -e f1"),
        bash("Task 2: behind", "echo > f2", depends_on="1"),
        bash("Task 3: beside", "echo > f3", "test -e f3", files="f3", **FREE),
    )
    ran = await run(root)
    assert ran.code == 5
    post(ran, approved=False, note="not this one")
    again = await resume(root)
    assert again.code == 1
    past = again.history.of(TaskId("demo/1"))
    assert past.last
    assert (past.last.failure, past.last.detail) == (Failure.REJECTED, "not this one")
    assert past.last.work
    assert past.last.work.ref
    assert b".github/x.yml" in in_tree(root, past.last.work.ref)
    result = in_tree(root, f"orchestrator/{ran.run}")
    assert b"f3" in result
    assert not {b"f1", b"f2", b".github/x.yml"} & set(result)
    assert (out / "runs").read_text() == "run\n"
    found = ledger.read(ledger_folder())  # its check had let pass what a person refuses
    assert [(one.task_id, one.by) for one in found.amendments] == [("demo-task-1", "a person")]
    assert audits(found) == {Audit(1.0, accepted=True, right=False): 1}


@pytest.mark.parametrize(
    ("control", "files", "code"),
    [
        ("allow", "f1", 0),
        ("declared", "f1, .github/", 0),
        ("declared", "f1", 5),
        ("ask", "f1, .github/", 5),
    ],
)
async def test_the_settings_say_who_need_not_ask(root: Path, control: str, files: str, code: int):
    script = "mkdir .github; echo x > .github/x.yml; echo > f1"
    plan_of(root, bash("Task 1: a", script, "test -e f1", files=files))
    ran = await run(root, conf={"control_files": control})
    assert ran.code == code


async def test_an_approved_task_whose_base_has_moved_is_checked_again(root: Path, out: Path):
    script = ends(out, "mkdir .github; echo x > .github/x.yml; echo > f1")
    plan_of(
        root,
        bash("Task 1: a", script, "test -e f1; test ! -e spoils", **FREE),
        bash("Task 2: b", "echo > spoils", "test -e spoils", files="spoils", **FREE),
    )
    ran = await run(root)
    assert ran.code == 5
    post(ran, approved=True)
    again = await resume(root)
    assert again.code == 1
    assert again.history.of(TaskId("demo/1")).tried[0].outcome
    assert again.failures("demo/1")[0] == Failure.VERIFY
    assert b"f1" not in in_tree(root, f"orchestrator/{ran.run}")


# --- outside of its files -------------------------------------------------------------------------


async def test_a_file_outside_of_the_declared_ones_is_recorded_and_lands(root: Path):
    plan_of(root, bash("Task 1: a", "echo > f1; echo > other", "test -e f1", files="f1"))
    ran = await run(root)
    assert ran.code == 0
    outcome = ran.history.of(TaskId("demo/1")).last
    assert outcome
    assert outcome.work
    assert outcome.work.undeclared == ("other",)
    tree = in_tree(root, "HEAD")
    assert b"other" in tree
    assert "other" in tree[b"plans/demo-SUMMARY.md"][1].decode()


async def test_where_that_is_refused_it_is_a_failed_try_and_the_next_is_told(root: Path, out: Path):
    agent = TieredAgent(
        f"cat > {out}/told.$ORCHESTRATOR_ATTEMPT; echo > f1; "
        "if test $ORCHESTRATOR_ATTEMPT = 1; then echo > other; else rm other; fi"
    )
    plan_of(
        root,
        '<task type="auto" model="haiku"><name>Task 1: a</name><files>f1</files><action>x</action>'
        "<verify><automated>test -e f1</automated></verify><done>x</done></task>\n",
    )
    ran = await run(root, workers={"agent": agent}, conf={"scope": "refuse"})
    assert ran.failures("demo/1") == [Failure.SCOPE, None]
    assert "wrote outside of its <files>: other" in (out / "told.2").read_text()
    assert b"other" not in in_tree(root, "HEAD")
    assert ran.code == 0


async def test_who_declares_what_a_running_task_is_seen_to_write_waits_for_it(
    root: Path, out: Path
):
    """Task 2 declares what task 1 writes besides its own; task 3 keeps task 2 back until that was seen."""
    slow = f"echo > f2; {wait_for(out, EventKind.ATTEMPT_FINISHED, 3)}; echo > f1"
    plan_of(
        root,
        bash("Task 1: a", slow, "test -e f1", files="f1", **FREE),
        bash("Task 2: b", "echo more >> f2", "grep -q more f2", files="f2", depends_on="3"),
        bash("Task 3: c", f"{wait_for(out, EventKind.TOUCHED, 1)}; echo > f3", files="f3", **FREE),
    )
    conf = {"scope": "serialise", "look_s": 0.05}
    ran = await run(root, watcher=Flags(folder=out), conf=conf)
    assert ran.code == 0
    assert data(ran, EventKind.TOUCHED)[0]["files"] == ["f2"]
    order = [(one.kind, one.task) for one in ran.events]
    assert order.index((EventKind.ATTEMPT_FINISHED, "demo/1")) < order.index(
        (EventKind.ATTEMPT_STARTED, "demo/2")
    )
    assert in_tree(root, "HEAD")[b"f2"][1] == b"\nmore\n"


# --- what does not fit ----------------------------------------------------------------------------


def fighting(root: Path, out: Path, third: str = "") -> TieredAgent:
    """Task 1 is an agent that waits until another has landed its change of the same line, and then makes its own.

    `third` lands one more such change during its second try; else that try goes on from what it finds.
    """
    plan_of(
        root,
        '<task type="auto" model="haiku" parallel="can-parallelize" depends-on=""><name>Task 1: mine</name>'
        "<action>x</action><verify><automated>grep -q mine a.txt</automated></verify><done>x</done></task>\n",
        bash(
            "Task 2: theirs", "echo theirs > a.txt", "grep -q theirs a.txt", files="a.txt", **FREE
        ),
        third,
    )
    first = f"{wait_for(out, EventKind.ATTEMPT_FINISHED, 2)}; echo mine.1 > a.txt"
    second = f"{wait_for(out, EventKind.ATTEMPT_FINISHED, 3)}; echo mine.2 > a.txt"
    return TieredAgent(
        f"n=$ORCHESTRATOR_ATTEMPT; cat > {out}/told.$n; cp a.txt {out}/saw.$n\n"
        f"if test $n = 1; then {first}; else {second if third else 'echo mine.2 >> a.txt'}; fi"
    )


async def test_work_that_does_not_fit_is_tried_once_more_on_what_has_landed_and_told(
    root: Path, out: Path
):
    agent = fighting(root, out)
    ran = await run(
        root, workers={"shell": ShellWorker(), "agent": agent}, watcher=Flags(folder=out)
    )
    assert ran.failures("demo/1") == [Failure.CONFLICT, None]
    assert ran.code == 0
    assert ((out / "saw.1").read_text(), (out / "saw.2").read_text()) == ("one\n", "theirs\n")
    told, first = (out / "told.2").read_text(), ran.history.of(TaskId("demo/1")).tried[0].outcome
    assert first
    assert first.work
    assert first.work.commit
    assert (first.conflicts, str(first.work.ref) in told) == (("a.txt",), True)
    assert "a.txt" in told
    assert in_tree(root, "HEAD")[b"a.txt"][1] == b"theirs\nmine.2\n"


async def test_the_second_time_it_fails_and_both_works_are_kept(root: Path, out: Path):
    again = wait_for(out, EventKind.WORKSPACE_READY, 1, attempt=2)
    third = bash(
        "Task 3: others", f"{again}; echo others > a.txt", "grep -q others a.txt", depends_on="2"
    )
    agent = fighting(root, out, third)
    ran = await run(
        root, workers={"shell": ShellWorker(), "agent": agent}, watcher=Flags(folder=out)
    )
    assert ran.failures("demo/1") == [Failure.CONFLICT, Failure.CONFLICT]
    assert ran.code == 1
    assert in_tree(root, f"orchestrator/{ran.run}")[b"a.txt"][1] == b"others\n"
    works = [one.outcome.work for one in ran.history.of(TaskId("demo/1")).tried if one.outcome]
    kept = [in_tree(root, one.ref)[b"a.txt"][1] for one in works if one and one.ref]
    assert kept == [b"mine.1\n", b"mine.2\n"]


async def test_a_conflict_is_foreseen_while_both_still_work(root: Path, out: Path):
    wait = wait_for(out, EventKind.CONFLICT_FORESEEN, 2)
    plan_of(
        root,
        bash("Task 1: a", f"echo mine > a.txt; {wait}", "grep -q mine a.txt", **FREE),
        bash("Task 2: b", f"echo theirs > a.txt; {wait}", "grep -q theirs a.txt", **FREE),
    )
    ran = await run(root, watcher=Flags(folder=out), conf={"look_s": 0.05})
    (seen,) = data(ran, EventKind.CONFLICT_FORESEEN)
    assert (seen["with"], seen["files"]) == ("demo/1", ["a.txt"])


# --- workers that break things --------------------------------------------------------------------


async def test_a_worker_that_removes_its_worktree_fails_alone_and_it_is_said(root: Path):
    plan_of(
        root,
        bash("Task 1: a", 'cd ..; rm -rf "$OLDPWD"', "test -e f1", **FREE),
        bash("Task 2: b", "echo > f2", "test -e f2", files="f2", **FREE),
    )
    before = traces(root)
    ran = await run(root)
    assert (ran.code, ran.failures("demo/1")) == (1, [Failure.WORKSPACE])
    outcome = ran.history.of(TaskId("demo/1")).last
    assert outcome
    assert "worktrees/" in outcome.detail
    assert b"f2" in in_tree(root, landed(ran, "demo/2"))
    after = traces(root)
    assert (after["worktrees"], after["files"]) == (before["worktrees"], before["files"])


@pytest.mark.parametrize(
    "script",
    [
        "printf x > $'caf\\xe9'",
        "printf x > $'new\\nline'; printf x > ' -lead'; printf x > '\"quoted\"'; printf x > ümläut",
        "rm .git; echo > new",
        "git init -q inner; echo > inner/x; git -C inner add x",
        "git switch -q -c topic; git add -A; git commit -q --allow-empty -m x; echo > new",
    ],
)
async def test_odd_work_lands_and_is_in_the_summary_and_the_journal(root: Path, script: str):
    plan_of(root, bash("Task 1: a", f"{script}; echo > f1", "test -e f1"))
    ran = await run(root)
    assert (ran.code, ran.failures("demo/1")) == (0, [None])
    made = git(root, "diff-tree", "-r", "-z", "--name-only", "HEAD~2", "HEAD").split("\0")
    assert len(set(made) - {"", "f1", "plans/demo-SUMMARY.md"}) >= 1
    assert git(root, "status", "--porcelain") == ""
