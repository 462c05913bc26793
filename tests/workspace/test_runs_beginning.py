"""Whole runs in worktrees: where each task begins, what it finds there, and what of it comes into its commit."""

from __future__ import annotations

from pathlib import Path

from orchestrator.model import Event, EventKind, Failure, TaskId
from tests.engine.runs import TieredAgent, Watcher, bash
from tests.workspace import repos
from tests.workspace.repos import (
    Flags,
    data,
    git,
    in_tree,
    landed,
    lay,
    on_disk,
    plan_of,
    run,
    traces,
    wait_for,
)

FREE = {"parallel": "can-parallelize", "depends_on": ""}


def changed(root: Path, commit: str) -> list[str]:
    return git(root, "diff-tree", "-r", "--name-only", "--no-commit-id", commit).splitlines()


# --- where they begin -----------------------------------------------------------------------------


async def test_no_task_begins_without_all_that_it_waits_for(root: Path):
    """A diamond and a tail, with a task beside them that lands at any time."""
    plan_of(
        root,
        bash("Task 1: a", "echo a > f1", "test -e f1", depends_on="", files="f1"),
        bash("Task 2: b", "cat f1; echo b > f2", "test -e f2", depends_on="1", files="f2"),
        bash("Task 3: c", "cat f1; echo c > f3", "test -e f3", depends_on="1", files="f3"),
        bash("Task 4: d", "cat f2 f3; echo d > f4", "test -e f4", depends_on="2,3", files="f4"),
        bash("Task 5: e", "cat f1 f4; echo e > f5", "test -e f5", depends_on="4", files="f5"),
        bash("Task 6: x", "echo x > f6", "test -e f6", files="f6", **FREE),
    )
    ran = await run(root)
    assert ran.code == 0
    waits = {2: [1], 3: [1], 4: [1, 2, 3], 5: [1, 2, 3, 4]}
    for task, before in waits.items():
        (start,) = data(ran, EventKind.ATTEMPT_STARTED, f"demo/{task}")
        for one in before:
            git(root, "merge-base", "--is-ancestor", landed(ran, f"demo/{one}"), start["base"])
    assert git(root, "rev-list", "--count", "--merges", "HEAD") == "0"
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "worktree", "list").count("\n") == 0


async def test_who_inherits_takes_over_the_worktree_at_the_new_tip_and_who_is_fresh_does_not(
    root: Path, out: Path
):
    """With what git ignores in it: builds and installed packages stay warm."""
    wait = wait_for(out, EventKind.ATTEMPT_FINISHED, 4)
    plan_of(
        root,
        bash(
            "Task 1: a", f"pwd >> {out}/places; mkdir build; echo > build/warm; {wait}; echo > f1"
        ),
        bash(
            "Task 2: b",
            f"pwd >> {out}/places; ls build . > {out}/b || true; echo > f2",
            depends_on="1",
        ),
        bash("Task 3: c", f"pwd >> {out}/places; ls > {out}/c; echo > f3", context_mode="fresh"),
        bash("Task 4: beside", "echo x > f4", "test -e f4", files="f4", **FREE),
    )
    ran = await run(root, watcher=Flags(folder=out))
    assert ran.code == 0
    first, second, third = (out / "places").read_text().splitlines()
    assert first == second != third
    assert {"f1", "f4"} <= set((out / "b").read_text().split())
    assert "warm" in (out / "b").read_text().split()
    assert {"f1", "f2", "f4"} <= set((out / "c").read_text().split())
    assert "build" not in (out / "c").read_text().split()
    assert git(root, "worktree", "list").count("\n") == 0


async def test_what_a_failed_try_made_is_there_for_the_next_and_is_in_one_commit(root: Path):
    agent = TieredAgent(
        "echo $ORCHESTRATOR_ATTEMPT >> tries; echo $PWD >> places; sort -u places > p; mv p places"
    )
    plan_of(
        root,
        '<task type="auto" model="haiku"><name>Task 1: climb</name><action>x</action><verify><automated>'
        "test $(wc -l &lt; tries) = 2</automated></verify><done>x</done></task>\n",
    )
    ran = await run(root, workers={"agent": agent})
    assert ran.failures("demo/1") == [Failure.VERIFY, None]
    tree = in_tree(root, "HEAD")
    assert tree[b"tries"][1] == b"1\n2\n"
    assert tree[b"places"][1].count(b"\n") == 1
    assert git(root, "log", "--format=%s", "HEAD~2..HEAD").count("climb") == 1


# --- checks ---------------------------------------------------------------------------------------


