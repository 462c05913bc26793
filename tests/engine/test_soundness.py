"""What a run may not be fooled by: forged checks, stops at odd moments, files that cannot be written, plans that share names."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio

from orchestrator import ledger
from orchestrator.reader import discover
from orchestrator.settings import ledger_folder
from tests.engine.runs import bash, resume, run, summary, write_plan


async def test_a_forged_check_is_no_base_for_the_next_try(tmp_path: Path):
    (tmp_path / "check.sh").write_text("test -e work\n")
    task = bash("Task 1: cheat", "echo true > check.sh; exit 1", "bash check.sh", files="work")
    ran = await run(tmp_path, write_plan(tmp_path, task))
    assert ran.code == 1
    assert (tmp_path / "check.sh").read_text() == "test -e work\n"


async def test_what_a_task_beside_it_declares_is_not_put_back(tmp_path: Path):
    """Task 2 writes its own file while task 1, whose check names that file, runs."""
    (tmp_path / "shared.txt").write_text("old\n")
    waits = "touch one.on; until grep -q new shared.txt; do sleep 0.02; done; touch one"
    writes = "until test -e one.on; do sleep 0.02; done; echo new > shared.txt"
    first = bash(
        "Task 1: wait",
        waits,
        "test -e one &amp;&amp; grep -q new shared.txt",
        depends_on="",
        files="one",
    )
    second = bash(
        "Task 2: write", writes, "grep -q new shared.txt", depends_on="", files="shared.txt"
    )
    with anyio.fail_after(40):
        ran = await run(tmp_path, write_plan(tmp_path, first, second))
    assert (ran.failures("demo/1"), ran.failures("demo/2")) == ([None], [None])
    assert (tmp_path / "shared.txt").read_text() == "new\n"


async def test_plans_of_one_name_have_scripts_of_their_own(tmp_path: Path):
    paths = []
    for place in ("a/c", "b/c", "a-c"):
        path = tmp_path / f"{place}-PLAN.md"
        path.parent.mkdir(exist_ok=True)
        name = place.replace("/", "")
        task = bash("Task 1: x", f"echo {name} >> log", files=name)
        path.write_text(f"<tasks>\n{task}</tasks>\n")
        paths.append(path)
    assert (await run(tmp_path, *paths)).code == 0
    assert sorted((tmp_path / "log").read_text().split()) == ["a-c", "ac", "bc"]


async def test_the_ledger_gets_at_resume_what_a_crash_kept_from_it(tmp_path: Path):
    await run(tmp_path, write_plan(tmp_path, bash("Task 1: x", "exit 1", files="a")))
    book = ledger_folder() / ledger.NAME
    lines = book.read_text().splitlines(keepends=True)
    assert len(lines) == 2
    book.write_text(lines[0])
    await resume(tmp_path)
    assert book.read_text().splitlines(keepends=True) == lines


async def test_a_run_stopped_in_the_check_of_its_plan_is_not_done(tmp_path: Path):
    wait = "touch checking; until test -e go; do sleep 0.02; done"
    tail = f"<verification>\n```bash\n{wait}\n```\n</verification>\n"
    plan = write_plan(tmp_path, bash("Task 1: x", "touch a", files="a"), tail=tail)
    codes = []

    async def start() -> None:
        codes.append((await run(tmp_path, plan)).code)

    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(start)
            while not (tmp_path / "checking").exists():  # noqa: ASYNC110 - a script says it
                await anyio.sleep(0.02)
            os.kill(os.getpid(), signal.SIGTERM)
    assert codes == [130]
    (tmp_path / "go").touch()
    assert (await resume(tmp_path)).code == 0
    assert "status: complete" in summary(plan)


async def test_a_summary_that_cannot_be_written_is_told_and_written_later(tmp_path: Path):
    blocked = tmp_path / "plans" / "demo-SUMMARY.md"
    plan = write_plan(tmp_path, bash("Task 1: x", f"mkdir {blocked}", files="a"))
    ran = await run(tmp_path, plan)
    assert ran.code == 4
    assert "demo-SUMMARY.md" in ran.watcher.warnings[-1]
    blocked.rmdir()
    assert (await resume(tmp_path)).code == 0
    assert "status: complete" in summary(plan)


async def test_a_finished_neighbour_is_remembered_by_the_run(tmp_path: Path):
    folder = tmp_path / ".planning" / "phases" / "01-a"
    folder.mkdir(parents=True)
    (folder / "01-01-PLAN.md").write_text("<tasks>\n</tasks>\n")
    (folder / "01-01-SUMMARY.md").write_text("done\n")
    plan = folder / "01-02-PLAN.md"
    task = bash("Task 1: x", "test -e mended", depends_on="01-01/1", files="a")
    plan.write_text(f"---\ndepends_on: [01-01]\n---\n<tasks>\n{task}</tasks>\n")
    assert (await run(tmp_path, plan)).code == 1
    (folder / "01-01-SUMMARY.md").unlink()
    (tmp_path / "mended").touch()
    assert (await resume(tmp_path, retry=("1",))).code == 0


async def test_a_ledger_that_lost_its_end_is_told_once_by_who_writes_it(tmp_path: Path):
    plan = write_plan(
        tmp_path, *(bash(f"Task {n}: t", f"echo > {n}", f"test -e {n}") for n in (1, 2))
    )
    await run(tmp_path, plan)
    path = ledger_folder() / ledger.NAME
    path.write_bytes(path.read_bytes()[:-1])
    discover.summary_path(plan).unlink()
    ran = await run(tmp_path, plan)
    assert [one for one in ran.watcher.warnings if "missing at the end of the ledger" in one][
        1:
    ] == []
    assert any("bytes are missing at the end of the ledger" in one for one in ran.watcher.warnings)
