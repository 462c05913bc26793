"""Tools by their manifests: what ships is there, what a person says stays, and what fails too often ends by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.model.outloop import (
    Occurrence,
    Optimization,
    PatternStatus,
    Saving,
    Tool,
    ToolCall,
    ToolStatus,
)
from orchestrator.outloop import discovery, offload, store, toolbox
from orchestrator.outloop.bookings import Baseline
from orchestrator.outloop.rows import operation
from orchestrator.outloop.store import Store

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
        ("", "name: is missing"),
        (
            MANIFEST.replace("test:pytest", "testt:pytest"),
            r"3: does: 'testt:pytest' begins with no verb .*did you mean test\?",
        ),
        (MANIFEST.replace("test:pytest", "Test:pytest"), "does: 'Test:pytest' begins with no verb"),
        (MANIFEST.replace("test:pytest", "test:PyTest:"), "does: 'test:PyTest:' is no beginning"),
        (MANIFEST.replace("test:pytest", "test::"), "does: 'test::' is no beginning"),
        (MANIFEST.replace("test:pytest", "test:a:b:c:d"), "does: 'test:a:b:c:d' is no beginning"),
        (MANIFEST.replace("test:pytest", "test:pytest:a b"), "does: 'test:pytest:a b' has blanks"),
        (MANIFEST.replace("test:pytest", "fail:pytest"), "does: 'fail:pytest' is a failure"),
        (MANIFEST.replace("test:pytest", "read:cat"), "does: 'read:cat' is for a model"),
        (MANIFEST.replace("mine.sh", "/etc/passwd"), "2: script: /etc/passwd is outside of"),
        (MANIFEST.replace("mine.sh", "../x.sh"), "script: .*/x.sh is outside of"),
        (MANIFEST.replace("mine.sh", "empty.sh"), "script: .*/empty.sh is empty"),
        (MANIFEST.replace("mine.sh", r"s\u0000.sh"), "2: script: 's.x00.sh' is no name of a file"),
        (MANIFEST.replace("mine.sh", "s" * 200 + "é" * 50), "2: script: 's+é+' is no name of a"),
        (MANIFEST.replace("mine.sh", "round.sh"), "2: script: .*round.sh"),
        (
            MANIFEST + 'writes = ["../../etc/*"]\n',
            r"5: writes: '../../etc/\*' leads out of the workspace",
        ),
        (MANIFEST + 'writes = ["ok/*", "/abs", "a/../b"]\n', "writes: '/abs' leads out"),
        (MANIFEST + 'phrases = [" "]\n', "phrases: ' ' has no word"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_by_its_place(
    tmp_path: Path, manifest: str, why: str
) -> None:
    path = written(tmp_path, manifest)
    (path.parent / "empty.sh").write_text("#!/bin/sh\n# to be written\n\n")
    (path.parent / "round.sh").symlink_to("round.sh")
    with pytest.raises(UsageError, match=why) as refused:
        toolbox.read(path)
    assert str(path) in str(refused.value)


def test_a_script_may_lie_elsewhere_in_the_project(tmp_path: Path) -> None:
    own = tmp_path / "project" / "tools"
    own.mkdir(parents=True)
    path = written(own, MANIFEST.replace("mine.sh", "../scripts/mine.sh"))
    (tmp_path / "project" / "scripts").mkdir()
    (tmp_path / "project" / "scripts" / "mine.sh").write_text("echo mine\n")
    with pytest.raises(UsageError, match="outside of the manifest's folder and of the project"):
        toolbox.read(path)
    assert toolbox.read(path, root=tmp_path / "project").name == "mine"


def test_all_that_is_wrong_with_a_manifest_is_told_at_once_each_with_its_line(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, 'name = "Mine"\n\nscript = "gone.sh"\ntimeout_s = "5"\nphrase = []\n')
    with pytest.raises(UsageError) as refused:
        toolbox.read(path)
    assert str(refused.value).splitlines() == [
        f"{path}: does: is missing",
        f"{path}:1: name: should have small letters, digits, - and _ only, and begin with a letter",
        f"{path}:3: script: there is no {tmp_path / 'gone.sh'}",
        f"{path}:4: timeout_s: should be a valid number",
        f"{path}:5: phrase: no such key; did you mean phrases? Next: correct it, then: orchestrator tools add {path}",
    ]


def tool(calls: int, successes: int, row: int) -> Tool:
    base = {"name": "t", "script": "/t", "does": ("test",), "phrases": (), "timeout_s": 1}
    return Tool.model_validate(
        {**base, "calls_since": calls, "successes_since": successes, "failed_in_a_row": row}
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
        assert (waits.status, waits.decided_by) == (PatternStatus.IMPLEMENTED, "me")
        assert waits.why == f"{TEST} is disabled: it failed"
        assert toolbox.told(toolbox.enable(book, TEST, "me")) == f"; {TEST} does test:x from now on"
        assert book.find("test:x").status is PatternStatus.ACTIVE
        found = book.tool(TEST)
        assert (found.calls_since, found.failed_in_a_row) == (0, 0)
        assert (found.calls, found.successes) == (3, 0), "what it did is not forgotten"
    for number in range(3, 5):
        call(tmp_path, number, ok=False)
    with store.writing(tmp_path) as book:
        found = book.tool(TEST)
        assert (found.calls, found.calls_since, found.failed_in_a_row) == (5, 2, 2)
        assert not toolbox.unfit(found)


def active(book: Store, signature: str, name: str) -> None:
    seen = Occurrence(workflow="w", operation=operation(signature), at="2026")
    toolbox.register(book)
    book.record([seen])
    steps = (PatternStatus.CANDIDATE, PatternStatus.APPROVED, PatternStatus.IMPLEMENTED)
    for step in (*steps, PatternStatus.ACTIVE):
        book.move(signature, step, "me", tool=name)


def test_added_again_a_disabled_tool_stays_so_with_its_reason(tmp_path: Path) -> None:
    path = written(tmp_path)
    with store.writing(tmp_path) as book:
        toolbox.add(book, path)
        toolbox.disable(book, "mine", "it hangs", "me")
        for text in (MANIFEST, MANIFEST.replace("timeout_s = 5", "timeout_s = 9")):
            found = toolbox.add(book, written(tmp_path, text))
            assert (found.status, found.why) == (ToolStatus.DISABLED, "it hangs")
        assert found.timeout_s == 9
        toolbox.enable(book, "mine", "me")
        assert toolbox.add(book, path).status is ToolStatus.ENABLED


def test_added_again_as_it_is_what_it_failed_still_counts(tmp_path: Path) -> None:
    with store.writing(tmp_path) as book:
        toolbox.add(book, written(tmp_path))
    assert call(tmp_path, 1, ok=False, name="mine").calls_since == 1
    with store.writing(tmp_path) as book:
        assert toolbox.add(book, written(tmp_path)).calls_since == 1
        changed = written(tmp_path)
        (tmp_path / "mine.sh").write_text("echo changed\n")
        assert toolbox.add(book, changed).calls_since == 0


def test_disabled_twice_it_keeps_its_reason_until_there_is_another(tmp_path: Path) -> None:
    with store.writing(tmp_path) as book:
        toolbox.disable(book, TEST, "too slow", "me")
        toolbox.disable(book, TEST, "", "me")
        assert book.tool(TEST).why == "too slow"
        toolbox.disable(book, TEST, "it hangs", "me")
        assert book.tool(TEST).why == "it hangs"
        toolbox.enable(book, TEST, "me")
        toolbox.disable(book, TEST, "", "me")
        assert book.tool(TEST).why == "me disabled it"


def test_removed_its_patterns_go_to_another_or_wait_and_its_calls_and_savings_stay(
    tmp_path: Path,
) -> None:
    alone = MANIFEST.replace('["test:pytest"]', '["test:pytest", "run:greet"]')
    saving = Saving(
        at="2026", kind=Optimization.PATTERN_OFFLOAD, workflow="r 1/1 1", pattern="test:pytest:all",
        tokens=5, cost_usd=0.5, baseline=1,
    )  # fmt: skip
    with store.writing(tmp_path) as book:
        toolbox.add(book, written(tmp_path, alone))
        active(book, "test:pytest:all", "mine")
        active(book, "run:greet", "mine")
        book.book_saving(saving)
    call(tmp_path, 1, ok=True, name="mine")
    with store.writing(tmp_path) as book:
        told = toolbox.told(toolbox.remove(book, "mine", "me"))
        assert told == f"; a model does run:greet again; {TEST} does test:pytest:all from now on"
        assert [one.name for one in toolbox.known(book)] == [BUILD, TEST]
        waits = book.find("run:greet")
        assert (waits.status, waits.tool) == (PatternStatus.IMPLEMENTED, None)
        assert waits.why == "mine is removed by me"
        with pytest.raises(UsageError, match=r"waits for a tool\. Next: .*propose run:greet"):
            discovery.approve(book, "run:greet", "me")
        assert (len(book.calls()), len(book.savings())) == (1, 1)
        for change in (toolbox.enable, toolbox.remove):
            with pytest.raises(UsageError, match="there is no tool 'mine'"):
                change(book, "mine", "me")
    late = call(tmp_path, 2, ok=False, name="mine")  # it was at work when that was said
    assert (late.calls, late.successes) == (2, 1)
    assert offload.disabled(tmp_path, "mine") == "it is removed"
    with store.writing(tmp_path) as book:
        again = toolbox.add(book, written(tmp_path, alone))
        assert (again.status, again.calls, again.calls_since) == (ToolStatus.ENABLED, 2, 0)


def test_what_ships_is_not_removed_and_comes_back_where_an_own_one_stood(tmp_path: Path) -> None:
    with store.writing(tmp_path) as book:
        with pytest.raises(UsageError, match=f"part of the program.*tools disable {TEST}"):
            toolbox.remove(book, TEST, "me")
        toolbox.add(book, written(tmp_path, MANIFEST.replace('"mine"', f'"{TEST}"')))
        active(book, "test:pytest:all", TEST)
        assert toolbox.covers(TEST)
        assert not toolbox.remove(book, TEST, "me"), "the pattern has the same tool as before"
        assert book.tool(TEST).shipped
        assert book.find("test:pytest:all").status is PatternStatus.ACTIVE


def test_what_ships_comes_back_as_a_person_had_left_it_and_with_its_own_figures(
    tmp_path: Path,
) -> None:
    """Only `enable` ends what was said of it: not that an own one stood in for a while."""
    own = written(tmp_path, MANIFEST.replace('"mine"', f'"{TEST}"'))
    for number, ok in enumerate((True, False)):
        call(tmp_path, number, ok)
    with store.writing(tmp_path) as book:
        active(book, "test:pytest:all", TEST)
        toolbox.disable(book, TEST, "it broke our CI", "me")
        for _ in range(2):
            added = toolbox.add(book, own)
            assert (added.status, added.calls, added.successes) == (ToolStatus.ENABLED, 0, 0)
            toolbox.choose_anew(book, "it is added", "me")
            assert book.find("test:pytest:all").status is PatternStatus.ACTIVE
            toolbox.remove(book, TEST, "me")
            found = book.tool(TEST)
            assert (found.shipped, found.status, found.why) == (True, ToolStatus.DISABLED, "it broke our CI")  # fmt: skip
            assert (found.calls, found.successes, found.calls_since) == (2, 1, 0)
            assert book.find("test:pytest:all").status is PatternStatus.IMPLEMENTED
    late = call(tmp_path, 2, ok=True)
    assert (late.calls, late.successes) == (3, 2)
    with store.writing(tmp_path) as book:
        toolbox.enable(book, TEST, "me")
        toolbox.add(book, own)
    call(tmp_path, 3, ok=True)
    with store.writing(tmp_path) as book:
        assert [one.name for one in book.tools()] == [BUILD, TEST]
        toolbox.disable(book, TEST, "ours hangs", "me")
        toolbox.remove(book, TEST, "me")
        found = book.tool(TEST)
        assert (found.status, found.why, found.calls) == (ToolStatus.ENABLED, "", 3)


def test_one_that_ships_and_never_worked_comes_back_without_the_calls_of_the_own_one(
    tmp_path: Path,
) -> None:
    with store.writing(tmp_path) as book:
        toolbox.add(book, written(tmp_path, MANIFEST.replace('"mine"', f'"{TEST}"')))
    call(tmp_path, 1, ok=True)
    with store.writing(tmp_path) as book:
        toolbox.remove(book, TEST, "me")
        assert (book.tool(TEST).status, book.tool(TEST).calls) == (ToolStatus.ENABLED, 0)


def test_a_pattern_that_was_deprecated_still_says_so_when_its_tool_is_removed(
    tmp_path: Path,
) -> None:
    with store.writing(tmp_path) as book:
        toolbox.add(book, written(tmp_path, MANIFEST.replace("test:pytest", "run:greet")))
        active(book, "run:greet", "mine")
        discovery.deprecate(book, "run:greet", "me")
        toolbox.remove(book, "mine", "me")
        assert book.find("run:greet").tool == "mine"
        with pytest.raises(UsageError, match="is deprecated already"):
            discovery.deprecate(book, "run:greet", "me")
        again = discovery.approve(book, "run:greet", "me")
        assert (again.status, again.tool) == (PatternStatus.APPROVED, None)
        with pytest.raises(UsageError, match="approved already, and waits for a tool"):
            discovery.approve(book, "run:greet", "me")


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


def test_a_baseline_is_of_live_whole_tasks_with_known_tokens_and_counts_each_once(
    tmp_path: Path,
) -> None:
    nested = operation("test:x:y")
    seen = [
        occurrence("a", cost_usd=0.1),
        occurrence("a", operation=nested, cost_usd=0.1),  # the same workflow by another signature
        occurrence("b", tokens=201, cost_usd=0.3),
        occurrence("c", tokens=None),
        occurrence("d", similarity=69.9, tokens=9000),
        occurrence("e", live=False, tokens=9000),
    ]
    with store.writing(tmp_path) as book:
        book.record(seen[3:])
        assert book.baseline("test:x", 70) is None
        assert book.baseline("test:unknown", 70) is None
        book.record(seen)
        assert book.baseline("test:x", 70) == Baseline(150, pytest.approx(0.2), 2)
        book.record([occurrence("f", operation=operation("test:z"))])
        assert book.baseline("test:z", 70) == Baseline(100, 0.0, 1)


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


def test_the_script_has_no_head_without_lines() -> None:
    done = ran("echo 'no rule to make target'; exit 2")
    assert done.stdout.splitlines()[1:] == ["the last lines:", "no rule to make target"]
    assert ran("exit 3").stdout.splitlines() == ["exit 3: exit 3", "it said nothing"]