async def test_a_check_that_names_the_checkout_by_its_whole_path_looks_at_the_worktree(root: Path):
    check = f"cd {root} &amp;&amp; grep -q new {root}/a.txt"
    plan_of(root, bash("Task 1: a", f"echo new > {root}/a.txt", check, files="a.txt"))
    before = (root / "a.txt").stat().st_mtime_ns
    seen = list[int]()

    class Look(Watcher):
        def happened(self, event: Event) -> None:
            super().happened(event)
            if not self.has_seen(EventKind.DELIVERING):
                seen.append((root / "a.txt").stat().st_mtime_ns)

    ran = await run(root, watcher=Look())
    outcome = ran.history.of(TaskId("demo/1")).last
    assert outcome
    assert outcome.verdict
    assert (ran.code, outcome.verdict.strength) == (0, 1.0)
    assert set(seen) == {before}
    assert in_tree(root, "HEAD")[b"a.txt"][1] == b"new\n"


async def test_what_the_red_check_before_the_work_leaves_behind_is_in_no_commit(root: Path):
    check = "echo x >> left.txt; mkdir -p cache; echo x > cache/y; echo 2 > a.txt; test -e made"
    plan_of(root, bash("Task 1: a", "touch made", check), bash("Task 2: b", "echo > f2"))
    ran = await run(root)
    assert ran.code == 0
    tree = in_tree(root, "HEAD")
    assert {b"made", b"f2"} <= set(tree)
    assert not {b"left.txt", b"cache/y"} & set(tree)
    assert tree[b"a.txt"][1] == b"one\n"


async def test_what_a_check_after_a_failed_try_leaves_behind_is_in_no_commit(root: Path):
    script = "if test -e first; then touch second; fi; touch first"
    check = "test ! -e first || touch left.txt; test -e second"
    plan_of(root, bash("Task 1: a", script, check))
    ran = await run(root)
    assert ran.failures("demo/1") == [Failure.VERIFY, None]
    tree = in_tree(root, "HEAD")
    assert {b"first", b"second"} <= set(tree)
    assert b"left.txt" not in tree


async def test_every_check_is_run_on_the_result_and_a_red_one_is_named(root: Path):
    check = "test ! -e spoils"
    plan_of(
        root,
        bash("Task 1: a", "echo > f1", f"{check} &amp;&amp; test -e f1", files="f1", depends_on=""),
        bash("Task 2: b", "echo > spoils", "test -e spoils", files="spoils", depends_on="1"),
    )
    head = git(root, "rev-parse", "HEAD")
    ran = await run(root)
    assert ran.code == 1
    assert [
        one.failure for t in ("1", "2") if (one := ran.history.of(TaskId(f"demo/{t}")).last)
    ] == [
        None,
        None,
    ]
    red = [one for one in ran.history.result_checks or () if one.result.value != "green"]
    assert [one.command for one in red] == ["test ! -e spoils && test -e f1"]
    assert git(root, "rev-parse", "HEAD") == head
    result = git(root, "rev-parse", f"orchestrator/{ran.run}")
    text = in_tree(root, result)[b"plans/demo-SUMMARY.md"][1].decode()
    assert "status: complete" not in text
    assert "test ! -e spoils" in text


async def test_what_is_green_only_with_ignored_files_is_told(root: Path):
    plan_of(
        root,
        bash("Task 1: a", "mkdir -p build; echo > build/out; echo > f1", "test -e build/out"),
        bash("Task 2: b", "echo > f2", "test -e f2"),
    )
    ran = await run(root)
    assert ran.code == 0
    told = {one.command: one.output for one in ran.history.result_checks or ()}
    assert "green only with files that git ignores" in told["test -e build/out"]
    assert "ignores" not in told["test -e f2"]
    assert b"build/out" not in in_tree(root, "HEAD")
    assert not (root / "build").exists()


async def test_what_is_green_alone_and_red_together_with_others_does_not_land(
    root: Path, out: Path
):
    """The next try begins with both, and is told."""
    wait = wait_for(out, EventKind.ATTEMPT_FINISHED, 1)
    script = f"{wait}; echo > f2; ls > {out}/ls.$ORCHESTRATOR_ATTEMPT; if test -e spoils; then echo > mended; fi"
    check = "test -e f2 || exit 1; test ! -e spoils || test -e mended"
    plan_of(
        root,
        bash("Task 1: a", "echo > spoils", "test -e spoils", files="spoils", **FREE),
        bash("Task 2: b", script, check, **FREE),
    )
    ran = await run(root, watcher=Flags(folder=out))
    assert ran.failures("demo/2") == [Failure.VERIFY, None]
    first = ran.history.of(TaskId("demo/2")).tried[0].outcome
    assert first
    assert "green on its own base" in first.detail
    assert "spoils" not in (out / "ls.1").read_text()
    assert {"spoils", "f2"} <= set((out / "ls.2").read_text().split())
    assert ran.code == 0
    assert git(root, "log", "--format=%s", "HEAD~2..HEAD~1").count("b") == 1


