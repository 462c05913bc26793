"""Tools by their manifests: what ships is there, what a person says stays, and what fails too often ends by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.model.outloop import Occurrence, PatternStatus, Tool, ToolCall, ToolStatus
from orchestrator.outloop import store, toolbox
from orchestrator.outloop.offload import Baseline, baseline
from orchestrator.outloop.rows import operation

TEST, BUILD = "run_test_workflow", "run_build_workflow"
MANIFEST = 'name = "mine"\nscript = "mine.sh"\ndoes = ["test:pytest"]\ntimeout_s = 5\n'


def written(folder: Path, manifest: str = MANIFEST) -> Path:
    (folder / "mine.sh").write_text("echo mine\n")
    path = folder / "mine.toml"
    path.write_text(manifest)
    return path


def call(root: Path, number: int, ok: bool, name: str = TEST) -> Tool:
    one = ToolCall(
        tool=name, pattern="test:x", workflow=f"r 1/1 {number}", at="2026", duration_s=1, ok=ok
    )
    with store.writing(root) as book:
        toolbox.register(book)
        return book.book_call(one)


def test_s3_24_two_tools_ship_with_their_phrases_and_are_enabled() -> None:
    build, test = toolbox.known(None)
    assert (test.name, test.does, test.phrases) == (
        TEST,
        ("test",),
        ("run tests", "test suite", "pytest", "vitest"),
    )
    assert (build.name, build.does, build.phrases) == (
        BUILD,
        ("build",),
        ("build", "typecheck", "compile"),
    )
    assert all(
        one.status is ToolStatus.ENABLED and one.shipped and not one.writes for one in (build, test)
    )
    assert Path(test.script).is_file()


def test_s3_08_a_tool_is_registered_listed_and_disabled(tmp_path: Path) -> None:
    with store.writing(tmp_path) as book:
        added = toolbox.add(book, written(tmp_path))
        assert added.script == str(tmp_path / "mine.sh")
        assert [one.name for one in toolbox.known(book)] == ["mine", BUILD, TEST]
        toolbox.disable(book, "mine", "no", "me")
        assert book.tool("mine").status is ToolStatus.DISABLED
        toolbox.register(book)
    with store.reading(tmp_path) as book:
        assert book is not None
        states = {one.name: (one.status.value, one.why) for one in toolbox.known(book)}
    assert states == {"mine": ("disabled", "no"), BUILD: ("enabled", ""), TEST: ("enabled", "")}


@pytest.mark.parametrize("name", [TEST, BUILD])
def test_the_off_switch_of_a_shipped_tool_is_remembered(tmp_path: Path, name: str) -> None:
    with store.writing(tmp_path) as book:
        toolbox.disable(book, name, "not here", "me")
    with store.writing(tmp_path) as book:
        toolbox.register(book)
    with store.reading(tmp_path) as book:
        found = next(one for one in toolbox.known(book) if one.name == name)
    assert (found.status, found.why) == (ToolStatus.DISABLED, "not here")


def test_a_shipped_tool_is_where_it_is_today_and_an_own_one_of_its_name_stands(
    tmp_path: Path,
) -> None:
    shipped = next(one for one in toolbox.shipped() if one.name == TEST)
    with store.writing(tmp_path) as book:
        book.keep_tool(
            shipped.model_copy(update={"script": "/gone", "status": ToolStatus.DISABLED})
        )
        (found,) = [one for one in toolbox.known(book) if one.name == TEST]
        assert (found.script, found.status) == (shipped.script, ToolStatus.DISABLED)
        own = toolbox.add(book, written(tmp_path, MANIFEST.replace('"mine"', f'"{TEST}"')))
        toolbox.register(book)
        assert book.tool(TEST).script == own.script
        assert not book.tool(TEST).shipped


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ("name = ", "is no TOML"),
        (MANIFEST.replace("mine.sh", "gone.sh"), "there is no "),
        (MANIFEST.replace('"mine"', '"Mine Own"'), "name: "),
        (MANIFEST.replace("timeout_s = 5", "timeout_s = 0"), "timeout_s: "),
        (MANIFEST.replace('["test:pytest"]', "[]"), "does: "),
        (MANIFEST + "more = 1\n", "more: "),
        ("", "name: Field required"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_by_its_place(
    tmp_path: Path, manifest: str, why: str
) -> None:
    path = written(tmp_path, manifest)
    with pytest.raises(UsageError, match=why) as refused:
        toolbox.read(path)
    assert str(path) in str(refused.value)


def tool(calls: int, successes: int, row: int) -> Tool:
    base = {"name": "t", "script": "/t", "does": ("test",), "phrases": (), "timeout_s": 1}
    return Tool.model_validate(
        {**base, "calls": calls, "successes": successes, "failed_in_a_row": row}
    )


@pytest.mark.parametrize(
    ("calls", "successes", "row", "ends"),
    [
        (0, 0, 0, False),
        (1, 0, 1, False),
        (2, 0, 2, False),
        (3, 0, 3, True),
        (103, 100, 3, True),
        (102, 100, 2, False),
        (4, 1, 2, False),  # the bound is 62%, and four calls are too few for it
        (5, 1, 2, True),
        (10, 6, 1, True),  # at most 78%
        (10, 7, 1, False),  # at most 85%
        (100, 74, 1, True),  # at most 79.2%
        (100, 76, 1, False),
    ],
)
def test_s3_36_a_tool_ends_by_three_failures_in_a_row_or_where_it_surely_succeeds_too_seldom(
    calls: int, successes: int, row: int, ends: bool
) -> None:
    assert bool(toolbox.unfit(tool(calls, successes, row))) is ends


def test_disabled_its_patterns_wait_and_enabled_they_go_on_with_a_new_record(
    tmp_path: Path,
) -> None:
    seen = Occurrence(workflow="w", operation=operation("test:x"), at="2026")
    with store.writing(tmp_path) as book:
        toolbox.register(book)
        book.record([seen])
        steps = (
            PatternStatus.CANDIDATE,
            PatternStatus.APPROVED,
            PatternStatus.IMPLEMENTED,
            PatternStatus.ACTIVE,
        )
        for step in steps:
            book.move("test:x", step, "me", tool=TEST)
    for number in range(3):
        call(tmp_path, number, ok=False)
    with store.writing(tmp_path) as book:
        left = toolbox.disable(book, TEST, "it failed", toolbox.OURSELVES)
        assert toolbox.told(left) == "; a model does test:x again"
        waits = book.find("test:x")
        assert (waits.status, waits.decided_by) == (PatternStatus.IMPLEMENTED, "orchestrator")
        assert waits.why == f"{TEST} is disabled: it failed"
        assert toolbox.told(toolbox.enable(book, TEST, "me")) == f"; {TEST} does test:x from now on"
        assert book.find("test:x").status is PatternStatus.ACTIVE
        assert (book.tool(TEST).calls, book.tool(TEST).failed_in_a_row) == (0, 0)
        assert len(book.calls()) == 3


def test_the_pattern_of_a_disabled_tool_goes_to_another_that_is_enabled_the_most_specific_first(
    tmp_path: Path,
) -> None:
    seen = Occurrence(workflow="w", operation=operation("test:pytest:all"), at="2026")
    with store.writing(tmp_path) as book:
        toolbox.register(book)
        book.record([seen])
        steps = (PatternStatus.CANDIDATE, PatternStatus.APPROVED, PatternStatus.IMPLEMENTED)
        for step in (*steps, PatternStatus.ACTIVE):
            book.move("test:pytest:all", step, "me", tool=TEST)
        toolbox.add(book, written(tmp_path))
        told = toolbox.told(toolbox.choose_anew(book, "mine is added", "me"))
        assert told == "; mine does test:pytest:all from now on"
        told = toolbox.told(toolbox.disable(book, "mine", "slow", "me"))
        assert told == f"; {TEST} does test:pytest:all from now on"
        found = book.find("test:pytest:all")
        assert (found.status, found.tool) == (PatternStatus.ACTIVE, TEST)
        toolbox.disable(book, TEST, "slow", "me")
        assert book.find("test:pytest:all").status is PatternStatus.IMPLEMENTED
        toolbox.enable(book, "mine", "me")
        assert book.find("test:pytest:all").tool == "mine"


def occurrence(workflow: str, **more: object) -> Occurrence:
    given = {
        "workflow": workflow,
        "operation": operation("test:x"),
        "at": "2026",
        "similarity": 70.0,
        "tokens": 100,
    }
    return Occurrence.model_validate({**given, **more})


def test_a_baseline_is_of_live_whole_tasks_with_known_tokens_and_counts_each_once() -> None:
    seen = [
        occurrence("a", cost_usd=0.1),
        occurrence("a", cost_usd=0.1),  # the same workflow by another signature
        occurrence("b", tokens=201, cost_usd=0.3),
        occurrence("c", tokens=None),
        occurrence("d", similarity=69.9, tokens=9000),
        occurrence("e", live=False, tokens=9000),
    ]
    assert baseline(seen, 70) == Baseline(150, pytest.approx(0.2), 2)
    assert baseline(seen[3:], 70) is None
    assert baseline([occurrence("f")], 70) == Baseline(100, 0.0, 1)


# --- the scripts that ship -------------------------------------------------------------------------


def ran(*commands: str) -> subprocess.CompletedProcess[str]:
    script = toolbox.shipped()[0].script
    given = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["bash", script, *commands],
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_script_runs_each_command_and_tells_counts() -> None:
    done = ran("echo noise; echo '3 passed, 1 skipped in 0.1s'", "echo 'Tests:  5 passed, 5 total'")
    assert done.returncode == 0
    assert "3 passed, 1 skipped" in done.stdout
    assert "5 passed, 5 total" in done.stdout
    assert "\nnoise" not in done.stdout


def test_the_script_ends_with_the_status_of_the_first_failure_and_names_what_failed() -> None:
    done = ran(
        "true",
        "echo 'FAILED a/test_b.py::test_c - no'; echo '1 failed'; exit 7",
        "echo not reached",
    )
    assert done.returncode == 7
    assert "exit 7: echo" in done.stdout
    assert "\nFAILED a/test_b.py::test_c" in done.stdout
    assert "not reached" not in done.stdout.replace("echo not reached", "")


def test_a_failure_in_a_pipe_is_one_and_much_output_is_bounded() -> None:
    assert ran("false | tail -5").returncode == 1
    done = ran("yes | head -c 20000000; exit 1")
    assert done.returncode == 1
    assert len(done.stdout) < 10_000
    assert ran().returncode == 64