# --- what is handed in ----------------------------------------------------------------------------


async def test_context_that_is_not_committed_can_be_read_and_is_no_work(root: Path):
    lay(root, {"notes/brief.md": "the brief\n", "notes/draft.md": "draft\n"})
    head = (
        f"{repos.HEAD}<context>\n@notes/brief.md\n@notes/draft.md\n@a.txt\n@gone.md\n</context>\n"
    )
    script = "cat notes/brief.md notes/draft.md > copy.txt; echo mine >> notes/draft.md"
    plan_of(root, bash("Task 1: a", script, "test -e copy.txt"), head=head)
    ran = await run(root)
    result = landed(ran, "demo/1")
    tree = in_tree(root, result)
    assert tree[b"copy.txt"][1] == b"the brief\ndraft\n"
    assert b"notes/brief.md" not in tree
    assert tree[b"notes/draft.md"][1] == b"draft\nmine\n"  # who changes it makes it their work
    assert (root / "notes/draft.md").read_text() == "draft\n"


async def test_a_link_is_the_persons_own_and_a_copy_is_not_and_neither_is_work(root: Path):
    lay(root, {"linked/lib": "1", "build/lib": "1", "build/deep/x": "1", "plain": "1"})
    (root / "build/link").symlink_to("lib")
    script = "echo 2 > build/lib; echo 2 > linked/new; test -L build/link; cat plain; echo > f1"
    plan_of(root, bash("Task 1: a", script, "test -e f1", files="f1"))
    before = on_disk(root)
    ran = await run(root, conf={"link": ("linked", "gone"), "clone": ("build", "plain")})
    assert ran.failures("demo/1") == [None]
    assert (root / "linked/new").read_text() == "2\n"
    (root / "linked/new").unlink()
    assert {b"linked/lib", b"build/lib", b"build/deep/x", b"build/link", b"plain"} <= set(before)
    commits = git(root, "rev-list", f"{landed(ran, 'demo/1')}^..HEAD").split()
    assert {path for one in commits for path in changed(root, one)} == {
        "f1",
        "plans/demo-SUMMARY.md",
    }
    after = on_disk(root)
    assert {path: after[path] for path in before} == before


async def test_setup_is_run_once_in_each_worktree_and_its_log_is_kept(root: Path, out: Path):
    setup = f"echo setting up; pwd >> {out}/setups; echo made > made.txt; mkdir build; echo > build/deps"
    check = "test -e build/deps -a -e f{n}"
    plan_of(
        root,
        bash("Task 1: a", "test -e build/deps; echo > f1", check.format(n=1), depends_on=""),
        bash("Task 2: b", "test -e build/deps; echo > f2", check.format(n=2), depends_on="1"),
        bash("Task 3: c", "test -e build/deps; echo > f3", check.format(n=3), **FREE),
    )
    ran = await run(root, conf={"setup": setup})
    assert ran.code == 0, [ran.failures(f"demo/{n}") for n in (1, 2, 3)]
    places = (out / "setups").read_text().split()
    assert (
        len(places) == len(set(places)) == 3
    )  # the second task has that of the first; the result has one
    logs = list((root / f".orchestrator/runs/{ran.run}").glob("*.setup.log"))
    assert len(logs) == 3
    assert all("setting up" in one.read_text() for one in logs)
    assert b"made.txt" not in in_tree(root, "HEAD")


async def test_a_setup_that_fails_fails_the_task_says_how_and_leaves_no_worktree(
    root: Path, out: Path
):
    plan = plan_of(root, bash("Task 1: a", "echo > f1", "test -e f1"), bash("Task 2: b", "true"))
    before = traces(root)
    ran = await run(root, conf={"setup": f"echo the reason; touch {out}/was; exit 3"})
    assert (ran.code, ran.failures("demo/1")) == (1, [Failure.WORKSPACE])
    outcome = ran.history.of(TaskId("demo/1")).last
    assert outcome
    for words in ("workspace.setup failed (exit 3)", "the reason", ".setup.log"):
        assert words in outcome.detail
    after = traces(root)
    assert (after["worktrees"], after["files"]) == (before["worktrees"], before["files"])
    assert "status: halted" in ran.watcher.summaries[0].read_text()
    assert plan.exists()
